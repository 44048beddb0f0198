"""What each step of the tutorial asks for as things stand, and how it is seen to be done.

For every step two functions: `ask_...` says what to do next, the other gives a remark once it was
done. None of them names a node, an edge or a number of the model: these are taken from the session,
so that the steps hold for whatever weights come with the workbench.
"""

from __future__ import annotations

from workbench.base.text import counted
from workbench.circuits.names import kind_of, parse_name
from workbench.engine.effect_settings import FULL, NAMES
from workbench.session.log import LogEntry
from workbench.tutorial.deeds import change_of, kept_into, last_deed
from workbench.tutorial.observation import Observation
from workbench.tutorial.step import shown

# The task.


def ask_prompts(seen: Observation) -> str:
    if seen.now.look.screen == "prompts":
        return (
            "{key:prompts.previous} and {key:prompts.next} turn to another pair of prompts; esc "
            "closes."
        )
    return "Press {key:bench.prompts} to see the prompts, token by token."


def prompts_seen(seen: Observation) -> str | None:
    if all(look.screen != "prompts" for look in seen.looks):
        return None
    status = seen.now.status
    return (
        f"The mean {seen.now.metric} is {shown(status.model_metric)} on the clean prompts and "
        f"{shown(status.corrupted_metric)} on the corrupted ones. What makes the difference?"
    )


# The circuit, and what effects are.


def ask_edges(seen: Observation) -> str:
    return "Press {key:bench.panel_candidates} to go to the edges into the logits, or click there."


def edges_seen(seen: Observation) -> str | None:
    if all(look.panel != "candidates" for look in seen.looks):
        return None
    return (
        f"These {counted(len(seen.now.edges), 'edge')} could feed {seen.now.look.node}; the whole "
        f"model has {seen.now.status.all_edges:,}. {{key:bench.panel_circuit}}, "
        f"{{key:bench.panel_candidates}}, {{key:bench.panel_readouts}} go to the panels."
    )


def ask_effects(seen: Observation) -> str:
    go = "" if seen.now.look.panel == "candidates" else "{key:bench.panel_candidates}, then "
    return (
        f"{go or 'With '}{{key:list.down}} and {{key:list.up}} go to an edge whose two numbers "
        f"differ: "
        "“EAP est.” and “exact”."
    )


def effects_seen(seen: Observation) -> str | None:
    edge = seen.now.edge
    moved = any(
        look.panel == "candidates" and look.edge == seen.now.look.edge for look in seen.looks
    )
    if not moved or edge is None or edge.edge == seen.began.look.edge or edge.exact is None:
        return None
    helps = "it helps" if edge.exact < 0 else "it harms" if edge.exact > 0 else "it does nothing"
    return (
        f"{edge.edge}: estimated {shown(edge.eap, 4)}, exact {shown(edge.exact, 4)}: {helps}. An "
        "estimate is off where the metric is not linear."
    )


# Expanding the logits.


def ask_expand(seen: Observation) -> str:
    if seen.now.look.node != "logits":
        return "{key:bench.panel_circuit}, then the cursor to the logits on top."
    if seen.now.edges and not any(edge.open for edge in seen.now.edges):
        return (
            "They are expanded already: {key:bench.reopen} opens them again, then "
            "{key:bench.expand}. Or {key:tutorial.next} goes on."
        )
    passing = sum(edge.preview for edge in seen.now.edges)
    return (
        f"Press {{key:bench.expand}} to expand the logits: {passing} of {len(seen.now.edges)} "
        f"edges pass."
    )


def logits_expanded(seen: Observation) -> str | None:
    for deed in reversed(seen.log):
        if "logits" in deed.change.closed:
            kept = sum(edge.endswith("->logits") for edge in deed.change.added)
            return (
                f"{counted(kept, 'edge')} kept, all others corrupted: the faithfulness went from "
                f"{change_of(deed)}. That is what this step left out."
            )
    return None


# Dropping and keeping.


