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
    Action("view", "V", "V", "prompts/random",
           "From random tokens to the task's prompts, and back: where heads look there, and what "
           "they write directly.", HEADS, "Heads on the prompts, or on random tokens"),
    Action("by_role", "vertical_line", "|", "by role",
           "On the prompts: step from role to role in place of single tokens, and back.", HEADS,
           "Heads by role"),
    Action("position(-1)", "comma", ", .", "position",
           "On the prompts: read from the role or token before.", HEADS, "One token back",
           id="previous_token"),
    Action("position(1)", "full_stop", ".", "next token",
           "On the prompts: read from the next role or token.", HEADS, "One token on",
           id="next_token"),
    Action("pair(-1)", "less_than_sign", "< >", "prompt", "Read the prompt before.", HEADS,
           "Previous prompt", id="previous_prompt"),
    Action("pair(1)", "greater_than_sign", ">", "next prompt", "Read the next prompt.", HEADS,
           "Next prompt", id="next_prompt"),
    Action("mean", "0", "0", "mean", "Read the mean over all prompts.", HEADS),
    Action("run(1)", "equals_sign", "=", "run",
           "Read the corrupted prompts, the difference from them, the circuit, or that less the "
           "model.", HEADS, "Heads in another run", id="next_run"),
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
FOOTER = ("leave", "go_in", "sort", "filter", "view", "position(-1)", "by_role", "pair(-1)",
          "mean", "run(1)", "way", "measure", "cancel")  # fmt: skip
"""What the footer offers, the most needed first."""
