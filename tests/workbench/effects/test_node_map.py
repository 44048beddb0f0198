"""Maps of node effects and joint effects: against plain transformers, and against edges'."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cases.node_cases import node_case, workspace_of
from tests.support.cases.repair_cases import repair_case
from workbench.circuits.circuit import Circuit
from workbench.discovery.estimates import estimates
from workbench.effects.definitions import METRIC
from workbench.effects.joint import joint_effects
from workbench.effects.map_results import NodeMap
from workbench.effects.node_map import destinations, maps, node_map
from workbench.effects.requests import MapRequest
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError

FAMILIES = ["gpt2", "llama", "gpt_neox", "gemma2"]


def guessed(found: NodeMap) -> NDArray[np.float64]:
    assert found.estimates is not None
    return found.estimates


@pytest.mark.parametrize("family", FAMILIES)
def test_into_the_metric_it_is_activation_patching(family: str) -> None:
    case = node_case(family)
    found = node_map(case.experiment)
    assert found.complete
    n = case.n_pairs
    for i, node in enumerate(case.graph.sources):
        wanted = sum(
            case.effect(g, reference.patched(node)).sum()
            for g, reference in enumerate(case.references)
        )
        assert found.exact[i] == pytest.approx(wanted / n, abs=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ablation", ["patching", "zero"])
def test_into_one_input_it_is_the_edges_effects(family: str, ablation: str) -> None:
    experiment = node_case(family).experiment
    under = experiment.under(ablation)
    evaluator = Evaluator(under, Circuit.empty(under.graph))
    for into in ("logits", "m1", "a2.h1<q>", "a1.h0<v>"):
        found = node_map(experiment, into, ablation=ablation)
        d = found.graph.destination_index(into)
        edges = [found.graph.edge_name(s, d) for s in range(found.graph.n_parents(d))]
        wanted = np.concatenate([values for _, values in edge_effects(evaluator, edges)])
        # Deepest first or not: both come by edge.
        got = dict(zip(found.graph.sources, found.exact, strict=True))
        names = [name for batch, _ in edge_effects(evaluator, edges) for name in batch]
        for name, value in zip(names, wanted, strict=True):
            assert got[name.partition("->")[0]] == pytest.approx(value, abs=1e-5)
        assert np.isnan(found.exact[~found.reaches]).all()
        mine = estimates(under)[: found.graph.n_parents(d), d]
        np.testing.assert_allclose(guessed(found)[found.reaches], mine, atol=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_a_heads_inputs_are_taken_together(family: str) -> None:
    """Against a run of the head's own module on the residual without what the node wrote."""
    case = node_case(family)
    whole = node_map(case.experiment, "a2.h1")
    apart = [node_map(case.experiment, f"a2.h1<{which}>") for which in "qkv"]
    summed = np.sum([part.exact for part in apart], axis=0)
    known = whole.reaches
    assert np.abs(whole.exact[known] - summed[known]).max() > 1e-3, "not the sum of three"
    np.testing.assert_allclose(
        guessed(whole)[known], np.sum([guessed(p) for p in apart], axis=0)[known], atol=1e-5
    )
    # The edits of an evaluator at the whole model say the same.
    from workbench.circuits.circuit import all_edges
    from workbench.engine.evaluator import Edit

    full = Circuit(case.graph, all_edges(case.graph))
    evaluator = Evaluator(case.experiment, full)
    nodes = [name for name, at in zip(case.graph.sources, known, strict=True) if at]
    edits = [Edit(toggle=tuple(f"{node}->a2.h1<{w}>" for w in "qkv")) for node in nodes]
    wanted = evaluator.what_if(edits).mean(axis=1) - case.experiment.clean.metric
    np.testing.assert_allclose(whole.exact[known], wanted, atol=1e-4)


def test_estimates_come_first_and_exact_values_follow() -> None:
    found = list(maps(node_case("gpt2").experiment, MapRequest()))
    assert found[0].n_exact == 0
    assert found[0].estimates is not None
    assert [m.n_exact for m in found] == sorted(m.n_exact for m in found)
    assert found[-1].complete
    assert not np.isnan(found[0].values).any()
    only = node_map(node_case("gpt2").experiment, exact=False)
    np.testing.assert_array_equal(only.values, found[0].values)


