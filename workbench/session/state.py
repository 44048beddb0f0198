"""What commands act on, and the difference between two such states.

A `Change` is what a command stores: enough to apply it, to take it back and to replay it exactly,
without the effects or the threshold that led to it. Pure Python and numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from workbench.base.json_values import items, number, object_of, string, strings
from workbench.base.text import quoted
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.circuits.kept_neurons import checked, of_spans, spans
from workbench.circuits.names import edge_ends, split_role
from workbench.circuits.parts import drop_parts, edge_of, in_order, keep_parts
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import Intervention
from workbench.session.differing import differences, update, updated
from workbench.session.pair_set import PairsChange, PairSet
from workbench.session.reference import Reference

Interventions = tuple[Intervention, ...]

DroppedNodes = Mapping[str, tuple[str, ...]]

DROPPED_NODES = "shelf"
"""The name of `Change.dropped_nodes` in journals and circuit files, as version 0.1 wrote it."""

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """Everything that commands can change.

    Never altered in place, so an old one can be put back.

    Attributes:
        circuit: edges, open destinations, groups and notes. No kept edge enters an open
            destination.
        threshold: in units of the metric.
        dropped_nodes: for a node that was dropped as a whole, the edges that it had.
        pairs: all pairs of the session, those put aside among them.
        metric: what is measured by; "" for the metric that the session began with.
        interventions: what is done to the model in all runs.
        reference: what the circuit is compared with, if anything is. No part of a `Change`: it is
            set aside of undo and redo.

    Glossary: docs/glossary.md#state, docs/glossary.md#threshold.
    """

    circuit: Circuit
    threshold: float
    dropped_nodes: DroppedNodes = field(default_factory=dict)
    reference: Reference | None = None
    pairs: PairSet = ()
    metric: str = ""
    interventions: Interventions = ()

    @classmethod
    def start(cls, graph: Graph, threshold: float, pairs: PairSet = ()) -> State:
        """The state in which everything is open."""
        return cls(Circuit.start(graph), threshold, pairs=pairs)

    def with_edges(
        self,
        *,
        keep: Iterable[str] = (),
        drop: Iterable[str] = (),
        open: Iterable[str] = (),
        close: Iterable[str] = (),
    ) -> State:
        """With destinations opened and closed, then edges dropped and kept.

        Edges may be named at a role, `m0->a9.h1<k>@S1`: the others of theirs stay as they are. To
        open a destination, or drop an edge, forgets its edges and their roles.

        Raises:
            WorkbenchError: if an edge to keep enters a destination that is open.
        """
        circuit = self.circuit.copy()
        graph = circuit.graph
        opened = frozenset(open)
        circuit.open = (circuit.open | opened) - frozenset(close)
        for destination in opened:
            circuit.mask[:, graph.destination_index(destination)] = False
        circuit.at = circuit.at.only(e for e in circuit.at.kept if circuit.has(e))
        drop_parts(circuit, drop)
        keep = tuple(keep)
        for name in keep if circuit.open else ():
            _, d = graph.parse_edge(edge_of(name))
            if graph.destinations[d] in circuit.open:
                raise WorkbenchError(
                    f"{name} cannot be kept while {graph.destinations[d]} is open; expand it."
                )
        keep_parts(circuit, keep)
        return replace(self, circuit=circuit)

    def on_roles(self, names: tuple[str, ...]) -> State:
        """With the roles of the prompts by which edges can be told apart; nothing is lost.

        Those that the prompts lack, and at which an edge is kept all the same, come last. So do
        those by which an edge is told apart that is at all roles of these prompts: it is at the
        same roles again when the other pairs come back.
        """
        at = self.circuit.at
        own = in_order(names, at.kept)
        if len(own.kept) < len(at.kept):
            own = in_order((*own.names, *at.names), at.kept)
        if own.names == self.circuit.at.names:
            return self
        return replace(self, circuit=replace(self.circuit, at=own))

    def with_words(
        self, groups: tuple[RoleGroup, ...] | None = None, notes: Mapping[str, str] | None = None
    ) -> State:
        """With other groups or notes (None: the same ones)."""
        circuit = replace(
            self.circuit,
            groups=self.circuit.groups if groups is None else groups,
            notes=dict(self.circuit.notes if notes is None else notes),
        )
        return replace(self, circuit=circuit)


@dataclass(frozen=True)
class Change:
    """The difference between two states; what was before stands beside what is after.

    Attributes:
        added, removed: edges.
        opened, closed: destinations.
        groups: all groups before and after, None if they are the same.
        notes: (target, before, after) of each note that differs; None for no note.
        threshold: before and after, None if it is the same.
        dropped_nodes: (node, before, after) of each entry that differs; None for no entry.
        pairs: of the set of pairs; None if it is the same.
        metric: before and after, None if it is the same.
        neurons: (MLP, before, after) of each MLP whose kept neurons differ; None for all of them.
        interventions: all of them before and after, None if they are the same.
        at: (edge, before, after) of each edge whose roles differ; None for all of them, or if it is
            not kept.
        roles: all roles of the prompts then, where the roles of an edge differ.

    Glossary: docs/glossary.md#change.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    groups: tuple[tuple[RoleGroup, ...], tuple[RoleGroup, ...]] | None = None
    notes: tuple[tuple[str, str | None, str | None], ...] = ()
    threshold: tuple[float, float] | None = None
    dropped_nodes: tuple[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None], ...] = ()
    pairs: PairsChange | None = None
    metric: tuple[str, str] | None = None
    neurons: tuple[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None], ...] = ()
    interventions: tuple[Interventions, Interventions] | None = None
    at: tuple[tuple[str, tuple[str, ...] | None, tuple[str, ...] | None], ...] = ()
    roles: tuple[str, ...] = ()

    @classmethod
    def between(cls, before: State, after: State) -> Change:
        """What leads from one state to another."""
        old, new = before.circuit, after.circuit
        if old.graph != new.graph:
            raise WorkbenchError(
                "These circuits belong to models of different shape; compare like with like."
            )
        order = old.graph.destination_index
        at = tuple(
            (edge, a, b)
            for edge, a, b in differences(old.at.kept, new.at.kept)
            if _set(a) != _set(b)
        )
        return cls(
            added=_names(old.graph, new.mask & ~old.mask),
            removed=_names(old.graph, old.mask & ~new.mask),
            opened=tuple(sorted(new.open - old.open, key=order)),
            closed=tuple(sorted(old.open - new.open, key=order)),
            groups=None if old.groups == new.groups else (old.groups, new.groups),
            notes=differences(old.notes, new.notes),
            threshold=None
            if before.threshold == after.threshold
            else (before.threshold, after.threshold),
            dropped_nodes=differences(before.dropped_nodes, after.dropped_nodes),
            pairs=PairsChange.between(before.pairs, after.pairs),
            metric=None if before.metric == after.metric else (before.metric, after.metric),
            neurons=differences(old.neurons, new.neurons),
            interventions=None
            if before.interventions == after.interventions
            else (before.interventions, after.interventions),
            at=at,
            roles=new.at.names if at else (),
        )

    def __bool__(self) -> bool:
        return self != Change()

    @property
    def edits_circuit(self) -> bool:
        """It changes edges, neurons or what is open, and so the metric."""
        edges = self.added or self.removed or self.at
        return bool(edges or self.opened or self.closed or self.neurons)

    @property
    def edits_value(self) -> bool:
        """It changes what is measured: the circuit, the pairs, the metric, or the model."""
        others = (self.pairs, self.metric, self.interventions)
        return self.edits_circuit or any(other is not None for other in others)

    def keeps(self, name: str) -> bool:
        """Whether it is this change that keeps an edge, or an edge at a role, from then on."""
        edge, role = split_role(name)
        for changed, before, after in self.at:
            if changed == edge and after is not None:
                return role in after if role else edge in self.added
            if changed == edge:
                return before is not None and edge not in self.removed
        return edge in self.added

    @property
    def n_at_roles(self) -> int:
        """Edges of which it says that they are kept at some roles only."""
        return sum(after is not None for _, _, after in self.at)

    def inverse(self) -> Change:
        """The change that takes this one back."""
        return Change(
            added=self.removed,
            removed=self.added,
            opened=self.closed,
            closed=self.opened,
            groups=None if self.groups is None else (self.groups[1], self.groups[0]),
            notes=tuple((target, after, before) for target, before, after in self.notes),
            threshold=None if self.threshold is None else (self.threshold[1], self.threshold[0]),
            dropped_nodes=tuple(
                (node, after, before) for node, before, after in self.dropped_nodes
            ),
            pairs=self.pairs and self.pairs.inverse(),
            metric=self.metric and (self.metric[1], self.metric[0]),
            neurons=tuple((mlp, after, before) for mlp, before, after in self.neurons),
            interventions=self.interventions and (self.interventions[1], self.interventions[0]),
            at=tuple((edge, after, before) for edge, before, after in self.at),
            roles=self.roles,
        )

    def apply(self, state: State) -> State:
        """The state after this change.

        Raises:
            WorkbenchError: if the change does not fit, such as an edge added that is there already:
                what is replayed is not what was recorded.
        """
        return after_all(state, (self,))

    def _write_into(self, circuit: Circuit, dropped: dict[str, tuple[str, ...]]) -> None:
        """Alter these as the change says; the threshold is left to the caller."""
        graph = circuit.graph
        for edges, kept_before in ((self.removed, True), (self.added, False)):
            for edge in edges:
                where = graph.parse_edge(edge)
                if circuit.mask[where] != kept_before:
                    raise WorkbenchError(
                        f"{edge} is {'not kept' if kept_before else 'kept already'}."
                    )
                circuit.mask[where] = not kept_before
        if self.opened or self.closed:
            opened, closed = frozenset(self.opened), frozenset(self.closed)
            for destination in opened | closed:
                graph.destination_index(destination)
            if opened & circuit.open or not closed <= circuit.open:
                raise WorkbenchError("Other destinations are open than were then.")
            circuit.open = (circuit.open | opened) - closed
        entered = circuit.open and {edge_ends(edge)[1] for edge in self.added} & circuit.open
        if entered or any(circuit.mask[:, graph.destination_index(d)].any() for d in self.opened):
            raise WorkbenchError("An edge would be kept that enters an open destination.")
        self._write_roles(circuit)
        if self.groups is not None:
            circuit.groups = self.groups[1]
        if any(circuit.neurons.get(mlp) != before for mlp, before, _ in self.neurons):
            raise WorkbenchError("Other neurons are kept than were then.")
        circuit.neurons = updated(circuit.neurons, self.neurons)
        checked(graph, circuit.neurons)
        update(circuit.notes, self.notes)
        update(dropped, self.dropped_nodes)

    def _write_roles(self, circuit: Circuit) -> None:
        # As sets: other prompts may have had their roles in another order when this was done.
        if any(_set(circuit.at.kept.get(edge)) != _set(before) for edge, before, _ in self.at):
            raise WorkbenchError("Edges are kept at other roles than were then.")
        if self.at:
            kept = updated(circuit.at.kept, self.at)
            circuit.at = EdgeRoles(in_order(self.roles or circuit.at.names, kept).names, kept)
        told_apart = (edge for edge, _, after in self.at if after is not None)
        for edge in told_apart:
            if not circuit.at.kept[edge] or not circuit.has(edge):
                raise WorkbenchError(f"{edge} would be at roles, and it is not kept.")
        if not circuit.at.kept.keys().isdisjoint(self.removed):
            raise WorkbenchError("An edge would be at roles that was dropped.")

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is empty is left out."""
        groups = self.groups and [[group_to_json(group) for group in side] for side in self.groups]
        everything = {
            "added": list(self.added),
            "removed": list(self.removed),
            "opened": list(self.opened),
            "closed": list(self.closed),
            "groups": groups,
            "notes": [list(item) for item in self.notes],
            "threshold": self.threshold and list(self.threshold),
            DROPPED_NODES: [
                [node, before and list(before), after and list(after)]
                for node, before, after in self.dropped_nodes
            ],
            "pairs": self.pairs and self.pairs.to_json(),
            "metric": self.metric and list(self.metric),
            "neurons": [
                [mlp, _maybe(spans, before), _maybe(spans, after)]
                for mlp, before, after in self.neurons
            ],
            "interventions": self.interventions
            and [[one.to_json() for one in side] for side in self.interventions],
            "at": [
                [edge, before and list(before), after and list(after)]
                for edge, before, after in self.at
            ],
            "roles": list(self.roles),
        }
        return {name: value for name, value in everything.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Change:
        """Raises WorkbenchError where it is not what `to_json` gives."""
        try:
            unknown = set(object_of(value)) - {*cls.__dataclass_fields__, DROPPED_NODES}
            if unknown:
                raise WorkbenchError(f"A change has no field {quoted(sorted(unknown)[0])}.")
            groups, threshold = value.get("groups"), value.get("threshold")
            pairs, metric = value.get("pairs"), value.get("metric")
            done = value.get("interventions")
            return cls(
                **{
                    name: strings(value.get(name, ()))
                    for name in ("added", "removed", "opened", "closed", "roles")
                },
                groups=_both(_groups, groups),
                notes=tuple(
                    (string(t), _maybe(string, b), _maybe(string, a))
                    for t, b, a in map(items, items(value.get("notes", [])))
                ),
                threshold=_both(number, threshold),
                dropped_nodes=tuple(
                    (string(n), _maybe(strings, b), _maybe(strings, a))
                    for n, b, a in map(items, items(value.get(DROPPED_NODES, [])))
                ),
                pairs=pairs and PairsChange.from_json(pairs),
                metric=_both(string, metric),
                neurons=tuple(
                    (string(m), _maybe(_neurons, b), _maybe(_neurons, a))
                    for m, b, a in map(items, items(value.get("neurons", [])))
                ),
                interventions=_both(_interventions, done),
                at=tuple(
                    (string(e), _maybe(strings, b), _maybe(strings, a))
                    for e, b, a in map(items, items(value.get("at", [])))
                ),
            )
        except KeyError as error:
            raise WorkbenchError(f"A change is recorded without {error}.") from None
        except (TypeError, ValueError) as error:
            raise WorkbenchError(f"This is not the record of a change: {error}.") from None


def after_all(state: State, changes: Iterable[Change], *, in_place: bool = False) -> State:
    """The state after these changes, one after the other.

    The circuit is copied once for all; `in_place`: not even once, the old state is lost.

    Raises:
        WorkbenchError: as `Change.apply`.
    """
    circuit = state.circuit if in_place else state.circuit.copy()
    dropped, threshold, pairs = dict(state.dropped_nodes), state.threshold, state.pairs
    metric, done = state.metric, state.interventions
    for change in changes:
        change._write_into(circuit, dropped)
        if change.threshold is not None:
            threshold = change.threshold[1]
        if change.pairs is not None:
            pairs = change.pairs.apply(pairs)
        if change.metric is not None:
            metric = change.metric[1]
        if change.interventions is not None:
            done = change.interventions[1]
    return State(circuit, threshold, dropped, state.reference, pairs, metric, done)


def group_to_json(group: RoleGroup) -> dict[str, Any]:
    """A group in plain values."""
    return {"name": group.name, "role": group.role, "nodes": list(group.nodes)}


def _interventions(value: Any) -> Interventions:
    return tuple(Intervention.from_json(object_of(one)) for one in items(value))


def _groups(value: Any) -> tuple[RoleGroup, ...]:
    return tuple(
        RoleGroup(string(g["name"]), string(g["role"]), strings(g["nodes"]))
        for g in map(object_of, items(value))
    )


def _neurons(value: Any) -> tuple[int, ...]:
    return of_spans(string(value))


def _both(read: Callable[[Any], T], value: Any) -> tuple[T, T] | None:
    """What was before and what is after; None where it is the same."""
    if value is None:
        return None
    before, after = items(value)
    return read(before), read(after)


def _set(roles: Iterable[str] | None) -> frozenset[str] | None:
    return None if roles is None else frozenset(roles)


def _maybe(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def _names(graph: Graph, mask: Any) -> tuple[str, ...]:
    destinations, sources = np.nonzero(mask.T)
    return tuple(
        graph.edge_name(int(s), int(d)) for s, d in zip(sources, destinations, strict=True)
    )
