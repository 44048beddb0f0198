"""Every action of the screen of jobs, once: keys, word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

JOBS = "Jobs"

ACTIONS = scoped("jobs", (
    Action("resume", "enter", "⏎", "go on",
           "Go on with a job that was stopped or killed, or try one that failed again.", JOBS),
    Action("stop", "S", "S", "stop",
           "Stop a job: what is finished is kept, and it can go on.", JOBS),
    Action("remove", "minus,delete", "-", "remove",
           "Remove a job that does not run, with its result; sessions keep what they took.", JOBS),
    Action("app.copy", "Y", "Y", "copy", COPY, JOBS),
    Action("leave", "escape", "esc", "back", "Back; the jobs go on.", JOBS),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", JOBS),
    Action("app.quit", "q", "q", "quit", "Leave; the jobs go on.", JOBS, "Quit"),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "resume", "stop", "remove", "app.copy")
