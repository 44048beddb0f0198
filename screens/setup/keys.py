"""Every action of setup, once: keys, word in the footer, sentence in the help."""

from __future__ import annotations

from screens.base.actions import Action, scoped

GROUP = "Setup"
SESSIONS = "Sessions"

SETUP_ACTIONS = scoped("setup", (
    Action("open", "ctrl+o", "^o", "open", "Load the model and open the bench.", GROUP),
    Action("tutorial", "ctrl+t", "^t", "tutorial",
           "Take the tutorial: ten minutes, step by step.", GROUP),
    Action("pair(1)", "ctrl+right", "^→", "next prompt", "Show the next pair of prompts.", GROUP,
           id="next_prompt"),
    Action("pair(-1)", "ctrl+left", "^←", "previous prompt", "Show the pair of prompts before.",
           GROUP, id="previous_prompt"),
    Action("back", "escape", "esc", "back", "Go back to the session that was shown last.", GROUP),
    Action("help", "f1,question_mark", "F1", "help", "Explain this screen.", GROUP),
))  # fmt: skip

OPEN, TUTORIAL, PAIR, PAIR_BEFORE, BACK, HELP = SETUP_ACTIONS
NEXT = Action("app.focus_next", "tab", "tab", "next field", "Go to the next field.", GROUP)
QUIT = Action("app.quit", "ctrl+q", "^q", "quit", "Leave.", GROUP)

SESSION_ACTIONS = scoped("sessions", (
    Action("go_on", "enter", "⏎", "go on",
           "Go on with the session; one marked ● is open already.", SESSIONS),
    Action("entitle", "W", "W", "title", "Give the session a title and tags.",
           SESSIONS, "Title and tags"),
    Action("remove", "minus,delete", "-", "close/delete",
           "Close a session that is open here; delete one that is not, after asking.",
           SESSIONS, "Close or delete the session"),
))  # fmt: skip
"""Of the list of sessions, while it has the focus."""
GO_ON, TITLE, REMOVE = SESSION_ACTIONS