def _there_and_back(seen: Observation) -> tuple[LogEntry | None, LogEntry | None]:
    """The drop of one edge, and what brought it back."""
    dropped: LogEntry | None = None
    for deed in seen.log:
        change = deed.change
        if dropped is not None and dropped.change.removed[0] in change.added:
            return dropped, deed
        if len(change.removed) == 1 and not (change.added or change.opened):
            dropped = deed
    return dropped, None


def ask_toggle(seen: Observation) -> str:
    dropped, _ = _there_and_back(seen)
    if dropped is not None:
        return (
            f"Without {dropped.change.removed[0]} the faithfulness went from {change_of(dropped)}. "
            "Now {key:bench.undo} (undo) brings it back."
        )
    if not seen.now.status.edges:
        return (
            "Nothing is kept: expand the logits first ({key:bench.expand}), or {key:bench.undo} "
            "undoes what was done last."
        )
    if seen.now.look.panel == "candidates":
        return "With the cursor on a kept edge (●), press {key:bench.keep_or_drop}: it is dropped."
    return (
        "{key:bench.panel_candidates}, then the cursor on a kept edge (●), then "
        "{key:bench.keep_or_drop}: it is dropped."
    )


def toggled(seen: Observation) -> str | None:
    dropped, back = _there_and_back(seen)
    if dropped is None or back is None:
        return None
    return (
        f"{dropped.change.removed[0]} took the faithfulness from {change_of(dropped)}, and it is "
        f"back at {shown(back.after.faithfulness)}. {{key:bench.undo}} undoes everything, "
        f"{{key:bench.redo}} does it again."
    )


# The threshold.


def ask_threshold(seen: Observation) -> str:
    if seen.now.look.panel != "candidates":
        return (
            "{key:bench.panel_candidates}, then {key:bench.threshold_down} a few times: the "
            "line above the edges counts those that pass."
        )
    return (
        "Press {key:bench.threshold_down} a few times: the line above the edges counts those "
        "that pass."
    )


def threshold_moved(seen: Observation) -> str | None:
    if not any(deed.change.threshold for deed in seen.log):
        return None
    now = seen.now
    passing = sum(edge.preview for edge in now.edges)
    words = f"From {seen.began.threshold:.2g} to {now.threshold:.2g}: "
    if now.edges:
        words += f"{passing} of the {len(now.edges)} edges into {now.look.node} pass. "
    return words + "It holds for what you expand next; {key:bench.keep_above} applies it here, too."


# The next node.


def ask_next(seen: Observation) -> str:
    now = seen.now
    if not now.frontier:
        return (
            "No open node is kept: {key:bench.undo} undoes the last step, or keep an edge with "
            "{key:bench.keep_or_drop}."
        )
    if now.look.node not in now.frontier or now.look.node == "logits":
        return "Press {key:bench.next_frontier} to go to the most promising open node."
    return (
        f"{now.look.node} is open. When “exact: all” is shown above the edges, press "
        f"{{key:bench.expand}}."
    )


def next_expanded(seen: Observation) -> str | None:
    deed = last_deed(seen)
    if deed is None or deed.change.closed == ("logits",):
        return None
    closed = parse_name(deed.change.closed[0])
    if closed is None:
        return None
    return (
        f"{closed.node} is now made of {counted(len(deed.change.added), 'kept edge')}; "
        f"the faithfulness went from {change_of(deed)}."
    )


# Inputs of a head.


def ask_inputs(seen: Observation) -> str:
    if kind_of(seen.now.look.node) != "head":
        head = seen.now.some("head")
        return f"Press {{key:bench.jump}}, type the name of a head, such as {head}, then enter."
    return "Press {key:bench.inputs} until q, k or v alone stands in brackets above the edges."


