"""Every action of the screen of clusters, once: its keys, its footer word, its sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.detaching import KEYS, SHOWN
from screens.widgets.screen_keys import closing

CLUSTERS = "Clusters of prompts"

ACTIONS = scoped("clusters", (
    Action("run", "enter", "⏎", "find",
           "Find clusters with these settings, a circuit for each, and what chance gives.",
           CLUSTERS),
    Action("cancel", "c", "c", "cancel",
           "Stop the search; what was found before stays.", CLUSTERS),
    Action("detach", KEYS, SHOWN, "detach",
           "Let a job find them with these settings, which goes on when the app is closed.",
           CLUSTERS),
    Action("view", "V", "V", "view",
           "Show prompts, faithfulness, overlap, worth or number in turn, where there is no room "
           "for all.", CLUSTERS),
    Action("beside", "B", "B", "beside",
           "Put the cluster's circuit beside the session's, to be compared from the bench.",
           CLUSTERS),
    Action("take", "L", "L", "take",
           "Replace the session's circuit by the cluster's; undo brings it back.", CLUSTERS),
    Action("export", "o", "o", "export",
           "Write the cluster's circuit to a file: ours or EAP-IG's.", CLUSTERS),
    Action("split", "Z", "Z", "split off",
           "Write the cluster's prompts as a task file, and open them as another session.",
           CLUSTERS, "Split the cluster off"),
    Action("settings", "t", "t", "settings",
           "Go to the settings; tab goes on to the next, arrows change one.", CLUSTERS),
    Action("app.copy", "Y", "Y", "copy", COPY, CLUSTERS),
    *closing(CLUSTERS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = (
    "leave",
    "run",
    "settings",
    "beside",
    "take",
    "export",
    "split",
    "view",
    "detach",
    "cancel",
)
"""What the footer offers, the most needed first."""
