"""What every screen may use, without a session: worker thread, numbers, tokens, marks.

Nothing here is a widget; those stand in `screens.widgets`. Begin with `worker`, which calls the
session away from the screen, then `actions`, which is how a screen says its keys.
"""
