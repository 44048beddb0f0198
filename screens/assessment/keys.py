"""Every action of the assessment screen, once: keys, word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped

PARTS = "Assessment"

ACTIONS = scoped("assessment", (
    Action("run", "enter,space", "⏎", "ask",
           "Answer this question for the circuit as it stands.", PARTS),
    Action("run_all", "a", "a", "ask all", "Answer all questions, one after the other.", PARTS),
    Action("cancel", "c", "c", "cancel",
           "Stop what is being computed; what was found stays.", PARTS),
    Action("report", "w", "w", "report",
           "Write all that was found to a Markdown or HTML file.", PARTS),
    Action("other_side", "tab", "tab", "scroll",
           "Go to what was found, to scroll it, and back to the questions.", PARTS),
    Action("leave", "q", "esc", "back", "Back to the bench.", PARTS),
    Action("help", "question_mark,f1", "?", "help", "Explain this screen.", PARTS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "run", "run_all", "report", "cancel", "other_side")
"""What the footer offers, the most needed first."""
