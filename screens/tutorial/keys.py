"""The keys of the tutorial, once: on the bench and on the graph they are the same."""

from __future__ import annotations

from screens.base.actions import Action, scoped

GROUP = "Tutorial"

TUTORIAL_ACTIONS = scoped("tutorial", (
    Action("tutorial_next", "y", "y", "next",
           "Go on to the tutorial's next step, done or not.", GROUP, "Tutorial: next step"),
    Action("tutorial_back", "b", "b", "back",
           "Go back to the tutorial's step before.", GROUP, "Tutorial: step before"),
    Action("tutorial_fold", "z", "z", "fold",
           "Fold the tutorial into one line, or unfold it.", GROUP, "Tutorial: fold or unfold"),
    Action("tutorial_menu", "T", "T", "leave",
           "Leave the tutorial, or start it over.", GROUP, "Tutorial: leave or start over"),
))  # fmt: skip
