"""The steps of the tutorial, in order: their words.

`checks` has what they ask for and judge by.
"""

from __future__ import annotations

from workbench.tutorial import checks
from workbench.tutorial.step import Step

STEPS = (
    Step(
        "task",
        "A task for a model",
        "pocket is a small language model. After “The war lasted from the year 1741 to the year "
        "17” it should go on with a number above 41. The metric at the bottom says how well it "
        "does. In a corrupted prompt the year is 1701, so that nearly all numbers are above it.",
        checks.ask_prompts,
        checks.prompts_seen,
    ),
    Step(
        "circuit",
        "Back from the logits",
        "Which parts do that? Nodes are attention heads (a0.h1) and MLPs (m2); an edge says that "
        "one reads what another wrote. A circuit is some of the edges. You find it backward from "
        "the logits, the model's output. Faithfulness: the share of the metric that it keeps.",
        checks.ask_edges,
        checks.edges_seen,
    ),
    Step(
        "effects",
        "Estimates and exact effects",
        "The effect of an edge: how the metric changes if it carries what it does on the corrupted "
        "prompt. Negative: the edge helps. EAP estimates all at once by the gradient (hatched "
        "bars); exact effects follow, each by really patching the edge (full bars).",
        checks.ask_effects,
        checks.effects_seen,
    ),
    Step(
        "expand",
        "Expanding a node",
        "So far all is open: every node reads its clean input, and the faithfulness is 1. "
        "Expanding a node closes it: it reads clean values from the edges that you keep and "
        "corrupted ones from all others. ◌ marks the edges that pass the threshold.",
        checks.ask_expand,
        checks.logits_expanded,
    ),
    Step(
        "toggle",
        "Keeping and dropping by hand",
        "● is kept, ○ is not. Every edge that you keep or drop is tested at once: the exact "
        "faithfulness is in the status bar, and in brackets what the last edit did to it.",
        checks.ask_toggle,
        checks.toggled,
    ),
    Step(
        "threshold",
        "The threshold",
        "The threshold is the least size of an effect for its edge to be kept on expanding. A low "
        "one gives a large, faithful circuit, a high one a small circuit that may lose much. "
        "{key:bench.threshold_down} lowers it, {key:bench.threshold_up} raises it, "
        "{key:bench.threshold_exactly} lets you type it.",
        checks.ask_threshold,
        checks.threshold_moved,
    ),
    Step(
        "next",
        "The next node back",
        "The sources of your edges are open still (◌): they write what they write in the whole "
        "model. What feeds them? Asking this node by node, back to the embeddings (input), is "
        "iterative patching. {key:bench.expand} keeps what passes: by the exact effects once "
        "they are known.",
        checks.ask_next,
        checks.next_expanded,
    ),
    Step(
        "inputs",
        "Query, key and value",
        "A head has three inputs: its query q says what it looks for, the keys k at the tokens "
        "where it may find that, the values v what it copies from there. Each has edges of its "
        "own: what tells a head where to look may differ from what it carries.",
        checks.ask_inputs,
        checks.inputs_chosen,
    ),
    Step(
        "setting",
        "The setting of an effect",
        "In the full model an edge is patched alone, and later nodes may make up for it "
        "(self-repair). Along the circuit the change spreads through kept edges only. Within the "
        "circuit all else is corrupted. One edge, three effects.",
        checks.ask_setting,
        checks.setting_chosen,
    ),
    Step(
        "lens",
        "The logit lens",
        "The logit lens multiplies what a node writes by the unembedding, the last matrix of the "
        "model: which tokens does it raise? Over the hundred years that is a curve. A late MLP "
        "may raise all years above the first one, a head the first year itself.",
        checks.ask_lens,
        checks.curve_read,
    ),
    Step(
        "roles",
        "Groups and roles",
        "A circuit explains something when one can say what its parts do. So put nodes of a kind "
        "into a group, and write down its role. There is a picture for that.",
        checks.ask_role,
        checks.role_given,
    ),
    Step(
        "close",
        "Closing the circuit",
        "While a node is open, the faithfulness says what the steps so far left out. When none "
        "is, the circuit is CLOSED, from the embeddings to the logits, and the number is its own: "
        "1 is as good as the model, 0 as bad as the corrupted run.",
        checks.ask_close,
        checks.circuit_closed,
    ),
    Step(
        "costs",
        "What is unnecessary",
        "A circuit should be minimal: nothing in it unnecessary. The drop cost of a kept edge is "
        "what the metric would change by without it, as the circuit stands. Two edges may each "
        "cost nothing and stand in for each other: so drop one at a time, and look.",
        checks.ask_costs,
        checks.cheap_dropped,
    ),
    Step(
        "export",
        "A file to keep",
        "The file holds edges, scores, groups with roles, and the commands that led to them. "
        "`workbench evaluate` scores it anew, load_circuit reads it in a script, and EAP-IG's "
        "format is there for other tools.",
        checks.ask_export,
        checks.exported,
    ),
    Step(
        "end",
        "What to do next",
        "This session is saved: `workbench resume` goes on with it. {key:bench.new_session} "
        "opens another model (yours, "
        "or smollm2) with another task, or with prompts of your own, a JSON Lines file. README.md "
        "shows it all from a script. {key:bench.help} explains the panel in focus, ^p finds "
        "every action.",
        checks.ask_end,
        lambda seen: None,
    ),
)
