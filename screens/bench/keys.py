"""Every action of the bench, once: keys, word in the footer, sentence in the help."""

from __future__ import annotations

from screens.base.actions import Action, scoped
from screens.bench.pair_keys import PAIR_ACTIONS
from screens.bench.rule_keys import PRUNING_ACTIONS, RULE_ACTIONS
from screens.discovery.keys import PROPOSAL_ACTIONS
from screens.interventions.keys import OPENING
from screens.widgets.copying import COPY
from screens.widgets.detaching import KEYS, SHOWN

STEP = "Stepping backward"
EDIT = "Editing"
VIEW = "Looking"
DISCOVER = "Discovering"
FILES = "Session and files"

ACTIONS = scoped("bench", (
    Action("go_in", "enter", "⏎", "go in",
           "Go into the highlighted node: show the candidate edges into it.",
           STEP, "Go into the node"),
    Action("go_back", "backspace", "⌫", "back",
           "Go back to the node looked at before.", STEP, "Go back"),
    Action("expand", "e", "e", "expand",
           "Expand the chosen node: keep what reaches the threshold by exact effects of all edges. "
           "Those not known yet are computed first; keys wait, and esc drops it.",
           STEP, "Expand the node"),
    Action("next_frontier", "w", "w", "next open",
           "Go to the most promising node that is kept but not yet expanded.",
           STEP, "Next node to expand"),
    Action("jump", "J", "J", "jump",
           "Jump to a node by typing its name.", STEP, "Jump to a node"),
    Action("keep_or_drop", "space", "space", "keep/drop",
           "Keep or drop the highlighted edge.", EDIT, "Keep or drop the edge"),
    Action("head_inputs", "underscore", "_", "q+k+v",
           "Keep or drop the highlighted edge into q, k and v of its head at once.",
           EDIT, "Keep or drop into q, k and v at once"),
    Action("keep_above", "a", "a", "apply",
           "Keep exactly the edges whose effect reaches the threshold; exact as on expanding.",
           EDIT, "Keep all above the threshold"),
    Action("threshold_down", "left_square_bracket", "[ ]", "threshold",
           "Lower the threshold; the preview follows.",
           EDIT, "Lower the threshold"),
    Action("threshold_up", "right_square_bracket", "]", "threshold",
           "Raise the threshold; the preview follows.", EDIT, "Raise the threshold"),
    Action("threshold_exactly", "t", "t", "type threshold",
           "Type the threshold exactly.", EDIT, "Type the threshold"),
    Action("drop_all", "x", "x", "drop all",
           "Drop all edges into the chosen node's inputs.", EDIT, "Drop all edges"),
    Action("keep_all", "A", "A", "keep all",
           "Keep all edges into the chosen node's inputs.", EDIT, "Keep all edges"),
    Action("toggle_node", "minus,delete", "-", "node",
           "Drop all edges of the highlighted node; once more restores them.",
           EDIT, "Drop or restore a whole node"),
    Action("together", "ampersand", "&", "drop together",
           "Drop the highlighted node with those that make up for it, as one step of undo.",
           EDIT, "Drop a node with its repairers"),
    Action("reopen", "r", "r", "reopen",
           "Reopen the chosen node's inputs: they read the clean residual again.",
           EDIT, "Reopen the node"),
    *RULE_ACTIONS,
    Action("undo", "u", "u", "undo", "Undo the last command.", EDIT),
    Action("redo", "U,ctrl+r", "U", "redo", "Redo the command that was undone last.", EDIT),
    Action("clear", "X", "X", "start over",
           "Start over: only the logits, open (undo brings the circuit back).", EDIT),
    Action("inputs", "i", "i", "inputs",
           "Show the edges into q, into k, into v, into all, or into the three as one.", VIEW,
           "Inputs q, k, v, all, or all as one"),
    Action("by_role", "vertical_line", "|", "by role",
           "Split the edges by token role: each at a role is a candidate, kept or dropped alone.",
           VIEW, "Edges at roles, or whole"),
    Action("setting", "m", "m", "setting",
           "Exact effects in the full model, along or within the circuit; or estimates, at once.",
           VIEW, "Setting of the exact effects"),
    Action("drop_costs", "d", "d", "drop cost",
           "Show what each kept edge would cost if it were dropped now.", VIEW, "Drop costs"),
    Action("sort", "s", "s", "sort",
           "Sort by the next column, or anew by effects that have come since; click a heading to "
           "choose one.", VIEW, "Sort"),
    Action("filter", "f", "f", "filter",
           "Show only the edges that match some words.", VIEW, "Filter"),
    Action("cancel", "c", "c", "cancel",
           "Cancel the running computation, or start it again.", VIEW, "Cancel or go on computing"),
    Action("panel('circuit')", "1", "1", "circuit", "Go to the circuit.", VIEW, "Panel: circuit"),
    Action("panel('candidates')", "2", "2", "edges",
           "Go to the candidate edges.", VIEW, "Panel: candidate edges"),
    Action("panel('readouts')", "3", "3", "readouts",
           "Go to the readouts.", VIEW, "Panel: readouts"),
    Action("panel('second')", "4", "4", "second readouts",
           "Go to the second readouts, where they are shown.", VIEW, "Panel: second readouts"),
    Action("panel('pairs')", "5", "5", "pairs",
           "Go to the pairs one by one, in the place of the candidate edges.", VIEW,
           "Panel: pairs one by one"),
    Action("full", "F", "F", "full size",
           "Let the chosen panel fill the screen, and give the others their places back.",
           VIEW, "Panel at full size"),
    Action("more", "V", "V", "more at once",
           "Show more at once, or less: two readouts on a wide screen, tree and edges on a narrow.",
           VIEW, "Show more panels at once"),
    Action("border(-4)", "left_parenthesis", "( )", "border",
           "Move the chosen panel's border to the left; the mouse drags it.", VIEW,
           "Narrower panel", id="border_left"),
    Action("border(4)", "right_parenthesis", ")", "border",
           "Move the chosen panel's border to the right.", VIEW, "Wider panel",
           id="border_right"),
    Action("assess", "v", "v", "assess",
           "Ask what a reviewer would ask of the circuit: how faithful, complete, minimal, stable.",
           VIEW, "Assess the circuit"),
    Action("effects", "at", "@", "effects",
           "Map what ablating each node does, direct against total, and who makes up for it.",
           VIEW, "Effects of nodes and self-repair"),
    Action("beside", "B", "B", "beside",
           "Put up to three other circuits beside this one: what each scores, what they share.",
           VIEW, "Circuits side by side"),
    Action("heads", "8", "8", "heads",
           "List all heads: where each looks, what it copies, of which kind it seems to be.",
           VIEW, "Heads: which kind each is"),
    Action("reading('ov')", "6", "6", "OV",
           "Read what the chosen head would write for a token that it looks at, by its weights.",
           VIEW, "OV of the head"),
    Action("reading('qk')", "7", "7", "QK",
           "Read which tokens the chosen head looks at from a token, by its weights.",
           VIEW, "QK of the head"),
    Action("neurons", "9", "9", "neurons",
           "Show an MLP's neurons: what each does, and which of them the circuit keeps.",
           VIEW, "Neurons of an MLP"),
    Action("flow", "quotation_mark", "\"", "between tokens",
           "Show where in depth tokens tell each other something: all for one, and knock-out.",
           VIEW, "Between tokens: all for one"),
    Action("prompts", "p", "p", "prompts",
           "Show the task's prompts token by token.", VIEW, "Prompts of the task"),
    Action("app.prompt_bench", "ctrl+y", "^y", "prompt bench",
           "Type a pair of prompts: what the model and the circuit make of it. From anywhere.",
           VIEW, "The prompt bench"),
    Action("metric", "number_sign", "#", "metric",
           "Measure by another metric; nothing is run again, and undo goes back.", VIEW,
           "Metric that is measured by"),
    *OPENING,
    Action("go_on", "I", "I", "go on",
           "Show what the model and the circuit each go on with from the prompt that is read.",
           VIEW, "What model and circuit go on with"),
    Action("model", "M", "M", "model",
           "Show how the model is built, its self-check, and the memory of this batch.",
           VIEW, "The model and its self-check"),
    Action("graph", "g", "g", "graph",
           "Draw the circuit by layers and group its nodes.", VIEW, "Graph by layers"),
    Action("discover", "D", "D", "discover",
           "Let a method find a circuit in the background, and list the results.",
           DISCOVER, "Discover circuits"),
    Action("step_proposal", "P", "P", "proposal",
           "Step through the circuit that was found, edge by edge, accepting or refusing.",
           DISCOVER, "Step through the proposal"),
    Action("stop_discovery", "S", "S", "stop",
           "Stop the running discovery; what it has found is kept.",
           DISCOVER, "Stop the discovery"),
    Action("detach", KEYS, SHOWN, "detach",
           "Let the running discovery, or one asked for now, go on by itself as a job, also when "
           "the app is closed.",
           DISCOVER, "Detach the discovery"),
    Action("app.jobs", "f5", "F5", "jobs",
           "Show the jobs that go on by themselves. From anywhere.", DISCOVER, "Jobs"),
    Action("clusters", "K", "K", "clusters",
           "Put the prompts into clusters by the edges that they need, with a circuit for each.",
           DISCOVER, "Clusters of the prompts"),
    Action("compare", "C", "C", "compare",
           "Compare with a reference circuit: ask for its file, then list what differs.",
           VIEW, "Compare with a reference"),
    Action("export", "o", "o", "export",
           "Write the circuit to a file: ours or EAP-IG's.", FILES, "Export the circuit"),
    Action("app.copy", "Y", "Y", "copy", COPY, FILES, "Copy or write what is shown"),
    Action("load", "L", "L", "load", "Replace the circuit by one from a file.",
           FILES, "Load a circuit"),
    Action("note", "W", "W", "note",
           "Write a note on the highlighted node or edge.", FILES, "Write a note"),
    Action("checkpoints", "apostrophe", "'", "checkpoint",
           "Go to another checkpoint of the model's training with this circuit.",
           FILES, "Another checkpoint of the training"),
    Action("history", "H", "H", "history",
           "Show all states as a tree: look at one, go there, name it, compare it with others.",
           FILES),
    Action("new_session", "ctrl+n", "^n", "new session",
           "Choose another model or task; this session stays saved.", FILES),
    Action("help", "question_mark,f1", "?", "help",
           "Explain the panel that has the focus.", FILES, "Help on this panel"),
    Action("quit", "q", "q", "quit", "Leave; the session is saved always.", FILES),
))  # fmt: skip

