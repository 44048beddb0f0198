"""Every action of the screen between tokens, once: its keys, footer word, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

FLOW = "Between tokens"

ACTIONS = scoped("flow", (
    Action("run", "enter", "⏎", "ask",
           "Compute the map with these settings, in the background.", FLOW, "Compute the map"),
    Action("view", "V", "V", "other map",
           "Show the other map: all for one, or the attention knock-out.", FLOW, "The other map"),
    Action("settings", "t", "t", "settings",
           "Go to the settings; tab goes on to the next, arrows change one, esc goes back.", FLOW),
    Action("cancel", "c", "c", "cancel",
           "Stop what is being computed; what was found before stays.", FLOW),
    Action("other_side", "tab", "tab", "scroll",
           "Go to what was found, to scroll it, and back to the map.", FLOW),
    Action("app.copy", "Y", "Y", "copy", COPY, FLOW),
    *closing(FLOW),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "run", "view", "settings", "app.copy", "cancel", "other_side")
"""What the footer offers, the most needed first."""
