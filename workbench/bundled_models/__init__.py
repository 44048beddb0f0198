"""The models that come with the workbench: `pocket` is trained, `known` is written.

Their files lie in `workbench/data`; `models.bundled` finds them.
"""
