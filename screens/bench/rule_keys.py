"""Keys for what changes many edges by one number: expanding by a rule, and pruning."""

from __future__ import annotations

from screens.base.actions import Action, scoped

RULES = "By one number"
RULE_ACTIONS = (
    Action("expand_all", "E", "E", "expand all",
           "Expand all that is open by a rule: a threshold, the strongest edges, or a loss. "
           "Edits wait until it is over or stopped.",
           RULES, "Expand all by a rule"),
    Action("prune('more')", "right_curly_bracket", "{ }", "prune",
           "Raise the cut through all kept edges, and see what is left.",
           RULES, "Prune: raise the cut"),
    Action("prune('less')", "left_curly_bracket", "{", "prune",
           "Lower the cut through all kept edges.", RULES, "Prune: lower the cut"),
)  # fmt: skip

PRUNING = "Pruning"
PRUNING_ACTIONS = scoped("pruning", (
    Action("prune('make')", "enter", "⏎", "prune",
           "Drop the edges below the cut, and what is a dead end without them.", PRUNING),
    Action("prune('finer')", "right,l", "← →", "one edge",
           "Move the cut by one edge.", PRUNING),
    Action("prune('back')", "left,h", "←", "one edge",
           "Move the cut back by one edge.", PRUNING),
    Action("prune('score')", "m", "m", "score",
           "Cut by the next score: exact effect, EAP, drop cost, or a discovery's.", PRUNING),
    Action("prune('end')", "escape", "esc", "leave",
           "Leave the circuit as it is.", PRUNING),
))  # fmt: skip
"""Keys of the strip with the cut, which binds them itself."""
