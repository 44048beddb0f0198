"""Effects of edges and nodes: what patching them does to the metric.

An effect is the change of the mean metric when the edge carries what its source writes on the
corrupted prompt. It depends on what surrounds the edge, so there are three settings, and a number
is never shown without its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.base.ledger import is_kept, recorded
from workbench.base.work import Stop
from workbench.circuits.circuit import all_edges
from workbench.circuits.edge_roles import check_roles
from workbench.circuits.graph import LOGITS
from workbench.circuits.names import at_role, edge_ends, split_role
from workbench.circuits.parts import edge_of, members_of
from workbench.engine.baseline import CleanBaseline
from workbench.engine.effect_settings import FULL, WITHIN, check_setting
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.kept_edges import WHOLE, Kept, kept_edges, role_bits
from workbench.engine.narrowed import by_layer
from workbench.engine.node_patching import corrupted_finals
from workbench.engine.plan import make_plan
from workbench.engine.reach import Alternative
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.positions import check_from_end

# A caller may want to answer a key between two batches, so a batch should not take longer than
# this.
_BATCH_SECONDS = 0.15
_FIRST_BATCH = 8
# Where nobody waits, and batches have to be the same when the computation goes on.
_STEADY_BATCH = 32


def edge_effects(
    evaluator: Evaluator,
    edges: Sequence[str],
    setting: str = FULL,
    *,
    cancel: Stop | None = None,
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Exact effects of edges, batch by batch in the order given.

    Args:
        evaluator: holds the circuit that "along" and "within" refer to.
        edges: names; `m0->a9.h1` is the edges into q, k and v of the head together, as one.
        setting: one of `effect_settings.SETTINGS`, where `DEFINITIONS` says what each means.
        cancel: checked between batches.

    Yields:
        Names of a batch of edges, and the change of the mean metric that corrupting each one makes.
    """
    check_setting(setting)
    graph = evaluator.graph
    parsed = [split_role(name) for name in edges]
    members = [[graph.parse_edge(one) for one in members_of(graph, edge)] for edge, _ in parsed]
    names = evaluator.circuit.at.names
    for edge, role in parsed:
        check_roles(names, (role,) if role else (), edge)
    if setting == WITHIN:
        yield from _within(evaluator, edges, cancel)
        return
    neurons = {}
    kept: Kept = all_edges(graph)
    if setting != FULL:
        neurons = by_layer(evaluator.experiment.parts, graph, evaluator.circuit.neurons)
        kept = kept_edges(evaluator.circuit)
    plan = make_plan(graph, kept, np.zeros(graph.n_destinations, dtype=bool))
    bases = [CleanBaseline(graph, r, kept, neurons) for r in evaluator.experiment.recordings]
    roles = [role_bits(names, [role]) if role else WHOLE for _, role in parsed]
    clean = evaluator.experiment.clean.metric
    batches = Batches(len(edges), cancel)
    for start, stop in batches:
        changes = [
            Alternative(tuple((s, d, -1) for s, d in own), roles=(bits,) * len(own))
            for own, bits in zip(members[start:stop], roles[start:stop], strict=True)
        ]
        effects = np.empty(len(changes))
        for which, values in evaluator.run(bases, plan, changes):
            effects[which] = values.mean(axis=1) - clean
        batches.done()
        yield list(edges[start:stop]), effects


