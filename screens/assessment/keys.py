"""Every action of the assessment screen, once: keys, word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.detaching import KEYS, SHOWN
from screens.widgets.screen_keys import closing

PARTS = "Assessment"

ACTIONS = scoped("assessment", (
    Action("run", "enter", "⏎", "ask",
           "Answer this question for the circuit as it stands.", PARTS),
    Action("run_all", "A", "A", "ask all", "Answer all questions, one after the other.", PARTS),
    Action("cancel", "c", "c", "cancel",
           "Stop what is being computed; what was found stays.", PARTS),
    Action("detach", KEYS, SHOWN, "detach",
           "Let the questions that wait, or all that are not answered, be answered by a job, which "
           "goes on when the app is closed.", PARTS),
    Action("report", "o", "o", "report",
           "Write all that was found to a Markdown or HTML file.", PARTS),
    Action("other_side", "tab", "tab", "scroll",
           "Go to what was found, to scroll it, and back to the questions.", PARTS),
    Action("app.copy", "Y", "Y", "copy", COPY, PARTS),
    *closing(PARTS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "run", "run_all", "report", "detach", "cancel", "other_side")
"""What the footer offers, the most needed first."""
