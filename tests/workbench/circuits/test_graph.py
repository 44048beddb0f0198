"""The graph: its nodes, destinations and stages, and where each of them stands."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.circuits.graph import Destination, Graph, Node, shared_graph
from workbench.errors import WorkbenchError

GRAPHS = [Graph(1, 1), Graph(3, 2), Graph(3, 2, parallel=True), Graph(12, 12)]
GPT2_SMALL = Graph(12, 12)


def test_gpt2_small() -> None:
    assert GPT2_SMALL.n_edges == 32_491 == sum(1 for _ in GPT2_SMALL.edges())
    assert (GPT2_SMALL.n_sources, GPT2_SMALL.n_destinations) == (157, 445)
    assert len(GPT2_SMALL.stages) == 25
    found = list(GPT2_SMALL.end_indices(GPT2_SMALL.edges()))
    ends = zip(found[::2], found[1::2], strict=True)
    assert [GPT2_SMALL.edge_name(s, d) for s, d in ends] == list(GPT2_SMALL.edges())


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_tables_stand_in_the_order_of_the_names(graph: Graph) -> None:
    assert tuple(node.name for node in graph.node_table) == graph.nodes
    assert tuple(d.name for d in graph.destination_table) == graph.destinations
    for row, node in enumerate(graph.node_table):
        assert graph.parse_node(node.name) is node
        assert graph.layer_of(node.name) == node.layer
        assert graph.is_head(node.name) == (node.head is not None) == (node.kind == "head")
        if node.kind == "head":
            assert node.head is not None and row == graph.head_source(node.layer, node.head)
        elif node.kind == "mlp":
            assert row == graph.mlp_source(node.layer)
    for column, destination in enumerate(graph.destination_table):
        assert graph.parse_destination(destination.name) is destination
        assert graph.node_of(destination.name) == destination.node.name
        assert destination.name in graph.destinations_of(destination.node.name)
        owner = graph.owners[column]
        assert graph.node_table[-1 if owner is None else owner] is destination.node
    of_nodes = [d for node in graph.nodes for d in graph.destinations_of(node)]
    assert sorted(of_nodes) == sorted(graph.destinations)


def test_what_a_node_and_a_destination_are() -> None:
    head = Node("a2.h1", "head", 2, 1)
    assert GPT2_SMALL.parse_node("a2.h1") == head
    assert GPT2_SMALL.parse_node("m2") == Node("m2", "mlp", 2)
    assert GPT2_SMALL.parse_node("input") == Node("input", "input", -1)
    assert GPT2_SMALL.parse_node("logits") == Node("logits", "logits", 12)
    assert GPT2_SMALL.parse_destination("a2.h1<v>") == Destination("a2.h1<v>", head, "v")
    assert GPT2_SMALL.parse_destination("m2").input is None
    assert GPT2_SMALL.destinations_of("a2.h1") == ("a2.h1<q>", "a2.h1<k>", "a2.h1<v>")
    assert GPT2_SMALL.destinations_of("input") == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        head.layer = 3  # type: ignore[misc]


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_stages_hold_every_destination_and_node_once_in_order(graph: Graph) -> None:
    columns = [c for s in graph.stages for c in range(s.columns.start, s.columns.stop)]
    rows = [r for s in graph.stages for r in range(s.rows.start, s.rows.stop)]
    assert columns == list(range(graph.n_destinations))
    assert rows == list(range(1, graph.n_sources))
    for stage in graph.stages:
        for column in range(stage.columns.start, stage.columns.stop):
            assert graph.n_parents(column) == stage.parents
            assert graph.destination_table[column].node.layer == stage.layer


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_places_of_a_layers_heads(graph: Graph) -> None:
    for layer in range(graph.n_layers):
        names = tuple(f"a{layer}.h{head}" for head in range(graph.n_heads))
        assert graph.sources[graph.head_rows(layer)] == names
        assert graph.sources[graph.layer_rows(layer)] == (*names, f"m{layer}")
        assert [graph.sources[row] for row in graph.head_sources(layer)] == list(names)
        inputs = [tuple(f"{name}<{which}>" for name in names) for which in "qkv"]
        for which, columns in enumerate(inputs):
            assert graph.destinations[graph.head_inputs(layer, which)] == columns
        assert graph.destinations[graph.head_inputs(layer)] == sum(inputs, ())
        assert graph.destinations[graph.layer_columns(layer)] == (*sum(inputs, ()), f"m{layer}")
    assert graph.head_inputs_per_layer == 3 * graph.n_heads
    assert graph.destinations_per_layer == 3 * graph.n_heads + 1
    assert graph.sources_per_layer == graph.n_heads + 1


@pytest.mark.parametrize("name", ["", "a12.h0", "a0.h12", "m12", "a0.h0<q>", "a0", "m01", "x" * 99])
def test_no_node(name: str) -> None:
    with pytest.raises(WorkbenchError, match=r"^There is no node or input .*\.$"):
        GPT2_SMALL.parse_node(name)
    assert not GPT2_SMALL.is_head(name) and not GPT2_SMALL.has_node(name)


@pytest.mark.parametrize("name", ["input", "a0.h0", "a0.h0<z>", "m12", "m0<q>"])
def test_no_destination(name: str) -> None:
    with pytest.raises(WorkbenchError, match=r"^There is no node or input .*\.$"):
        GPT2_SMALL.parse_destination(name)


def test_ends_of_what_is_no_edge() -> None:
    names = ["m0->logits", "m99->logits", "m0->m99", "nothing"]
    last = GPT2_SMALL.logits_destination
    m0 = GPT2_SMALL.mlp_source(0)
    assert list(GPT2_SMALL.end_indices(names)) == [m0, last, -1, last, m0, -1, -1, -1]


def test_one_graph_of_a_shape() -> None:
    assert shared_graph(2, 3, False) is shared_graph(2, 3, False)
    assert shared_graph(2, 3, False) == Graph(2, 3) != shared_graph(2, 3, True)