def _within(
    evaluator: Evaluator, edges: Sequence[str], cancel: Stop | None
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """m(C without e) - m(C with e), whichever of the two the circuit is now.

    Of several edges together the circuit may be neither: then both are computed.
    """
    here = evaluator.value().metric
    batches = Batches(len(edges), cancel)
    for start, stop in batches:
        names = list(edges[start:stop])
        sides = [_without_and_with(evaluator, name) for name in names]
        edits = [edit for both in sides for edit in both if edit is not None]
        metrics = iter(evaluator.what_if(edits).mean(axis=1).tolist())
        effects = np.empty(len(names))
        for i, both in enumerate(sides):
            without, with_it = (here if edit is None else next(metrics) for edit in both)
            effects[i] = without - with_it
        batches.done()
        yield names, effects


def _without_and_with(evaluator: Evaluator, name: str) -> tuple[Edit | None, Edit | None]:
    """What drops all that a candidate is, and what keeps it; None where the circuit is so."""
    circuit = evaluator.circuit
    gone: list[str] = []
    come: list[str] = []
    closed: list[str] = []
    for edge in members_of(evaluator.graph, name):
        # Into an open destination every edge is as if kept: dropping one closes it on all the
        # others.
        if edge_ends(edge_of(edge))[1] in circuit.open:
            edit = _all_but(evaluator, edge)
            closed += edit.close
            gone += edit.toggle
        elif circuit.has(edge):
            gone.append(edge)
        else:
            come.append(edge)
    dropping = gone or closed
    return (
        Edit(close=tuple(closed), toggle=tuple(gone)) if dropping else None,
        Edit(toggle=tuple(come)) if come else None,
    )


def _all_but(evaluator: Evaluator, edge: str) -> Edit:
    graph, (whole, role) = evaluator.graph, split_role(edge)
    source, d = graph.parse_edge(whole)
    others = [graph.edge_name(s, d) for s in range(graph.n_parents(d)) if s != source]
    if role:  # the edge itself is kept at all other roles
        names = evaluator.circuit.at.names
        others += [at_role(whole, other) for other in names if other != role]
    return Edit(close=(graph.destinations[d],), toggle=tuple(others))


def drop_costs(
    evaluator: Evaluator, edges: Sequence[str], *, cancel: Stop | None = None
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """What dropping each kept edge now would change the circuit's mean metric by.

    The setting is "within".

    Glossary: docs/glossary.md#drop-cost.
    """
    yield from edge_effects(evaluator, edges, WITHIN, cancel=cancel)


def node_effects(
    evaluator: Evaluator,
    nodes: Sequence[str],
    *,
    position: int | None = None,
    cancel: Stop | None = None,
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Activation patching in the full model: all that a node writes is corrupted.

    For every reader at once.

    Args:
        position: where it is corrupted, counted from the prompts' ends (0 is the last position);
            None for all positions.

    Yields:
        Names of a batch of nodes, and the change of the mean metric.

    Raises:
        WorkbenchError: there is no such node or position.
    """
    graph, experiment = evaluator.graph, evaluator.experiment
    check_from_end(position, (group.length for group in experiment.batch.groups))
    if LOGITS in nodes:
        raise WorkbenchError("The logits write nothing that could be patched; choose another node.")
    sources = [graph.source_index(name) for name in nodes]
    batches = Batches(len(nodes), cancel)
    for start, stop in batches:
        chosen = sources[start:stop]
        effects = recorded(
            "effects of nodes",
            repr((chosen, position)).encode,
            partial(_node_effects, experiment, chosen, position),
        )
        batches.done()
        yield list(nodes[start:stop]), effects


def _node_effects(
    experiment: Experiment, sources: list[int], position: int | None
) -> NDArray[np.float64]:
    """The change of the mean metric that corrupting each of some nodes makes, [node]."""
    values = []
    for recording, metric in zip(experiment.recordings, experiment.metrics, strict=True):
        with torch.no_grad():
            finals = corrupted_finals(experiment.graph, recording, sources, position)
            values.append(metric.of_residual(finals))
    return experiment.in_order(values).mean(axis=0) - experiment.clean.metric


def effects_into(
    evaluator: Evaluator,
    destinations: Sequence[str],
    nodes: Sequence[str],
    *,
    cancel: Stop | None = None,
) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Path patching in the full model: nodes corrupted for some readers alone.

    All of the readers at once: with a head's q, k and v it is the effect of the node on the head
    as a whole, which is not the sum of the three edges' effects.

    Args:
        destinations: inputs of nodes, by name.
        nodes: names; those that write after a destination do not reach it.

    Yields:
        Names of a batch of nodes, and the change of the mean metric.
    """
    graph = evaluator.graph
    columns = [graph.destination_index(name) for name in destinations]
    mask = all_edges(graph)
    plan = make_plan(graph, mask, np.zeros(graph.n_destinations, dtype=bool))
    bases = [CleanBaseline(graph, r, mask) for r in evaluator.experiment.recordings]
    clean = evaluator.experiment.clean.metric
    sources = [graph.source_index(name) for name in nodes]
    batches = Batches(len(nodes), cancel)
    for start, stop in batches:
        changes = [
            Alternative(tuple((s, d, -1) for d in columns if s < graph.n_parents(d)))
            for s in sources[start:stop]
        ]
        effects = np.empty(len(changes))
        for which, values in evaluator.run(bases, plan, changes):
            effects[which] = values.mean(axis=1) - clean
        batches.done()
        yield list(nodes[start:stop]), effects


class Batches:
    """Ranges that cover n items, each taking about `_BATCH_SECONDS`, going by the last one.

    In a job, which has to come to the same ranges when it goes on, they do not go by the clock.

    What the caller does between two batches does not count: call `done` when a batch is computed.
    """

    def __init__(self, n: int, cancel: Stop | None) -> None:
        self._n, self._cancel = n, cancel
        self._steady = is_kept()
        self._size = _STEADY_BATCH if self._steady else _FIRST_BATCH
        self._began = 0.0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        start = 0
        while start < self._n and not (self._cancel is not None and self._cancel.is_set()):
            stop = min(self._n, start + self._size)
            self._began = time.perf_counter()
            yield start, stop
            start = stop

    def done(self) -> None:
        """A batch is computed: the next one is as long as that one was quick."""
        if self._steady:
            return
        took = max(time.perf_counter() - self._began, 1e-4)
        # At most fourfold at a time: the next edges may reach further than these did.
        self._size = max(1, int(self._size * min(4.0, max(0.25, _BATCH_SECONDS / took))))
