"""Keys of dialogs, one table each, which the dialogs bind themselves.

Enter and escape, where they accept and close, are no actions: they stay what they are everywhere.
"""

from __future__ import annotations

from screens.base.actions import Action, scoped

DIALOGS = "Dialogs"

PROMPTS = scoped("prompts", (
    Action("turn(1)", "right,down,l,j", "→ l", "next pair", "Show the next pair of prompts.",
           DIALOGS, id="next"),
    Action("turn(-1)", "left,up,h,k", "← h", "pair before", "Show the pair of prompts before.",
           DIALOGS, id="previous"),
    Action("leave", "p", "p", "close", "Close the prompts.", DIALOGS, id="close"),
))  # fmt: skip
"""Of the task and its prompts."""

COPY_DIALOG = scoped("copying", (
    Action("copy", "Y", "Y", "copy", "Copy this.", DIALOGS),
    Action("write", "o", "o", "write", "Write this to a file.", DIALOGS),
    Action("format(1)", "right,l", "→ l", "next format", "Rows and tables in the next format.",
           DIALOGS, id="next"),
    Action("format(-1)", "left,h", "← h", "format before",
           "Rows and tables in the format before.", DIALOGS, id="previous"),
))  # fmt: skip
"""Of the question what to copy."""

REFERENCE = scoped("reference", (
    Action("answer('off')", "minus,delete", "-", "turn off", "Compare with no circuit.", DIALOGS,
           id="off"),
    Action("answer('other')", "L", "L", "another circuit", "Compare with another circuit.",
           DIALOGS, id="other"),
    Action("leave", "C", "C", "close", "Close the comparison.", DIALOGS, id="close"),
))  # fmt: skip
"""Of the differences from the reference circuit."""

CHOOSING = scoped("differing", (
    Action("choose", "right,l", "→ l", "go to the edge", "Go to the edge.", DIALOGS, id="go"),
))  # fmt: skip
"""Of lists of edges that lead to one of them."""

MODEL = scoped("model", (
    Action("leave", "M", "M", "close", "Close what is told of the model.", DIALOGS, id="close"),
))  # fmt: skip
"""Of the model in words."""

LOADING = scoped("loading", (
    Action("cancel", "c", "c", "cancel", "Stop loading.", DIALOGS),
    Action("app.quit", "q", "q", "quit", "Leave.", DIALOGS),
))  # fmt: skip
"""Of the screen that says how far a session is loaded."""

LEAVING_TUTORIAL = scoped("leaving", (
    Action("answer('leave')", "T", "T", "leave", "Leave the tutorial.", DIALOGS, id="leave"),
    Action("answer('restart')", "X", "X", "start over", "Start the tutorial over.", DIALOGS,
           id="restart"),
))  # fmt: skip
"""Of the question what becomes of the tutorial."""

LIKELIEST = scoped("likeliest", (
    Action("pick", "space", "space", "pick", "Pick the token, or let go of it.", DIALOGS),
))  # fmt: skip
"""Of the likeliest tokens, from which answers are taken."""