TREE = scoped("tree", (
    Action("fold", "left,h", "← h", "fold or go to the parent",
           "Fold what feeds the node, or go to the row it stands under.", STEP),
    Action("unfold", "right,l", "→ l", "unfold", "Unfold what feeds the node.", STEP),
))  # fmt: skip
"""Bound by the circuit's tree."""

EDGES = scoped("edges", (
    Action("go_in", "right,l", "→ l", "Go into the node", "Go into the highlighted node.", STEP),
    Action("go_back", "left,h", "← h", "Go back", "Go back to the node looked at before.", STEP),
))  # fmt: skip
"""Bound by the list of candidate edges."""

READOUTS = "Readouts"
READOUT_ACTIONS = (
    Action("readout('view')", "right", "← →", "view", "Show the next readout.", READOUTS,
           id="readouts.next_view"),
    Action("readout('position')", "full_stop", ", .", "position",
           "Read one token further on.", READOUTS, id="readouts.next_token"),
    Action("readout('pair')", "greater_than_sign", "< >", "prompt",
           "Read the next prompt.", READOUTS, id="readouts.next_prompt"),
    Action("readout('run')", "equals_sign", "=", "run",
           "Read the corrupted prompts, the difference from them, the circuit, or that less the "
           "model.", READOUTS, id="readouts.next_run"),
    Action("readout('way')", "semicolon", ";", "another input",
           "Of OV and QK: give the head W_E and what the first MLP adds, or W_E alone, and more.",
           READOUTS, id="readouts.next_way"),
    Action("readout('ask')", "Q", "Q", "ask about a token",
           "Let the readouts answer for any token, and against any other, in place of the answers.",
           READOUTS, id="readouts.ask"),
    Action("readout('mean')", "0", "0", "mean", "Read the mean over all prompts.", READOUTS,
           id="readouts.mean"),
)  # fmt: skip
"""Keys of the readouts that the footer offers; the readouts bind them themselves."""

