"""Every action of the screen of a session's history, once."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

HISTORY = "History"

ACTIONS = scoped("history", (
    Action("go_in", "enter", "⏎", "go there",
           "Go to the highlighted state; the present one stays on its branch. With two states "
           "marked: compare them.", HISTORY, "Go to the state"),
    Action("pick", "space", "space", "mark",
           "Mark the state, to compare it with others, or let go of it.",
           HISTORY, "Mark the state"),
    Action("beside", "B", "B", "compare",
           "Put the marked states, or the highlighted one, beside the present circuit.",
           HISTORY, "Compare states side by side"),
    Action("name", "W", "W", "name",
           "Name the state, so that it is found again; no name takes it away.",
           HISTORY, "Name the state"),
    Action("filter", "f", "f", "which states",
           "Show all states, only those on the present line, or only those with a name.",
           HISTORY, "Which states to show"),
    Action("sort", "s", "s", "sort",
           "Sort as a tree with the newest first, or by what each step cost in faithfulness.",
           HISTORY, "Sort the states"),
    Action("undo", "u", "u", "undo", "Undo the last command: to the state above.", HISTORY),
    Action("redo", "U,ctrl+r", "U", "redo",
           "Redo: to the state below that was left last.", HISTORY),
    Action("report", "o", "o", "report",
           "Write the session as a page: numbers, circuit, groups, notes, and the way there.",
           HISTORY, "Write a report of the session"),
    Action("app.copy", "Y", "Y", "copy", COPY, HISTORY),
    Action("leave", "escape", "esc", "back",
           "Let go of the marks; without any, back to the bench.", HISTORY, "Back"),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", HISTORY),
    Action("app.quit", "q", "q", "quit", "Leave; the session is saved always.", HISTORY, "Quit"),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "go_in", "pick", "beside", "name", "filter", "sort", "report", "undo", "redo")
"""What the footer offers, the most needed first."""
