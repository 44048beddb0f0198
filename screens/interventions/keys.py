"""Every action of the screen of interventions, once: keys, footer word, sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

INTERVENTIONS = "Interventions"

OPENING = (
    Action("interventions", "exclamation_mark", "!", "intervene",
           "Scale, set or add to components of the model, and see what it does then.",
           "Looking", "Interventions: scale, set, add"),
    Action("reliability", "dollar_sign", "$", "sound, faulty",
           "Find which components prefer the right answer, and scale the reliable ones up.",
           "Looking", "Sound and faulty components"),
)  # fmt: skip
"""Keys of the bench that lead here."""

ACTIONS = scoped("interventions", (
    Action("run", "enter", "⏎", "do it",
           "Do what the line says; on the list, draw the curve over the factor of what is under "
           "the cursor; in the third panel, find sound and faulty components.", INTERVENTIONS),
    Action("settings", "t", "t", "type",
           "Go to the line in which an intervention is typed; esc lets go of it.", INTERVENTIONS),
    Action("amend", "colon", ":", "change",
           "Change the intervention under the cursor: its line comes up for typing.",
           INTERVENTIONS),
    Action("remove", "minus,delete", "-", "take back",
           "Take back the intervention under the cursor.", INTERVENTIONS),
    Action("clear", "X", "X", "none", "Take back all interventions.", INTERVENTIONS),
    Action("undo", "u", "u", "undo", "Undo the session's last command.", INTERVENTIONS),
    Action("take", "L", "L", "take",
           "Do to the model what was found best in scaling up the reliable components.",
           INTERVENTIONS),
    Action("view", "V", "V", "view",
           "Show effect, curve, or sound and faulty components in turn.", INTERVENTIONS),
    Action("cancel", "c", "c", "cancel", "Stop what is being computed.", INTERVENTIONS),
    Action("app.copy", "Y", "Y", "copy", COPY, INTERVENTIONS),
    *closing(INTERVENTIONS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "settings", "run", "amend", "remove", "view", "take", "undo", "clear", "cancel")
"""What the footer offers, the most needed first."""
