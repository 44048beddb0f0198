"""Every action of the screen of neurons, once: its keys, its footer word, its sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

NEURONS = "Neurons"

ACTIONS = scoped("neurons", (
    Action("mlp(-1)", "left,h", "← →", "MLP", "Show the neurons of the MLP before.", NEURONS,
           "Previous MLP", id="previous_mlp"),
    Action("mlp(1)", "right,l", "→ l", "next MLP", "Show the neurons of the next MLP.", NEURONS,
           "Next MLP", id="next_mlp"),
    Action("keep_or_drop", "space", "space", "keep/drop",
           "Drop the neuron from its MLP in the circuit, or keep it again.", NEURONS,
           "Keep or drop the neuron"),
    Action("narrow", "t", "t", "narrow",
           "Narrow the MLP to so many of its neurons, the first of the list as it is sorted.",
           NEURONS, "Narrow the MLP"),
    Action("suffice", "percent_sign", "%", "suffice",
           "Narrow the MLP to the fewest neurons with which the circuit has this faithfulness.",
           NEURONS, "Narrow to what suffices"),
    Action("clear", "X", "X", "all again", "Give the MLP back all of its neurons.", NEURONS,
           "All neurons again"),
    Action("undo", "u", "u", "undo", "Undo the last command.", NEURONS),
    Action("redo", "U,ctrl+r", "U", "redo", "Redo the command that was undone last.", NEURONS),
    Action("sort", "s", "s", "sort",
           "Sort by effect, by direct attribution, or by how far corrupting moves the activation.",
           NEURONS),
    Action("run(1)", "equals_sign", "=", "run",
           "Direct attribution on the clean prompts, on the corrupted ones, or their difference.",
           NEURONS, "Neurons' direct attribution in another run", id="run"),
    Action("setting", "m", "m", "setting",
           "Exact effects in the full model, along the circuit, or within the circuit.", NEURONS,
           "Setting of the neurons' exact effects"),
    Action("run_all", "A", "A", "all exact", "Compute the exact effects of all of its neurons.",
           NEURONS, "Exact effects of all neurons"),
    Action("cancel", "c", "c", "cancel", "Stop what is being computed.", NEURONS),
    Action("ask", "Q", "Q", "search",
           "Search all neurons of the model for those that promote some tokens.", NEURONS,
           "Search neurons by their tokens"),
    Action("pair(-1)", "less_than_sign", "< >", "prompt", "Look at the prompt before.", NEURONS,
           "Previous prompt", id="previous_prompt"),
    Action("pair(1)", "greater_than_sign", ">", "next prompt", "Look at the next prompt.", NEURONS,
           "Next prompt", id="next_prompt"),
    Action("position(-1)", "comma", ", .", "position",
           "Read direct attribution and activation one token, or role, further back.", NEURONS,
           "One token back", id="previous_token"),
    Action("position(1)", "full_stop", ".", "next token",
           "Read them one token further on.", NEURONS, "One token on", id="next_token"),
    Action("by_role", "vertical_line", "|", "by role",
           "Step from role to role of the prompts in place of single tokens, and back; effects "
           "are then of corrupting at that role alone.", NEURONS, "Neurons by role"),
    Action("mean", "0", "0", "mean", "Look at the mean over all prompts.", NEURONS),
    Action("go_in", "enter", "⏎", "go to",
           "Of a neuron that was searched for, show its MLP with the cursor on it.", NEURONS,
           "Go to the neuron's MLP"),
    Action("app.copy", "Y", "Y", "copy", COPY, NEURONS),
    *closing(NEURONS),
))  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "keep_or_drop", "mlp(-1)", "narrow", "suffice", "undo", "sort", "ask",
          "setting", "run_all", "clear", "pair(-1)", "mean", "position(-1)", "by_role",
          "run(1)", "redo",
          "cancel")  # fmt: skip
"""What the footer offers, the most needed first."""
