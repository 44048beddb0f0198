"""Every action of the screen of heads, once: keys, word in the footer, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

HEADS = "Heads"

ACTIONS = scoped("heads", (
    Action("go_in", "enter", "⏎", "go there",
           "Go to the head on the bench, with what it writes by its weights (OV).", HEADS),
    Action("sort", "s", "s", "sort",
           "Sort by the next column; click a heading to choose one, again for the other way.",
           HEADS),
    Action("filter", "f", "f", "filter",
           "Show only some: part of a name, a mark such as ind, or copying>0.5.", HEADS),
    Action("way", "semicolon", ";", "another input",
           "Measure with W_E and what the first MLP adds, or with W_E alone, given to the heads.",
           HEADS),
    Action("measure", "A", "A", "measure",
           "Measure all heads, where that was stopped or is of other pairs.", HEADS),
    Action("cancel", "c", "c", "cancel", "Stop measuring; what was found before stays.", HEADS),
    Action("app.copy", "Y", "Y", "copy", COPY, HEADS),
    *closing(HEADS),
))  # fmt: skip

COLUMN_ACTIONS = scoped("heads", (
    Action("turn(1)", "right,l", "→ l", "columns to the right",
           "Show the columns further right.", HEADS, id="columns_right"),
    Action("turn(-1)", "left,h", "← h", "columns to the left",
           "Show the columns further left.", HEADS, id="columns_left"),
))  # fmt: skip
"""Bound by the table."""

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "go_in", "sort", "filter", "way", "measure", "cancel")
"""What the footer offers, the most needed first."""
