"""The status of a session: what the bottom line of the screen shows."""

from __future__ import annotations

from dataclasses import replace

from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import INPUT
from workbench.circuits.tree import dead_edges, live_nodes
from workbench.session.commands import Command, GoTo
from workbench.session.history import History
from workbench.session.pair_set import PairSet
from workbench.session.sampling import Sample
from workbench.session.scores import Scores
from workbench.session.views import Status, TaskInfo


def on_other_pairs(before: Status, task: TaskInfo) -> Status:
    """`before`, with the metrics of both runs on other pairs; the circuit's are left alone."""
    return replace(before, model_metric=task.model_metric, corrupted_metric=task.corrupted_metric)


def told(command: Command, did: str, reached: str) -> str:
    """What the status says: that the circuit was closed, if it was, before what did it.

    Of going to a state both are said: that the one that was left is not lost, is news too.
    """
    return f"{did} {reached}".rstrip() if isinstance(command, GoTo) else reached or did


def first(task: TaskInfo, history: History, scores: Scores) -> Status:
    """The status of a session that was just begun or resumed."""
    circuit = history.state.circuit
    graph = circuit.graph
    blank = Status(
        model_metric=task.model_metric,
        corrupted_metric=task.corrupted_metric,
        circuit_metric=0.0,
        faithfulness=None,
        change=None,
        agreement=scores.agreement,
        edges=0,
        all_edges=graph.n_edges,
        nodes=0,
        all_nodes=len(graph.nodes),
        dead_edges=0,
        open_destinations=0,
        closed=False,
        reached_input=False,
        seconds=0.0,
        can_undo=history.can_undo,
        can_redo=history.can_redo,
        message="",
        revision=0,
    )
    return updated(blank, circuit, scores, history.state.pairs)


def updated(before: Status, circuit: Circuit, scores: Scores, pairs: PairSet) -> Status:
    """`before`, brought up to date with a circuit and what it does; the message is left alone.

    `pairs`: those of the session, in use and not.
    """
    reached = circuit.reached()
    live = live_nodes(circuit)
    n_open = sum(circuit.graph.node_of(destination) in reached for destination in circuit.open)
    return replace(
        before,
        circuit_metric=scores.metric,
        faithfulness=scores.faithfulness,
        agreement=scores.agreement,
        edges=circuit.n_edges,
        at_roles=len(circuit.at.kept),
        nodes=len(reached),
        dead_edges=dead_edges(circuit, live, reached),
        open_destinations=n_open,
        closed=n_open == 0,
        reached_input=INPUT in reached,
        sample=Sample.of_set(pairs, scores.error),
    )


def difference(after: float | None, before: float | None) -> float | None:
    """How much more the one is than the other; None if either is unknown."""
    return None if after is None or before is None else after - before


def milestone(before: Status, after: Status) -> str:
    """A sentence if the last edit closed the circuit, else nothing."""
    if not after.closed or (before.closed and before.reached_input == after.reached_input):
        return ""
    if not after.reached_input:
        return "Nothing feeds the logits: this is the corrupted run."
    share = "unknown" if after.faithfulness is None else f"{after.faithfulness:.2f}"
    return (
        f"Reached the embeddings: {after.edges:,} edges, {after.nodes:,} nodes, "
        f"faithfulness {share}."
    )
