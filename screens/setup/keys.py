"""Every action of the setup screen, once."""

from __future__ import annotations

from screens.base.actions import Action, scoped

GROUP = "Setup"

ACTIONS = scoped("setup", (
    Action("open", "ctrl+o", "^o", "open", "Load the model and open the bench.", GROUP),
    Action("tutorial", "ctrl+t", "^t", "tutorial",
           "Take the tutorial: ten minutes, step by step.", GROUP),
    Action("pair(1)", "ctrl+right", "^→", "next prompt", "Show the next pair of prompts.", GROUP,
           id="next_prompt"),
    Action("pair(-1)", "ctrl+left", "^←", "previous prompt", "Show the pair of prompts before.",
           GROUP, id="previous_prompt"),
    Action("help", "f1", "F1", "help", "Explain this screen.", GROUP),
))  # fmt: skip

OPEN, TUTORIAL, PAIR, PAIR_BEFORE, HELP = ACTIONS
NEXT = Action("app.focus_next", "tab", "tab", "next field", "Go to the next field.", GROUP)
QUIT = Action("app.quit", "ctrl+q", "^q", "quit", "Leave.", GROUP)
