"""Circuits with edges at roles, against the model's own modules and hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.support.cases.batches import ROLES
from tests.support.cases.engine_cases import random_circuit
from tests.support.cases.family_cases import usual_case
from tests.support.references.by_role import by_role, circuit_with, mixed
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError

FAMILIES = (
    *("gpt2", "llama", "gpt_neox", "gemma2", "mistral", "phi", "qwen3", "olmo2", "mixtral"),
    "deepseek_v2",
)
families = pytest.mark.parametrize("family", FAMILIES)


def assert_close(actual: Any, expected: Any, atol: float = 3e-5) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


@families
def test_circuits_by_role_equal_the_reference(family: str) -> None:
    reference = by_role(family)
    c = reference.case
    for seed, density, share_open in ((0, 0.3, 0.0), (1, 0.7, 0.0), (2, 0.2, 0.3), (3, 0.05, 0.1)):
        circuit = mixed(c.graph, seed, density, share_open)
        assert circuit.at
        assert_close(Evaluator(c.experiment, circuit).value().per_pair, reference.metric(circuit))


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_neox", "gpt2", "opt"])
def test_constants_stand_wherever_nothing_clean_reaches(family: str, ablation: str) -> None:
    reference = by_role(family, ablation)
    c = reference.case
    for seed in range(2):
        circuit = mixed(c.graph, seed, 0.2)
        evaluator = Evaluator(c.experiment, circuit)
        expected = reference.metric(circuit, constants=True)
        assert_close(evaluator.value().per_pair, expected, 2e-4)
        names = edits_of(circuit, 4, seed)
        edits = [Edit(toggle=(name,)) for name in names]
        for name, values in zip(names, evaluator.what_if(edits), strict=True):
            after = circuit.copy()
            after.toggle(name)
            assert_close(values, reference.metric(after, constants=True), 2e-4)


def edits_of(circuit: Circuit, n: int, seed: int) -> list[str]:
    """Random edges, most of them at a role, half of them kept ones."""
    rng = np.random.default_rng(seed)
    graph = circuit.graph
    opened = circuit.open
    every = [e for e in graph.edges() if e.partition("->")[2] not in opened]
    kept = rng.choice(circuit.edges(), n // 2, replace=False).tolist()
    others = rng.choice(every, n - n // 2, replace=False).tolist()
    roles = rng.choice(["", *ROLES], n, p=[0.1] + [0.9 / len(ROLES)] * len(ROLES)).tolist()
    return [f"{e}@{r}" if r else e for e, r in zip([*kept, *others], roles, strict=True)]


@families
def test_what_if_equals_the_reference_and_the_committed_edit(family: str) -> None:
    reference = by_role(family)
    c = reference.case
    circuit = mixed(c.graph, 5, 0.25, 0.1)
    evaluator = Evaluator(c.experiment, circuit)
    names = edits_of(circuit, 8, 5)
    several = Edit(toggle=tuple(dict.fromkeys(names[:3])))
    edits = [*(Edit(toggle=(name,)) for name in names), several]
    before = np.array(evaluator.value().per_pair)
    for edit, values in zip(edits, evaluator.what_if(edits), strict=True):
        after = circuit.copy()
        after.at = after.at.named(ROLES)
        for name in edit.toggle:
            after.toggle(name)
        assert_close(values, reference.metric(after))
        assert_close(evaluator.commit(edit).per_pair, values, 2e-5)
        assert evaluator.circuit == after
        assert_close(evaluator.become(circuit).per_pair, before, 2e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama", "olmo2"])
@pytest.mark.parametrize("setting", ["full", "along", "within"])
def test_effects_of_edges_at_roles_equal_the_reference(family: str, setting: str) -> None:
    reference = by_role(family)
    c = reference.case
    circuit = mixed(c.graph, 6, 0.4)
    evaluator = Evaluator(c.experiment, circuit)
    names = [name for name in edits_of(circuit, 8, 7) if "@" in name]
    found = [
        pair
        for batch in edge_effects(evaluator, names, setting)
        for pair in zip(*batch, strict=True)
    ]
    assert [name for name, _ in found] == names
    clean = c.experiment.clean.metric
    for name, effect in found:
        edge, _, role = name.partition("@")
        if setting == "along":
            assert effect == pytest.approx(
                reference.along(circuit, edge, role).mean() - clean, abs=3e-5
            )
            continue
        base = Circuit.full(c.graph) if setting == "full" else circuit.copy()
        base.at = base.at.named(ROLES)
        if not base.has(name):
            base.toggle(name)
        without = base.copy()
        without.toggle(name)
        difference = reference.metric(without).mean() - reference.metric(base).mean()
        assert effect == pytest.approx(difference, abs=3e-5)


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_a_node_that_is_needed_where_it_is_dead_writes_its_constant_there(family: str) -> None:
    """At the last position, which the logits read, nothing clean reaches the MLP or the head."""
    reference = by_role(family, "zero")
    c = reference.case
    early = [f"{edge}@{role}" for edge in ("input->m0", "input->a1.h0<q>") for role in ROLES[:-1]]
    others = ["m0->logits", "a1.h0->logits", "input->m1", "m1->logits"]
    circuit = circuit_with(c.graph, [*early, *others])
    evaluator = Evaluator(c.experiment, circuit)
    expected = reference.metric(circuit, constants=True)
    assert_close(evaluator.value().per_pair, expected, 2e-4)
    # As an alternative it is computed anew, and stays dead there.
    names = ["input->m0@A", "input->a1.h0<q>@B", "m0->a1.h0<v>@C", "input->m0@END"]
    for name, values in zip(
        names, evaluator.what_if([Edit(toggle=(name,)) for name in names]), strict=True
    ):
        after = circuit.copy()
        after.toggle(name)
        assert_close(values, reference.metric(after, constants=True), 2e-4)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_the_models_own_layers_are_run_only_where_every_edge_is_whole(family: str) -> None:
    reference = by_role(family)
    c = reference.case
    circuit = Circuit.full(c.graph)
    circuit.at = EdgeRoles(ROLES)
    for name in ("m0->logits@END", "m0->a1.h0<v>@A"):
        circuit.toggle(name)
    evaluator = Evaluator(c.experiment, circuit)
    names = ["input->a0.h0<v>", "input->m0@B"]
    for name, values in zip(
        names, evaluator.what_if([Edit(toggle=(name,)) for name in names]), strict=True
    ):
        after = circuit.copy()
        after.toggle(name)
        assert_close(values, reference.metric(after))


def test_into_an_open_destination_an_edge_at_a_role_counts_as_kept() -> None:
    reference = by_role("llama")
    c = reference.case
    circuit = mixed(c.graph, 11, 0.4)
    destination = "a0.h2<v>"
    column = c.graph.destination_index(destination)
    circuit.mask[:, column] = False
    circuit.at = circuit.at.only(e for e in circuit.at.kept if not e.endswith(destination))
    circuit.open = frozenset([destination])
    evaluator = Evaluator(c.experiment, circuit)
    edge, role = f"input->{destination}", "B"
    ((_, effects),) = edge_effects(evaluator, [f"{edge}@{role}"], "within")
    closed = circuit.copy()
    closed.open = frozenset()
    closed.mask[: c.graph.n_parents(column), column] = True
    whole = reference.metric(closed).mean()
    # Open, it reads the clean residual, whatever its sources write in the circuit.
    assert evaluator.value().metric == pytest.approx(reference.metric(circuit).mean(), abs=3e-5)
    closed.toggle(f"{edge}@{role}")
    without = reference.metric(closed).mean()
    assert effects[0] == pytest.approx(without - evaluator.value().metric, abs=3e-5)
    assert abs(whole - without) > 1e-4, "the role has to matter"


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_all_roles_of_every_edge_are_the_circuit_itself(family: str) -> None:
    c = usual_case(family)
    circuit = random_circuit(c.graph, 0.3, 1, 0.1)
    whole = Evaluator(c.experiment, circuit)
    by_parts = Evaluator(c.experiment, mixed(c.graph, 8, 0.3))
    by_parts.become(circuit)
    assert_close(by_parts.value().per_pair, whole.value().per_pair, 1e-6)
    edge = circuit.edges()[0]
    parts = Edit(toggle=tuple(f"{edge}@{role}" for role in ROLES))
    one, other = whole.what_if([Edit(toggle=(edge,)), parts])
    assert_close(one, other, 1e-6)


def test_random_edits_leave_what_a_fresh_evaluation_gives() -> None:
    c = usual_case("llama")
    circuit = mixed(c.graph, 9, 0.2, 0.05)
    evaluator = Evaluator(c.experiment, circuit)
    done = []
    for step in range(40):
        name = edits_of(evaluator.circuit, 2, step)[step % 2]
        evaluator.commit(Edit(toggle=(name,)))
        done.append(name)
        if step % 8 == 7:
            fresh = Evaluator(c.experiment, evaluator.circuit).value().per_pair
            assert_close(evaluator.value().per_pair, fresh, 1e-5)
    for name in reversed(done):
        evaluator.commit(Edit(toggle=(name,)))
    assert evaluator.circuit == circuit
    assert_close(
        evaluator.value().per_pair, Evaluator(c.experiment, circuit).value().per_pair, 1e-5
    )


def test_a_role_that_cannot_reach_the_last_position_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = usual_case("gpt2")
    evaluator = Evaluator(c.experiment, Circuit.empty(c.graph))
    before = evaluator.value().per_pair
    layer = type(c.experiment.parts.layers[0])

    def never(*_: Any) -> Tensor:
        raise AssertionError("an MLP was run")

    monkeypatch.setattr(layer, "run_mlp", never)
    # At a role of earlier positions an MLP's output goes nowhere if the logits alone read it.
    evaluator.commit(Edit(toggle=("input->m0@A", "m0->logits@A")))
    assert evaluator.value().per_pair == before


def test_a_role_that_no_pair_has_is_refused() -> None:
    c = usual_case("gpt2")
    circuit = Circuit.empty(c.graph)
    circuit.at = EdgeRoles(("X", "Y"))
    circuit.toggle("input->m0@X")
    with pytest.raises(WorkbenchError, match=r"cannot be at 'X': no pair has it; there are A, B"):
        Evaluator(c.experiment, circuit)
    evaluator = Evaluator(c.experiment, Circuit.empty(c.graph))
    with pytest.raises(WorkbenchError, match="no pair has it"):
        evaluator.what_if([Edit(toggle=("input->m0@X",))])
    with pytest.raises(WorkbenchError, match="no pair has it"):
        list(edge_effects(evaluator, ["input->m0@X"]))
