"""What a user sets once: the file `config.toml`, read, checked, told and changed.

What a setting is stands in `catalogue.py`; the file's comments, `workbench config` and the page in
docs are made from it. Begin with `config.py`. Nothing here imports torch or Textual.
"""
