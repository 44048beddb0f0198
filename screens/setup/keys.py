"""Every action of setup, once: keys, word in the footer, sentence in the help."""

from __future__ import annotations

from screens.base.actions import Action

GROUP = "Setup"
SESSIONS = "Sessions"

OPEN = Action("open", "ctrl+o", "^o", "open", "Load the model and open the bench.", GROUP)
NEXT = Action("app.focus_next", "tab", "tab", "next field", "Go to the next field.", GROUP)
PAIR = Action("pair(1)", "ctrl+right", "^→", "next prompt", "Show the next pair of prompts.", GROUP)
TUTORIAL = Action(
    "tutorial", "ctrl+t", "^t", "tutorial", "Take the tutorial: ten minutes, step by step.", GROUP
)
BACK = Action("back", "escape", "esc", "back", "Go back to the session that was shown last.", GROUP)
QUIT = Action("app.quit", "ctrl+q", "^q", "quit", "Leave.", GROUP)
SETUP_ACTIONS = (OPEN, NEXT, PAIR, TUTORIAL, BACK, QUIT)

GO_ON = Action(
    "go_on",
    "enter",
    "⏎",
    "go on",
    "Go on with the session; one marked ● is open already.",
    SESSIONS,
)
TITLE = Action(
    "entitle", "W", "W", "title", "Give the session a title and tags.", SESSIONS, "Title and tags"
)
REMOVE = Action(
    "remove", "minus,delete", "-", "close/delete",
    "Close a session that is open here; delete one that is not, after asking.",
    SESSIONS, "Close or delete the session",
)  # fmt: skip
SESSION_ACTIONS = (GO_ON, TITLE, REMOVE)
"""Of the list of sessions, while it has the focus."""
