"""Every family against transformers itself and against the reference on its modules' hooks."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases.engine_cases import ablated, expected_effect, random_circuit, some_edges
from tests.support.cases.family_cases import (
    CASES,
    MAKERS,
    ONE_OF_EACH,
    family_case,
    usual_case,
)
from tests.support.references import family
from tests.support.rounding import Rounding
from workbench.discovery.estimates import estimates
from workbench.engine.effect_settings import SETTINGS
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.models.model import Model
from workbench.transformer.forward import unembed

pytestmark = [pytest.mark.dependencies, pytest.mark.slow]

cases = pytest.mark.parametrize("name", CASES)
one_of_each = pytest.mark.parametrize("name", ONE_OF_EACH)
DENSITIES = [(name, (0.1, 0.7)[n % 2]) for n, name in enumerate(CASES)]
CONSTANTS = ("zero", "mean", "positional-mean", "context-mean")
NORMED = ("cohere", "gemma2", "granite", "olmo2", "phi3", "qwen3_moe", "smollm3")


def but_one(names: Sequence[str], of: Sequence[str]) -> list[tuple[str, str]]:
    """Every name with all values but one, each time another."""
    n = len(of)
    return [(name, of[k]) for i, name in enumerate(names) for k in range(n) if k != i % n]


def assert_close(actual: Any, expected: Any, atol: float = 3e-5) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@cases
def test_both_runs_are_the_models(name: str) -> None:
    c = usual_case(name)
    parts = c.model.parts
    for group, recording in zip(c.experiment.batch.groups, c.experiment.recordings, strict=True):
        with torch.no_grad():
            clean, corrupted = (
                c.model.hf(tokens, use_cache=False).logits
                for tokens in (group.clean, group.corrupted)
            )
            ours = unembed(parts, recording.whole.final)
            torch.testing.assert_close(ours, clean, rtol=0, atol=3e-5)
            ours = unembed(parts, recording.corrupted.final)
            torch.testing.assert_close(ours, corrupted[:, recording.start :], rtol=0, atol=3e-5)
    moved = np.subtract(c.experiment.clean.per_pair, c.experiment.corrupted.per_pair)
    assert abs(moved).max() > 0.05, "the case has to tell the runs apart"


@pytest.mark.parametrize(("name", "density"), DENSITIES)
def test_circuits_equal_the_reference(name: str, density: float) -> None:
    c = usual_case(name)
    for share_open in (0.0, 0.25):
        circuit = random_circuit(c.graph, density, seed=int(100 * density), share_open=share_open)
        value = Evaluator(c.experiment, circuit).value()
        expected = c.circuit_metric(set(circuit.edges()), circuit.open)
        assert_close(value.per_pair, expected)


@one_of_each
def test_what_if_and_commit_equal_the_reference(name: str) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.4, seed=3, share_open=0.15)
    edges = some_edges(c.graph, 3, seed=4, without=circuit.open)
    kept = set(circuit.edges())
    edits = [*(Edit(toggle=(e,)) for e in edges), Edit(toggle=tuple(edges))]
    evaluator = Evaluator(c.experiment, circuit)
    for edit, metric in zip(edits, evaluator.what_if(edits), strict=True):
        expected = c.circuit_metric(kept ^ set(edit.toggle), circuit.open)
        assert_close(metric, expected)
    assert_close(evaluator.commit(edits[-1]).per_pair, expected)


@pytest.mark.parametrize(("name", "setting"), but_one(ONE_OF_EACH, tuple(SETTINGS)))
def test_effects_equal_the_reference(name: str, setting: str) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.3, seed=9)
    edges = some_edges(c.graph, 2, seed=10)
    found: dict[str, float] = {}
    for names, effects in edge_effects(Evaluator(c.experiment, circuit), edges, setting):
        found.update(zip(names, effects, strict=True))
    assert_close(
        [found[e] for e in edges], [expected_effect(c, circuit, e, setting) for e in edges]
    )


@one_of_each
def test_eap_is_the_slope_of_the_reference(name: str) -> None:
    """Central differences: corrupt an edge by a small share, and see what the metric does."""
    c = usual_case(name)
    scores, share = estimates(c.experiment), 0.01
    for edge in some_edges(c.graph, 2, seed=12):
        slopes = [
            (reference.nudged(edge, share) - reference.nudged(edge, -share)) / (2 * share)
            for reference in c.references
        ]
        expected = float(c.metric(slopes).mean())
        found = scores[c.graph.parse_edge(edge)]
        assert found == pytest.approx(expected, rel=0.03, abs=3e-3)


prompts = st.tuples(st.integers(2, 11), st.integers(0, 10)).filter(lambda p: p[1] < p[0])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(CASES),
    prompt=prompts,
    density=st.sampled_from([0.05, 0.3, 0.8, 1.0]),
    share_open=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 10**6),
)
def test_any_circuit_of_any_family_on_any_prompts(
    name: str, prompt: tuple[int, int], density: float, share_open: float, seed: int
) -> None:
    length, start = prompt
    c = family_case(name, seed, (((1, 0), length, start),))
    circuit = random_circuit(c.graph, density, seed, share_open)
    evaluator = Evaluator(c.experiment, circuit)
    kept = set(circuit.edges())
    assert_close(evaluator.value().per_pair, c.circuit_metric(kept, circuit.open), 5e-5)
    (edge,) = some_edges(c.graph, 1, seed, without=circuit.open)
    (metric,) = evaluator.what_if([Edit(toggle=(edge,))])
    assert_close(metric, c.circuit_metric(kept ^ {edge}, circuit.open), 5e-5)


@cases
def test_short_numbers_are_within_their_tolerance(name: str) -> None:
    model = Model.from_hf(*MAKERS[name](), name=name, dtype="bfloat16")
    assert model.info.dtype == "bfloat16"
    assert model.info.check_difference < model.check.tolerance


@pytest.mark.parametrize(("name", "ablation"), but_one(NORMED, CONSTANTS))
def test_circuits_with_constants_outside(name: str, ablation: str) -> None:
    """Where something clean reaches every node of the circuit, the reference says it the same."""
    c = usual_case(name)
    constant = ablated(c, ablation)
    circuit = random_circuit(c.graph, 0.5, seed=6).pruned()
    value = Evaluator(constant.experiment, circuit).value()
    kept = set(circuit.edges())
    allowed = Rounding(c, ablation).allowed(kept)
    assert_close(value.per_pair, constant.circuit_metric(kept), allowed)


def test_the_reference_is_not_the_engine() -> None:
    """It imports nothing of it, and tells circuits apart that differ in one edge."""
    assert "workbench" not in {name.split(".")[0] for name in _imported(family)}
    c = usual_case("llama")
    reference = c.references[0]
    logits = reference.circuit(set(c.graph.edges()) - {"input->a1.h0<v>"})
    assert (logits - reference.clean_logits).abs().max() > 1e-3


def _imported(module: ModuleType) -> list[str]:
    tree = ast.parse(inspect.getsource(module))
    froms = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    plain = [n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names]
    return [*froms, *plain]