_ALL = (*ACTIONS, *READOUT_ACTIONS, *PROPOSAL_ACTIONS, *PRUNING_ACTIONS)
_OF_PAIRS = {f"pairs.{action.name}": action for action in PAIR_ACTIONS}
BY_NAME = {action.name: action for action in _ALL} | _OF_PAIRS

FOOTERS = {
    "circuit": ("go_in", "expand", "keep_or_drop", "expand_all", "discover", "undo",
                "next_frontier", "prune('more')", "toggle_node", "jump", "graph", "assess",
                "effects", "beside", "clusters", "interventions", "note", "export", "redo",
                "go_back", "load",
                "history", "quit"),
    "candidates": ("go_in", "keep_or_drop", "expand", "threshold_down", "keep_above", "undo",
                   "discover", "inputs", "setting", "sort", "filter", "drop_costs", "by_role",
                   "cancel", "go_back", "next_frontier", "jump", "drop_all",
                   "together", "effects", "redo", "export", "graph", "quit", "head_inputs"),
    "readouts": (*(action.name for action in READOUT_ACTIONS), "jump", "undo", "graph", "export",
                 "redo", "prompts", "discover", "quit"),
    "pairs": (*_OF_PAIRS, "undo", "panel('candidates')", "prompts", "redo", "quit"),
    "proposal": tuple(action.name for action in PROPOSAL_ACTIONS),
    "pruning": ("prune('make')", "prune('more')", "prune('finer')", "prune('score')",
                "prune('end')"),
}  # fmt: skip
"""What the footer offers by panel, the most needed first: what does not fit is left to the help."""

STRIPS = ("proposal", "pruning")
"""Strips that have the footer to themselves while they have the focus."""


def footer(of: str, *, compares: bool) -> list[Action]:
    """What the footer offers there; `compares`: there is a reference to compare with."""
    first, *others = FOOTERS["readouts" if of == "second" else of]
    compared = ["compare"] if compares and of not in STRIPS else []
    return [BY_NAME[name] for name in (first, *compared, *others)]
