"""Random circuits and EAP-IG files for the tests of the formats."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from workbench.circuits.circuit import Circuit, RoleGroup, all_edges
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph

shapes = st.builds(Graph, st.integers(1, 3), st.integers(1, 3), st.booleans())

# Finite float32 values, signed zeros and subnormals among them.
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
any_float32s = st.floats(width=32)

role_names = st.from_regex(r"[\w+'.-]{1,8}", fullmatch=True)
names = st.text(min_size=1, max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
finite_values = st.recursive(
    st.none() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
described = names | st.fixed_dictionaries({"name": names, "d_model": st.integers(1, 9)})


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    """A circuit with anything that a file of ours holds."""
    graph = draw(shapes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    real = all_edges(graph)
    circuit = Circuit(graph, real & (rng.random(real.shape) < draw(st.floats(0, 1))))
    circuit.open = frozenset(draw(st.lists(st.sampled_from(graph.destinations), max_size=5)))
    edges = circuit.edges()
    at_roles = draw(st.booleans())
    if edges and at_roles:
        roles: list[str] = draw(st.lists(role_names, min_size=2, max_size=5, unique=True))
        some = st.lists(st.sampled_from(roles), min_size=1, max_size=len(roles) - 1)
        circuit.at = EdgeRoles(tuple(roles)).with_all(
            draw(st.dictionaries(st.sampled_from(edges), some, max_size=4))
        )
    if draw(st.booleans()):
        scores = rng.standard_normal(real.shape).astype(np.float32)
        special = draw(st.lists(any_float32s, max_size=6))
        scores.flat[: len(special)] = special
        scores[~real | (rng.random(real.shape) < draw(st.floats(0, 1)))] = np.nan
        circuit.scores = scores
    circuit.groups = tuple(
        RoleGroup(name, draw(st.text()), tuple(draw(st.sets(st.sampled_from(graph.nodes)))))
        for name in draw(st.lists(names, max_size=2, unique=True))
    )
    targets = st.sampled_from(["", *graph.nodes, *graph.edges()])
    circuit.notes = draw(st.dictionaries(targets, st.text(), max_size=3))
    circuit.provenance = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "model": described,
                "task": described,
                "metric": described,
                "ablation": names,
                "seed": st.none() | st.integers(),
                "versions": st.dictionaries(names, names, max_size=2),
                "evaluation": st.fixed_dictionaries(
                    {"circuit": st.floats(allow_nan=False, allow_infinity=False)},
                    optional={
                        "faithfulness": st.none(),
                        "edges": st.integers(),
                        "x": finite_values,
                    },
                ),
                "commands": st.lists(finite_values, max_size=3),
                "lab book": json_values,
            },
        )
    )
    return circuit


def same_scores(one: Circuit, other: Circuit) -> bool:
    """Bit for bit, the sign of zero included; a matrix without any score is as good as none."""

    def bits(circuit: Circuit) -> Any:
        blank = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
        scores = (
            blank
            if circuit.scores is None
            else np.where(np.isnan(circuit.scores), blank, circuit.scores)
        )
        return scores.view(np.uint32).tolist()

    return bool(bits(one) == bits(other))


def same_value(one: Any, other: Any) -> bool:
    """Equality of JSON values in which NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return bool(type(one) is type(other) and one == other)


def eap_ig_edges(n_layers: int, n_heads: int, parallel: bool) -> list[str]:
    """Names of all edges in EAP-IG's order, written out here anew and not taken from `Graph`."""
    edges: list[str] = []
    residual = ["input"]
    for layer in range(n_layers):
        heads = [f"a{layer}.h{head}" for head in range(n_heads)]
        for source in residual:
            edges += [f"{source}->{head}<{letter}>" for head in heads for letter in "qkv"]
            if parallel:
                edges.append(f"{source}->m{layer}")
        residual += heads
        if not parallel:
            edges += [f"{source}->m{layer}" for source in residual]
        residual.append(f"m{layer}")
    return edges + [f"{source}->logits" for source in residual]


@st.composite
def eap_ig_files(draw: st.DrawFn) -> str:
    """The text of a file as EAP-IG's `to_json` writes it."""
    graph = draw(shapes)
    pick = random.Random(draw(st.integers()))
    special = draw(st.lists(any_float32s, min_size=1, max_size=5))

    def score() -> float:
        if pick.random() < 0.3:
            return pick.choice(special)
        return float(np.float32(pick.gauss(0, 1e-3)))

    nodes: dict[str, dict[str, Any]] = {}
    with_scores, with_neurons = draw(st.booleans()), draw(st.booleans())
    for node in graph.nodes:
        nodes[node] = {"in_graph": pick.random() < 0.5 or node == "logits"}
        if with_scores:
            nodes[node]["score"] = pick.choice([math.nan, score()])
        if with_neurons:
            nodes[node]["neurons"] = [pick.random() < 0.5 for _ in range(3)]
            nodes[node]["neurons_scores"] = [score() for _ in range(3)]
    edges = {
        name: {"score": score(), "in_graph": pick.random() < 0.3}
        for name in eap_ig_edges(graph.n_layers, graph.n_heads, graph.parallel)
    }
    cfg = {
        "n_layers": graph.n_layers,
        "n_heads": graph.n_heads,
        "parallel_attn_mlp": graph.parallel,
        "d_model": 3,
    }
    return json.dumps({"cfg": cfg, "nodes": nodes, "edges": edges})


@st.composite
def deviant_eap_ig_files(draw: st.DrawFn) -> str:
    """As `eap_ig_files`, with everything that a reader of such files could trip over."""
    value = json.loads(draw(eap_ig_files()))
    pick = random.Random(draw(st.integers()))

    def shuffled(entries: dict[str, Any]) -> dict[str, Any]:
        items = list(entries.items())
        pick.shuffle(items)
        return dict(items)

    for entry in value["edges"].values():
        if pick.random() < 0.1:
            entry["score"] = pick.choice([None, 0, 3, 0.1, 1e300, 5e-324, -0.0, math.inf, math.nan])
        if pick.random() < 0.05:
            entry["in_graph"] = pick.choice([0, 1])
    for chance in (0.02, draw(st.sampled_from([0.0, 1.0]))):
        for entry in value["edges"].values():
            if pick.random() < chance:
                entry.pop("score", None)
    for name, entry in value["edges"].items():
        if pick.random() < 0.05:
            value["edges"][name] = shuffled({**entry, "é": draw(json_values)})
    if draw(st.booleans()):
        value["edges"] = {n: dict(reversed(e.items())) for n, e in value["edges"].items()}
    if draw(st.booleans()):
        kept = [item for item in value["edges"].items() if pick.random() < 0.7]
        value["edges"] = shuffled(dict(kept))
    if draw(st.booleans()):
        value["nodes"] = shuffled({n: e["in_graph"] for n, e in value["nodes"].items()})
    if draw(st.booleans()):
        del value["cfg"][
            "parallel_attn_mlp" if not value["cfg"]["parallel_attn_mlp"] else "d_model"
        ]
    if draw(st.booleans()):
        value["cfg"]["model_name"] = draw(st.text())
        value["neurons"] = draw(json_values)
        value = shuffled(value)
    if draw(st.booleans()):
        value.pop("nodes")
    return json.dumps(value)
