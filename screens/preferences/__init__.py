"""What the user has set of the screens, put into effect: keys by ids of actions, colours.

`check.py` says what of it cannot be followed. What a setting is, is said in `workbench/config/`.
"""
