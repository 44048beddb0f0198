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
from workbench.tutorial.observation import Moment, Observation
from workbench.tutorial.step import shown


def _change(deed: LogEntry) -> str:
    """What a command did to the faithfulness."""
    return f"{shown(deed.before.faithfulness)} to {shown(deed.after.faithfulness)}"


def _kept(moment: Moment) -> int:
    return sum(edge.kept for edge in moment.edges)


def _last(seen: Observation, *, dropped_only: bool = False) -> LogEntry | None:
    """The last command since the step began that only dropped edges, or that closed an input."""
    for deed in reversed(seen.log):
        change = deed.change
        if dropped_only and change.removed and not (change.added or change.opened or change.closed):
            return deed
        if not dropped_only and change.closed:
            return deed
    return None


# The task.


def ask_prompts(seen: Observation) -> str:
    if seen.now.look.screen == "prompts":
        return "← and → turn to another pair of prompts; esc closes."
    return "Press p to see the prompts, token by token."


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
    return "Press 2 to go to the edges into the logits, or click there."


def edges_seen(seen: Observation) -> str | None:
    if all(look.panel != "candidates" for look in seen.looks):
        return None
    return (
        f"These {counted(len(seen.now.edges), 'edge')} could feed {seen.now.look.node}; the whole "
        f"model has {seen.now.status.all_edges:,}. 1, 2, 3 go to the panels."
    )


def ask_effects(seen: Observation) -> str:
    go = "" if seen.now.look.panel == "candidates" else "2, then "
    return (
        f"{go or 'With '}j and k (or the arrows) go to an edge whose two numbers differ: "
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
        return "1, then the cursor to the logits on top."
    if seen.now.edges and not any(edge.open for edge in seen.now.edges):
        return "They are expanded already: r opens them again, then e. Or y goes on."
    passing = sum(edge.preview for edge in seen.now.edges)
    return f"Press e to expand the logits: {passing} of {len(seen.now.edges)} edges pass."


def logits_expanded(seen: Observation) -> str | None:
    for deed in reversed(seen.log):
        if "logits" in deed.change.closed:
            kept = sum(edge.endswith("->logits") for edge in deed.change.added)
            return (
                f"{counted(kept, 'edge')} kept, all others corrupted: the faithfulness went from "
                f"{_change(deed)}. That is what this step left out."
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
            f"Without {dropped.change.removed[0]} the faithfulness went from {_change(dropped)}. "
            "Now u (undo) brings it back."
        )
    if not seen.now.status.edges:
        return "Nothing is kept: expand the logits first (e), or u undoes what was done last."
    if seen.now.look.panel == "candidates":
        return "With the cursor on a kept edge (●), press space: it is dropped."
    return "2, then the cursor on a kept edge (●), then space: it is dropped."


def toggled(seen: Observation) -> str | None:
    dropped, back = _there_and_back(seen)
    if dropped is None or back is None:
        return None
    return (
        f"{dropped.change.removed[0]} took the faithfulness from {_change(dropped)}, and it is "
        f"back at {shown(back.after.faithfulness)}. u undoes everything, U does it again."
    )


# The threshold.


def ask_threshold(seen: Observation) -> str:
    if seen.now.look.panel != "candidates":
        return "2, then [ a few times: the line above the edges counts those that pass."
    return "Press [ a few times: the line above the edges counts those that pass."


def threshold_moved(seen: Observation) -> str | None:
    if not any(deed.change.threshold for deed in seen.log):
        return None
    now = seen.now
    passing = sum(edge.preview for edge in now.edges)
    words = f"From {seen.began.threshold:.2g} to {now.threshold:.2g}: "
    if now.edges:
        words += f"{passing} of the {len(now.edges)} edges into {now.look.node} pass. "
    return words + "It holds for what you expand next; a applies it here, too."


# The next node.


def ask_next(seen: Observation) -> str:
    now = seen.now
    if not now.frontier:
        return "No open node is kept: u undoes the last step, or keep an edge with space."
    if now.look.node not in now.frontier or now.look.node == "logits":
        return "Press w to go to the most promising open node."
    return f"{now.look.node} is open. When “exact: all” is shown above the edges, press e."


def next_expanded(seen: Observation) -> str | None:
    deed = _last(seen)
    if deed is None or deed.change.closed == ("logits",):
        return None
    closed = parse_name(deed.change.closed[0])
    if closed is None:
        return None
    return (
        f"{closed.node} is now made of {counted(len(deed.change.added), 'kept edge')}; "
        f"the faithfulness went from {_change(deed)}."
    )


# Inputs of a head.


def ask_inputs(seen: Observation) -> str:
    if kind_of(seen.now.look.node) != "head":
        head = seen.now.some("head")
        return f"Press J, type the name of a head, such as {head}, then enter."
    return "Press i until q, k or v alone stands in brackets above the edges."


def inputs_chosen(seen: Observation) -> str | None:
    look = seen.now.look
    if look not in seen.looks or kind_of(look.node) != "head" or look.inputs == "qkv":
        return None
    name = {"q": "query", "k": "key", "v": "value"}[look.inputs]
    words = f"{counted(len(seen.now.edges), 'edge')} could feed the {name} of {look.node}"
    if seen.now.edges:
        first = seen.now.edges[0]
        words += f"; the largest effect has {first.edge}: {shown(first.score, 4)}"
    return words + ". i goes on to the next."


# The setting.


def ask_setting(seen: Observation) -> str:
    if not _kept(seen.now):
        node = next((row.parent for row in seen.now.rows if row.parent), "logits")
        return f"Go to a node with kept edges: J, type {node}, enter. There press m."
    return "Press m, and watch the column “exact” and the words above the edges (panel 2)."


def setting_chosen(seen: Observation) -> str | None:
    look = seen.now.look
    if all(other.setting == seen.began.look.setting for other in seen.looks):
        return None
    words = f"Now {NAMES[look.setting]}"
    edge = seen.now.edge
    if edge is not None and edge.exact is not None:
        words += f": {edge.edge} has {shown(edge.exact, 4)}"
    back = "" if look.setting == FULL else " m comes back to the full model."
    return f"{words}. No effect is shown without its setting.{back}"


# The logit lens.


def ask_lens(seen: Observation) -> str:
    look = seen.now.look
    if look.panel != "readouts" or not _writes(look.read):
        if look.panel != "readouts" and _writes(look.read):
            return f"Press 3: the readouts of {look.read}."
        mlp = seen.now.some("mlp")
        if any(row.name == mlp for row in seen.now.rows):
            return f"1, then j and k to a node such as {mlp}; then 3 for its readouts."
        return f"2, then j and k to an edge from a node such as {mlp}; then 3 for its readouts."
    if look.readout != "curve":
        return "This is one readout. → goes to the next: on to the answer curve."
    if look in seen.looks:
        return "It is being computed."
    return "This is such a curve. Go to another node (1, then j and k), then 3."


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
        f"wrong one by {shown(means[1], 2)}. Look at other nodes, too: 1, then j and k."
    )


