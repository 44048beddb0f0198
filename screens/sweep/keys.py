"""Every action of the screen of a sweep, once: keys, word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

SWEEP = "Sweep"

ACTIONS = scoped("sweep", (
    Action("filter", "f", "f", "filter",
           "Show only running, failed, finished or waiting cells, in turn; then all.", SWEEP),
    Action("sort", "s", "s", "sort",
           "Sort by the sweep's order, by state, by faithfulness or by time, in turn.", SWEEP),
    Action("app.copy", "Y", "Y", "copy", COPY, SWEEP),
    Action("leave", "escape", "esc", "leave",
           "Leave; the sweep goes on, whoever runs it.", SWEEP),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", SWEEP),
    Action("app.quit", "q", "q", "quit", "Leave; the sweep goes on.", SWEEP, "Quit"),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "filter", "sort", "app.copy")