def test_estimates_are_those_of_nodes_by_attribution() -> None:
    case = node_case("llama")
    atp = case.found("atp").nodes
    assert atp is not None
    np.testing.assert_allclose(node_map(case.experiment, exact=False).values, atp, atol=1e-4)


def test_cells_and_nodes() -> None:
    found = node_map(node_case("gpt2").experiment)
    grid = found.grid()
    seen = {}
    for row in range(len(found.rows)):
        for column in range(len(found.columns)):
            node = found.node_at(row, column)
            assert (node is None) == bool(np.isnan(grid[row, column]))
            if node is not None:
                seen[node] = grid[row, column]
    assert seen == dict(zip(found.graph.sources, found.values, strict=True))
    assert found.rows[-1] == "input"
    assert found.rows[0] == str(found.graph.n_layers - 1)
    ranked = [abs(value) for _, value in found.ranked()]
    assert ranked == sorted(ranked, reverse=True)


@pytest.mark.parametrize("into", ["input", "a9.h9", "", "m0<q>", "nothing"])
def test_what_reads_nothing_is_refused(into: str) -> None:
    with pytest.raises(WorkbenchError, match="No map can be into"):
        destinations(node_case("gpt2").graph, into)
    assert destinations(node_case("gpt2").graph, METRIC) == ()


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_joint_effects_equal_the_reference(family: str) -> None:
    made = repair_case(family)
    nodes = ("a0.h1", "m1", "a2.h0")
    two = list(combinations(nodes, 2))
    sets = [*((n,) for n in nodes), *two, nodes]
    wanted = dict(zip(sets, made.expected(sets)["metric"], strict=True))
    found = joint_effects(made.nodes.experiment, nodes)
    assert found.alone == pytest.approx([wanted[(n,)] for n in nodes], abs=2e-4)
    for (a, b), (x, y, value) in zip(two, found.interactions, strict=True):
        assert (a, b) == (x, y)
        expected = wanted[(a, b)] - wanted[(a,)] - wanted[(b,)]
        assert value == pytest.approx(expected, abs=4e-4)
    assert found.together == pytest.approx(wanted[nodes], abs=2e-4)
    assert found.beyond == pytest.approx(found.together - sum(found.alone))


@pytest.mark.parametrize("nodes", [["m0"], ["m0", "m0"], [f"a0.h{i}" for i in range(30)]])
def test_a_joint_test_of_too_few_or_many_is_refused(nodes: list[str]) -> None:
    with pytest.raises(WorkbenchError, match="joint test"):
        joint_effects(repair_case("gpt2").nodes.experiment, nodes)


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
def test_the_mean_is_that_of_the_pairs(ablation: str) -> None:
    experiment = node_case("llama").experiment
    for into in (METRIC, "logits"):
        whole = node_map(experiment, into, ablation=ablation)
        pairs = [
            node_map(experiment, into, ablation=ablation, pair=i) for i in range(experiment.n_pairs)
        ]
        np.testing.assert_allclose(whole.exact, np.mean([p.exact for p in pairs], 0), atol=1e-5)
        estimates_of = [guessed(p) for p in pairs]
        np.testing.assert_allclose(guessed(whole), np.mean(estimates_of, 0), atol=1e-5)
    with pytest.raises(WorkbenchError, match="no pair"):
        node_map(experiment, pair=99)


def test_pairs_without_corrupted_prompts_are_not_patched() -> None:
    made = node_case("gpt2")
    groups = tuple(replace(g, corrupted=g.clean) for g in made.groups)
    experiment = workspace_of(made.experiment.model, groups, ablation="zero")
    assert node_map(experiment, exact=False).ablation == "zero"
    for asked in ({"ablation": "patching"}, {"run": "corrupted"}):
        with pytest.raises(WorkbenchError, match="no corrupted prompt"):
            node_map(experiment, **asked)  # type: ignore[arg-type]
