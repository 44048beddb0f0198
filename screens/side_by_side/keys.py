"""Every action of the screen of circuits side by side, once."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

CIRCUITS = "Circuits side by side"

ACTIONS = scoped("beside", (
    Action("add_file", "L", "L", "add a file", "Put the circuit of a file beside.", CIRCUITS),
    Action("add_found", "D", "D", "add a result",
           "Put the circuit of a discovery's result beside.", CIRCUITS),
    Action("take_away", "minus,delete", "-", "take away",
           "Take the last circuit away again.", CIRCUITS),
    Action("filter", "f", "f", "differing, shared, all",
           "Show only edges that differ, only those that all circuits keep, or all.", CIRCUITS),
    Action("sort", "s", "s", "sort",
           "Sort from the logits backward, or by the difference A − B.", CIRCUITS),
    Action("app.copy", "Y", "Y", "copy", COPY, CIRCUITS),
    *closing(CIRCUITS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "add_file", "add_found", "filter", "sort", "take_away")
"""What the footer offers, the most needed first."""