def inputs_chosen(seen: Observation) -> str | None:
    look = seen.now.look
    if look not in seen.looks or kind_of(look.node) != "head" or look.inputs == "qkv":
        return None
    name = {"q": "query", "k": "key", "v": "value"}[look.inputs]
    words = f"{counted(len(seen.now.edges), 'edge')} could feed the {name} of {look.node}"
    if seen.now.edges:
        first = seen.now.edges[0]
        words += f"; the largest effect has {first.edge}: {shown(first.score, 4)}"
    return words + ". {key:bench.inputs} goes on to the next."


# The setting.


def ask_setting(seen: Observation) -> str:
    if not kept_into(seen.now):
        node = next((row.parent for row in seen.now.rows if row.parent), "logits")
        return (
            f"Go to a node with kept edges: {{key:bench.jump}}, type {node}, enter. There press "
            f"{{key:bench.setting}}."
        )
    return (
        "Press {key:bench.setting}, and watch the column “exact” and the words above the edges "
        "(panel {key:bench.panel_candidates})."
    )


def setting_chosen(seen: Observation) -> str | None:
    look = seen.now.look
    if all(other.setting == seen.began.look.setting for other in seen.looks):
        return None
    words = f"Now {NAMES[look.setting]}"
    edge = seen.now.edge
    if edge is not None and edge.exact is not None:
        words += f": {edge.edge} has {shown(edge.exact, 4)}"
    back = "" if look.setting == FULL else " {key:bench.setting} comes back to the full model."
    return f"{words}. No effect is shown without its setting.{back}"


# The logit lens.


_CIRCUIT = "{key:bench.panel_circuit}"
_EDGES = "{key:bench.panel_candidates}"
_UP_DOWN = "{key:list.down} and {key:list.up}"
_READ = "{key:bench.panel_readouts} for its readouts"


def ask_lens(seen: Observation) -> str:
    look = seen.now.look
    if look.panel != "readouts" or not _writes(look.read):
        if look.panel != "readouts" and _writes(look.read):
            return f"Press {{key:bench.panel_readouts}}: the readouts of {look.read}."
        mlp = seen.now.some("mlp")
        if any(row.name == mlp for row in seen.now.rows):
            return f"{_CIRCUIT}, then {_UP_DOWN} to a node such as {mlp}; then {_READ}."
        return f"{_EDGES}, then {_UP_DOWN} to an edge from a node such as {mlp}; then {_READ}."
    if look.readout != "curve":
        return (
            "This is one readout. {key:readouts.next_view} goes to the next: on to the answer "
            "curve."
        )
    if look in seen.looks:
        return "It is being computed."
    return (
        "This is such a curve. Go to another node ({key:bench.panel_circuit}, then "
        "{key:list.down} and {key:list.up}), then {key:bench.panel_readouts}."
    )


def _writes(node: str | None) -> bool:
    return node is not None and kind_of(node) in ("head", "mlp")


def curve_read(seen: Observation) -> str | None:
    look, curve = seen.now.look, seen.now.curve
    if (
        curve is None
        or look not in seen.looks
        or (look.panel, look.readout) != ("readouts", "curve")
        or curve.place.node != look.read
        or not _writes(look.read)
    ):
        return None
    means = []
    for shares in (curve.answers, curve.wrong_answers):
        total = sum(shares)
        if not total:
            return f"This is what {look.read} writes, over the answers."
        means.append(sum(v * s for v, s in zip(curve.values, shares, strict=True)) / total)
    return (
        f"On the mean {look.read} moves the logit of a right year by {shown(means[0], 2)}, of a "
        f"wrong one by {shown(means[1], 2)}. Look at other nodes, too: "
        f"{{key:bench.panel_circuit}}, then {{key:list.down}} and {{key:list.up}}."
    )


# Roles.


def ask_role(seen: Observation) -> str:
    look = seen.now.look
    if look.screen == "bench":
        return "Press {key:bench.graph} to draw the circuit by layers."
    if any(deed.change.groups for deed in seen.log):
        return "The group has no role yet: {key:graph.assign}, then tab to the second line."
    return (
        "Arrows go to an MLP or a head; {key:graph.pick} picks it (several, if you like). Then "
        "{key:graph.assign}: a name, "
        "tab, and a role such as “raise years above”; enter."
    )


