"""Keys of the pairs one by one, and of what is gone on with from one of them."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY

BY_PAIR = "The pairs one by one"
PAIR_ACTIONS = scoped("pairs", (
    Action("choose", "enter", "⏎", "read it",
           "Let the readouts show this pair; once more the mean over all.", BY_PAIR,
           "Read this pair"),
    Action("pick", "space", "space", "mark", "Mark the pair, or take the mark away.", BY_PAIR,
           "Mark the pair"),
    Action("split", "Z", "Z", "split off",
           "Write the marked pairs as a task file, and open them as another session.", BY_PAIR,
           "Split the marked pairs off"),
    Action("only", "O", "O", "only this",
           "Put all other pairs aside: tree, effects and all numbers are then of this one; undo "
           "brings the others back.", BY_PAIR, "Only this pair"),
    Action("sort", "s", "s", "sort",
           "Sort by the next column; click a heading to choose one.", BY_PAIR, "Sort"),
))  # fmt: skip
"""Bound by the table of pairs."""

GOING_ON = "Going on from a prompt"
CONTINUATION_ACTIONS = scoped("continuation", (
    Action("turn(1)", "right,l", "→ l", "next prompt", "Go on from the next prompt.", GOING_ON,
           id="next"),
    Action("turn(-1)", "left,h", "← h", "prompt before", "Go on from the prompt before.", GOING_ON,
           id="previous"),
    Action("settings", "t", "t", "how many", "Type how many tokens to go on with.", GOING_ON),
    Action("app.copy", "Y", "Y", "copy", COPY, GOING_ON),
    Action("leave", "I,enter", "I", "leave", "Back to the bench.", GOING_ON),
))  # fmt: skip
"""Bound by the dialog that shows it."""