# Roles.


def ask_role(seen: Observation) -> str:
    look = seen.now.look
    if look.screen == "bench":
        return "Press g to draw the circuit by layers."
    if any(deed.change.groups for deed in seen.log):
        return "The group has no role yet: R, then tab to the second line."
    return (
        "Arrows go to an MLP or a head; space picks it (several, if you like). Then R: a name, "
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
            "No kept path comes from the embeddings. u goes back; then lower the threshold ([) "
            "and go on with w and e."
        )
    if now.status.closed:
        return "It is closed already. u opens the node expanded last, e closes it. Or y goes on."
    still = counted(len(now.frontier), "node")
    by_turns = "Press w and e by turns, e when “exact: all” is shown (panel 2)."
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
        return "Press d: what each kept edge would cost if it were dropped now (panel 2)."
    if not _costs_shown(seen):
        return "The costs are shown already: d hides them and shows them again."
    if not _kept(seen.now):
        return f"No edge into {seen.now.look.node} is kept. 1, then go to an expanded node (●)."
    if seen.now.look.panel != "candidates":
        return "2: find a kept edge (●) with a small drop cost there, and drop it with space."
    return "Find a kept edge (●) with a small drop cost, here or at another node; space drops it."


def cheap_dropped(seen: Observation) -> str | None:
    deed = _last(seen, dropped_only=True)
    if deed is None or not _costs_shown(seen):
        return None
    return (
        f"Without {deed.change.removed[0]} the faithfulness went from {_change(deed)}, with "
        f"{counted(deed.after.edges, 'edge')}. If that is too much, u brings it back."
    )


# Exporting, and the end.


def ask_export(seen: Observation) -> str:
    return "Press o, then enter: the file goes into the folder that you started in."


def exported(seen: Observation) -> str | None:
    return f"Written: {seen.exported[-1]}" if seen.exported else None


def ask_end(seen: Observation) -> str:
    return "Press y to end the tutorial and stay with this session."
