"""Every action of the screen of effects, once: its keys, its footer word, its sentence."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.widgets.copying import COPY
from screens.widgets.screen_keys import closing

EFFECTS = "Effects of nodes"

ACTIONS = scoped("effects", (
    Action("go_in", "enter", "⏎", "go in", "Go to the node under the cursor, on the bench.",
           EFFECTS, "Go to the node"),
    Action("view", "V", "V", "view",
           "Show the map, direct and total effects as a table or as a plot, or the map by token "
           "role, in turn.", EFFECTS),
    Action("kind", "semicolon", ";", "what is patched",
           "By role: patch the residual, what attention or MLPs write, or heads, in turn.",
           EFFECTS, "Patched by role: residual, attention, MLP, heads", id="kind"),
    Action("into", "i", "i", "into",
           "Effects through the node under the cursor alone, q, k and v together; again: on the "
           "metric.", EFFECTS, "Effects into the node"),
    Action("type_into", "t", "t", "type into",
           "Type what the effects are into: metric, logits, m10, a9.h1 or a9.h1<q>.", EFFECTS,
           "Type the destination"),
    Action("ablation", "m", "m", "ablation",
           "Ablate by patching, by zero, or by a mean; the session's own ablation stays.", EFFECTS),
    Action("run(1)", "equals_sign", "=", "run",
           "Run the corrupted prompts in place of the clean ones, or back.", EFFECTS,
           "Clean or corrupted prompts", id="run"),
    Action("pair(1)", "greater_than_sign", "< >", "prompt", "The effects on the next prompt.",
           EFFECTS, "Next prompt", id="next_prompt"),
    Action("pair(-1)", "less_than_sign", "<", "prompt before", "The effects on the prompt before.",
           EFFECTS, "Prompt before", id="prompt_before"),
    Action("mean", "0", "0", "mean", "The mean over all prompts.", EFFECTS),
    Action("definition", "percent_sign", "%", "definition",
           "Self-repair by the other definition: Rushing and Nanda's, or McGrath et al.'s.",
           EFFECTS, "Definition of self-repair"),
    Action("ask", "Q", "Q", "token",
           "Direct and total effects on the logit of any token, in place of the answers'.", EFFECTS,
           "Ask about a token"),
    Action("sort", "s", "s", "sort", "Sort the table by the next column; a heading chooses one.",
           EFFECTS),
    Action("jump", "J", "J", "jump", "Jump to a node by typing its name.", EFFECTS),
    Action("together", "ampersand", "&", "drop together",
           "Drop the node from the circuit together with those that make up for it; one step of "
           "undo.", EFFECTS, "Drop the node with its repairers"),
    Action("cancel", "c", "c", "cancel", "Stop computing, or go on.", EFFECTS),
    Action("write", "o", "o", "write",
           "Write what is shown to a file: a picture, or every value.", EFFECTS,
           "Write the effects"),
    Action("app.copy", "Y", "Y", "copy", COPY, EFFECTS),
    *closing(EFFECTS),
))  # fmt: skip

MAP_ACTIONS = scoped("effects", (
    Action("column(1)", "right,l", "→ l", "right", "Go a column to the right.", EFFECTS,
           id="right"),
    Action("column(-1)", "left,h", "← h", "left", "Go a column to the left.", EFFECTS, id="left"),
))  # fmt: skip
"""Bound by the map."""

BY_NAME = {action.name: action for action in ACTIONS}
FOOTER = ("leave", "view", "into", "ablation", "together", "go_in", "sort", "run(1)", "pair(1)",
          "mean", "kind", "definition", "ask", "type_into", "jump", "write", "cancel")  # fmt: skip
"""What the footer offers, the most needed first."""
