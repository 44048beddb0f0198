"""What alternatives reach, by walking along the names of edges."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends
from workbench.engine.plan import make_plan
from workbench.engine.reach import Alternative, Reach


def reached(circuit: Circuit, columns: set[str], read: set[str]) -> tuple[set[str], set[str]]:
    """The sources and destinations that depend on some destinations, of those that are read."""
    edges = [edge_ends(edge) for edge in circuit.edges()]
    found = columns & read
    while True:
        nodes = {column.split("<")[0] for column in found}
        more = found | {there for source, there in edges if source in nodes and there in read}
        if more == found:
            return nodes - {"logits"}, found
        found = more


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_depends_on_them_and_is_read(seed: int, parallel: bool) -> None:
    graph, rng = Graph(3, 2, parallel), np.random.default_rng(seed)
    circuit = Circuit.empty(graph)
    circuit.mask = all_edges(graph) & (rng.random(circuit.mask.shape) < (0.1, 0.3)[seed % 2])
    wider, changes = circuit.copy(), []
    for edge in rng.choice([*graph.edges()], 12, replace=False):
        place = graph.parse_edge(str(edge))
        wider.mask[place] = True
        changes.append(Alternative(((*place, 1),)))
    changes += [Alternative((), neurons=((layer, 0, False),)) for layer in range(3)]
    plan = make_plan(graph, wider.mask, np.zeros(graph.n_destinations, dtype=bool))
    reach = Reach(graph, circuit.mask, plan, changes)
    read = {d for d, n in zip(graph.destinations, plan.need_in, strict=True) if n}
    needed = {s for s, n in zip(graph.sources, plan.need, strict=True) if n}
    assert reach.tail == len(graph.stages)
    for k, change in enumerate(changes):
        columns = {graph.destinations[c] for c in change.columns() | change.mlps(graph)}
        sources, destinations = reached(circuit, columns, read)
        found = {s for s, yes in zip(graph.sources, reach.sources[:, k], strict=True) if yes}
        assert found == sources & needed
        into = reach.destinations[:, k]
        assert {d for d, yes in zip(graph.destinations, into, strict=True) if yes} == destinations


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("changed", ["a0.h0<q>", "m0", "a1.h1<v>", "m1", "a2.h0<k>", "m2"])
def test_the_tail_begins_at_the_first_stage_behind_the_last_change(
    changed: str, parallel: bool
) -> None:
    graph = Graph(3, 2, parallel)
    full = Circuit.full(graph)
    plan = make_plan(graph, full.mask, np.zeros(graph.n_destinations, dtype=bool))
    column = graph.destination_index(changed)
    reach = Reach(graph, full.mask, plan, [Alternative(((0, column, -1),))])
    behind = [
        number
        for number, stage in enumerate(graph.stages)
        if stage.columns.start > column and not (parallel and stage.kind == "mlp")
    ]
    assert reach.tail == behind[0]
    assert Reach(graph, full.mask, plan, []).tail == 0
    less = full.mask.copy()
    less[1, graph.logits_destination] = False
    assert Reach(graph, less, plan, []).tail == len(graph.stages)
    last = len(graph.stages) - 1
    less = full.mask.copy()
    less[0, graph.mlp_destination(2)] = False
    assert Reach(graph, less, plan, []).tail == last
