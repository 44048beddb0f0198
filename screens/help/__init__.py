"""Help on the panel in focus: its keys, and what the numbers on the screen mean.

Keys are read from the screen's own bindings (`key_table`), words from `glossary`; no list is kept
twice. Begin with `screen`.
"""