def role_given(seen: Observation) -> str | None:
    before = {group.name: group for group in seen.began.groups}
    for deed in reversed(seen.log):
        for group in deed.change.groups[1] if deed.change.groups else ():
            if group.role and group.nodes and group != before.get(group.name):
                back = "" if seen.now.look.screen == "bench" else " esc leads back to the bench."
                return (
                    f"“{group.name}” ({counted(len(group.nodes), 'node')}): {group.role}. The role "
                    f"stands beside the nodes from now on.{back}"
                )
    return None


# Closing the circuit.


def ask_close(seen: Observation) -> str:
    now = seen.now
    if now.status.closed and not now.status.reached_input:
        return (
            "No kept path comes from the embeddings. {key:bench.undo} goes back; then lower the "
            "threshold ({key:bench.threshold_down}) "
            "and go on with {key:bench.next_frontier} and {key:bench.expand}."
        )
    if now.status.closed:
        return (
            "It is closed already. {key:bench.undo} opens the node expanded last, "
            "{key:bench.expand} closes it. Or {key:tutorial.next} goes on."
        )
    still = counted(len(now.frontier), "node")
    by_turns = (
        "Press {key:bench.next_frontier} and {key:bench.expand} by turns, {key:bench.expand} "
        "when “exact: all” is shown (panel {key:bench.panel_candidates})."
    )
    return f"Still open: {still}. {by_turns}"


def circuit_closed(seen: Observation) -> str | None:
    status = seen.now.status
    if not (status.closed and status.reached_input):
        return None
    if not any(deed.change.edits_circuit for deed in seen.log):
        return None
    return (
        f"{status.edges:,} of {status.all_edges:,} edges carry {seen.now.metric} "
        f"{shown(status.circuit_metric)} of the model's {shown(status.model_metric)}: faithfulness "
        f"{shown(status.faithfulness)}. Another threshold would give another circuit."
    )


# Drop costs.


def _costs_shown(seen: Observation) -> bool:
    return any(look.costs for look in seen.looks)


def ask_costs(seen: Observation) -> str:
    if not seen.now.look.costs:
        return (
            "Press {key:bench.drop_costs}: what each kept edge would cost if it were dropped "
            "now (panel {key:bench.panel_candidates})."
        )
    if not _costs_shown(seen):
        return (
            "The costs are shown already: {key:bench.drop_costs} hides them and shows them again."
        )
    if not kept_into(seen.now):
        return (
            f"No edge into {seen.now.look.node} is kept. {{key:bench.panel_circuit}}, then go "
            f"to an expanded node (●)."
        )
    if seen.now.look.panel != "candidates":
        return (
            "{key:bench.panel_candidates}: find a kept edge (●) with a small drop cost there, "
            "and drop it with {key:bench.keep_or_drop}."
        )
    return (
        "Find a kept edge (●) with a small drop cost, here or at another node; "
        "{key:bench.keep_or_drop} drops it."
    )


def cheap_dropped(seen: Observation) -> str | None:
    deed = last_deed(seen, dropped_only=True)
    if deed is None or not _costs_shown(seen):
        return None
    return (
        f"Without {deed.change.removed[0]} the faithfulness went from {change_of(deed)}, with "
        f"{counted(deed.after.edges, 'edge')}. If that is too much, {{key:bench.undo}} brings "
        f"it back."
    )


# Exporting, and the end.


def ask_export(seen: Observation) -> str:
    return (
        "Press {key:bench.export}, then enter: the file goes into the folder that you started in."
    )


def exported(seen: Observation) -> str | None:
    return f"Written: {seen.exported[-1]}" if seen.exported else None


def ask_end(seen: Observation) -> str:
    return "Press {key:tutorial.next} to end the tutorial and stay with this session."
