"""Cells of which single rows are computed: whatever is done before, they are those of a new run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.support.cases.batches import ROLES
from tests.support.references.by_role import by_role, circuit_with, mixed
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.role_run import RoleRun
from workbench.experiment.experiment import Experiment


def close(actual: Any, expected: Any, atol: float = 3e-5) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def some_edit(circuit: Circuit, rng: np.random.Generator) -> Edit:
    """One to three edges, most of them at a role; or a destination opened or closed."""
    graph = circuit.graph
    if rng.random() < 0.25:
        name = str(rng.choice(graph.destinations[:-1]))
        if name not in circuit.open:
            return Edit(open=(name,))
        source = graph.sources[rng.integers(graph.n_parents(graph.destination_index(name)))]
        return Edit(close=(name,), toggle=(f"{source}->{name}@{rng.choice(ROLES)}",))
    edges = circuit.edges() if rng.random() < 0.5 and circuit.n_edges else list(graph.edges())
    edges = [edge for edge in edges if edge.partition("->")[2] not in circuit.open]
    chosen = rng.choice(edges, min(len(edges), int(rng.integers(1, 4))), replace=False).tolist()
    return Edit(
        toggle=tuple(e if rng.random() < 0.2 else f"{e}@{rng.choice(ROLES)}" for e in chosen)
    )


@pytest.mark.parametrize(
    ("family", "ablation"),
    [("gpt2", "patching"), ("gemma2", "patching"), ("olmo2", "zero"), ("gpt_neox", "mean")],
)
def test_any_edits_leave_what_a_fresh_evaluation_and_the_reference_give(
    family: str, ablation: str
) -> None:
    reference = by_role(family, ablation)
    c = reference.case
    constants, atol = ablation != "patching", 3e-5 if ablation == "patching" else 2e-4
    rng = np.random.default_rng(0)
    # Whole edges first: cells are told apart by roles later.
    evaluator = Evaluator(c.experiment, Circuit.empty(c.graph))
    evaluator.commit(Edit(toggle=tuple(rng.choice(list(c.graph.edges()), 40, replace=False))))
    for step in range(24):
        edit = some_edit(evaluator.circuit, rng)
        (expected,) = evaluator.what_if([edit])
        close(evaluator.commit(edit).per_pair, expected, atol)
        if step % 8 == 7:
            circuit = evaluator.circuit
            close(evaluator.value().per_pair, Evaluator(c.experiment, circuit).value().per_pair)
            close(evaluator.value().per_pair, reference.metric(circuit, constants=constants), atol)


def test_where_a_source_no_longer_reaches_it_adds_nothing() -> None:
    """What is read stays, and what it came from goes, at one role."""
    reference = by_role("llama")
    c = reference.case
    names = [f"{edge}@{role}" for edge in ("input->m0", "m0->m1", "m0->a1.h0<v>") for role in "AB"]
    later = ["m1->logits", "a1.h0->logits", "m0->a2.h1<k>", "m1->a2.h1<v>", "a2.h1->logits"]
    circuit = circuit_with(c.graph, [*names, *later])
    evaluator = Evaluator(c.experiment, circuit)
    before = evaluator.value().per_pair
    for name in ("input->m0@A", "input->m0@B"):
        found = evaluator.commit(Edit(toggle=(name,)))
        close(found.per_pair, reference.metric(evaluator.circuit))
    close(found.per_pair, c.experiment.corrupted.per_pair)
    close(evaluator.become(circuit).per_pair, before)
    # Both at once: the edge that is dropped is one whose source adds nothing any more.
    both = Edit(toggle=("input->m0@A", "m0->m1@A"))
    found = evaluator.commit(both)
    close(found.per_pair, reference.metric(evaluator.circuit))
    assert np.abs(np.subtract(found.per_pair, before)).max() > 1e-3
    close(evaluator.commit(both).per_pair, before)


def computed(monkeypatch: pytest.MonkeyPatch, experiment: Experiment) -> list[int]:
    """How many rows of the residual each MLP is run on from now on."""
    layer = type(experiment.parts.layers[0])
    run, rows = layer.run_mlp, list[int]()

    def counted(self: Any, residual: Tensor) -> Tensor:
        rows.append(residual[..., 0].numel())
        return run(self, residual)

    monkeypatch.setattr(layer, "run_mlp", counted)
    return rows


def test_an_edit_at_a_role_computes_the_rows_of_that_role_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = by_role("llama").case
    circuit = circuit_with(c.graph, ["input->m0", "m0->m1", "m1->m2", "m2->logits"])
    for edge in ("m0->a2.h0<k>", "a1.h0->a2.h0<v>", "m1->a2.h0<v>", "a2.h0->logits"):
        circuit.toggle(edge)
    evaluator = Evaluator(c.experiment, circuit)
    rows = computed(monkeypatch, c.experiment)
    roles, place = c.experiment.batch.roles, ROLES.index("B")
    differing = [
        (sheet.recording.start, group)
        for sheet, group in zip(evaluator.sheets, c.experiment.batch.groups, strict=True)
    ]
    expected = sum(
        roles.of_pairs[i][start:].count(place) for start, group in differing for i in group.indices
    )
    assert expected
    evaluator.commit(Edit(toggle=("input->m0@B",)))
    assert not rows, "nothing clean reaches what is there"
    evaluator.commit(Edit(toggle=("input->m0@B",)))
    # m0 and m1 at B; m2 is read at the last position alone, which is no B.
    assert sum(rows) == 2 * expected
    rows.clear()
    evaluator.commit(Edit(toggle=("m1->m2@B",)))
    assert not rows, "nothing reads m2 at B"


def test_an_edge_that_carries_nothing_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    c = by_role("llama").case
    circuit = mixed(c.graph, 1, 0.3)
    for edge in [edge for edge in circuit.edges() if edge.endswith("->m0")]:
        circuit.toggle(edge)
    evaluator = Evaluator(c.experiment, circuit)
    before = evaluator.value().per_pair

    def never(*_: Any) -> Tensor:
        raise AssertionError("something was computed")

    for name in ("_values", "_mlp_out", "_fill"):
        monkeypatch.setattr(RoleRun, name, never)
    for role in ROLES:
        name = f"m0->m2@{role}"
        assert evaluator.commit(Edit(toggle=(name,))).per_pair == before
