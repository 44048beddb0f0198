"""Circuits with narrowed MLPs, and neurons' effects, against hooks on plain transformers models."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.cases.engine_cases import (
    Case,
    in_float64,
    random_circuit,
    some_edges,
    stand_in,
)
from tests.support.cases.family_cases import usual_case
from tests.support.references.narrowed import NarrowedReference
from tests.support.references.node import NodeReference
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.narrowed import all_neurons
from workbench.engine.neuron_patching import NeuronPatching, neuron_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Evaluation, Experiment
from workbench.readouts.circuit_runs import CircuitRuns

pytestmark = pytest.mark.dependencies

FAMILIES = (
    *("gpt2", "llama", "gemma2", "gpt_neox", "olmo2", "phi3", "granite", "gptj"),
    *("qwen3", "opt", "phi"),
)
families = pytest.mark.parametrize("name", FAMILIES)


@cache
def references(name: str) -> list[NarrowedReference]:
    c = usual_case(name)
    return [
        NarrowedReference(in_float64(c.model.hf), group.clean, group.corrupted)
        for group in c.experiment.batch.groups
    ]


def assert_close(actual: Any, expected: Any, atol: float = 3e-5) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def some_neurons(c: Case, seed: int, share: float = 0.4) -> dict[str, tuple[int, ...]]:
    random = np.random.default_rng(seed)
    found = {}
    for layer in range(c.graph.n_layers):
        width = len(all_neurons(c.experiment.parts, layer))
        if layer != 1:  # which stays whole
            kept = np.flatnonzero(random.random(width) < share)
            found[f"m{layer}"] = tuple(int(n) for n in kept)
    return found


def expected(c: Case, name: str, circuit: Circuit) -> Any:
    kept = {int(mlp[1:]): numbers for mlp, numbers in circuit.neurons.items()}
    edges = set(circuit.edges())
    return c.metric([r.narrowed(edges, circuit.open, kept) for r in references(name)])


@families
@pytest.mark.parametrize(("density", "share_open"), [(0.7, 0.0), (0.6, 0.25), (1.0, 0.0)])
def test_a_narrowed_circuit_equals_the_reference(
    name: str, density: float, share_open: float
) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, density, seed=11, share_open=share_open)
    whole = Evaluator(c.experiment, circuit).value().per_pair
    circuit.neurons = some_neurons(c, 5)
    value = Evaluator(c.experiment, circuit).value().per_pair
    assert_close(value, expected(c, name, circuit))
    moved = np.abs(np.subtract(value, whole)).max()
    assert share_open or moved > 1e-3, "the neurons have to matter"


@families
def test_edits_of_a_narrowed_circuit_equal_the_reference(name: str) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.6, seed=2, share_open=0.15)
    circuit.neurons = some_neurons(c, 6)
    evaluator = Evaluator(c.experiment, circuit)
    kept, edge = circuit.neurons["m0"], some_edges(c.graph, 1, seed=4, without=circuit.open)[0]
    edits = [
        Edit(neurons=(f"m0.n{kept[0]}",)),
        Edit(neurons=("m1.n3", "m1.n0")),
        Edit(toggle=(edge,), neurons=(f"m2.n{circuit.neurons['m2'][-1]}",)),
        Edit(toggle=(edge,)),
    ]
    found = evaluator.what_if(edits)
    for edit, values in zip(edits, found, strict=True):
        after = evaluator.edited(edit)
        assert_close(values, expected(c, name, after))
        assert_close(Evaluator(c.experiment, after).value().per_pair, values)
        before = evaluator.circuit
        assert_close(evaluator.commit(edit).per_pair, values)
        evaluator.become(before)
    assert_close(evaluator.value().per_pair, expected(c, name, circuit))


@families
def test_all_neurons_change_nothing_and_none_is_the_corrupted_mlp(name: str) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.5, seed=8)
    whole = Evaluator(c.experiment, circuit).value().per_pair
    circuit.neurons = {"m1": tuple(all_neurons(c.experiment.parts, 1))}
    assert Evaluator(c.experiment, circuit).value().per_pair == whole
    circuit.neurons = {"m1": ()}
    value = Evaluator(c.experiment, circuit).value().per_pair
    without = circuit.copy()
    without.neurons = {}
    without.mask[c.graph.mlp_source(1)] = False
    assert_close(value, Evaluator(c.experiment, without).value().per_pair)


@families
def test_neurons_corrupted_in_the_model_equal_the_reference(name: str) -> None:
    c = usual_case(name)
    nodes = [
        NodeReference(c.model.hf, group.clean, group.corrupted)
        for group in c.experiment.batch.groups
    ]
    for layer in range(c.graph.n_layers):
        sets = [(0,), (5,), (1, 4, 7)]
        found = NeuronPatching(c.experiment, layer).effects(sets)
        singly = NeuronPatching(c.experiment, layer).effects([(0,), (5,)])
        assert_close(found[:2], singly)
        for chosen, values in zip(sets, found, strict=True):
            logits = []
            for reference in nodes:

                def patch(seen: str, x: Any, own: NodeReference = reference) -> Any:
                    if seen != f"m{layer}.neurons":  # noqa: B023
                        return x
                    x = x.clone()
                    x[..., list(chosen)] = own.corrupted_values[seen][..., list(chosen)]  # noqa: B023
                    return x

                with torch.no_grad():
                    logits.append(reference.run(patch))
            clean = c.metric([reference.clean_logits for reference in nodes])
            assert_close(values, c.metric(logits) - clean)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt_neox"])
def test_the_settings_of_a_neurons_effect(name: str) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, 0.6, seed=3)
    circuit.neurons = some_neurons(c, 7)
    evaluator = Evaluator(c.experiment, circuit)
    for layer in (0, 1):
        chosen = [0, 3, 9]
        ((_, within),) = neuron_effects(evaluator, layer, chosen, "within")
        for n, value in zip(chosen, within, strict=True):
            kept = circuit.neurons.get(f"m{layer}")
            after = expected(c, name, evaluator.edited(Edit(neurons=(f"m{layer}.n{n}",)))).mean()
            sign = 1 if kept is None or n in kept else -1
            here = expected(c, name, circuit).mean()
            assert value.mean() == pytest.approx(sign * (after - here), abs=3e-5)
    full = Evaluator(c.experiment, Circuit.full(c.graph))
    for layer in range(c.graph.n_layers):
        ((_, along),) = neuron_effects(full, layer, [2, 6], "along")
        ((_, anywhere),) = neuron_effects(full, layer, [2, 6], "full")
        assert_close(along, anywhere)


def test_experts_and_numbers_that_are_too_high_are_refused() -> None:
    c = usual_case("mixtral")
    circuit = Circuit.full(c.graph)
    circuit.neurons = {"m0": (1,)}
    with pytest.raises(WorkbenchError, match="layer of experts"):
        Evaluator(c.experiment, circuit)
    c = usual_case("llama")
    circuit = Circuit.full(c.graph)
    circuit.neurons = {"m0": (1, 400)}
    with pytest.raises(WorkbenchError, match="no neuron 400"):
        Evaluator(c.experiment, circuit)
    with pytest.raises(WorkbenchError, match="no neuron 400"):
        Evaluator(c.experiment, Circuit.full(c.graph)).what_if([Edit(neurons=("m0.n400",))])


def constant_neurons(c: Case, name: str, ablation: str, layer: int) -> list[torch.Tensor]:
    """What stands in for a layer's neurons, [pair, position, neuron] of each group, by hooks."""
    groups = c.experiment.batch.groups
    seen = []
    for group in groups:
        reference = NodeReference(c.model.hf, group.clean, group.corrupted)
        x = reference.values[f"m{layer}.neurons"]
        seen.append(x.reshape(*group.clean.shape, x.shape[-1]))
    tokens = [group.clean for group in groups]
    return [
        stand_in(ablation, own_tokens, own, tokens, seen)
        for own_tokens, own in zip(tokens, seen, strict=True)
    ]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "opt"])
@pytest.mark.parametrize("ablation", ["zero", "mean", "positional-mean", "context-mean"])
def test_neurons_that_are_not_kept_carry_their_own_constants(name: str, ablation: str) -> None:
    """Of one narrowed MLP in the whole model, by a hook on the last map's input."""
    c = usual_case(name)
    experiment = Experiment(c.model, c.experiment.batch, ablation=ablation)
    kept = [1, 4, 9]
    circuit = Circuit.full(c.graph)
    circuit.neurons = {"m1": tuple(kept)}
    value = Evaluator(experiment, circuit).value().per_pair
    logits = []
    for group, constant in zip(
        c.experiment.batch.groups, constant_neurons(c, name, ablation, 1), strict=True
    ):
        reference = NodeReference(c.model.hf, group.clean, group.corrupted)

        def mix(seen: str, x: Any, constant: torch.Tensor = constant) -> Any:
            if seen != "m1.neurons":
                return x
            mixed = constant.reshape(x.shape).to(x.dtype).clone()
            mixed[..., kept] = x[..., kept]
            return mixed

        with torch.no_grad():
            logits.append(reference.run(mix))
    assert_close(value, c.metric(logits), atol=1e-4)
    if ablation != "context-mean":  # where every token stands once, and is its own mean
        assert np.abs(np.subtract(value, experiment.clean.per_pair)).max() > 1e-3
    (batch,) = neuron_effects(Evaluator(experiment, circuit), 1, [2], "full")
    assert batch[1].shape == (1, experiment.n_pairs)


def test_a_narrowed_circuit_is_read_and_gone_on_with_as_it_is() -> None:
    c = usual_case("llama")
    circuit = random_circuit(c.graph, 0.6, seed=3)
    circuit.neurons = some_neurons(c, 7)
    value = Evaluator(c.experiment, circuit).value().per_pair
    runs = CircuitRuns(c.experiment, circuit)
    finals = [
        torch.cat([piece.written.final[:, -1] for piece in runs.of(i, slice(0, len(g.indices)))])
        for i, g in enumerate(c.experiment.batch.groups)
    ]
    assert_close(Evaluation(c.experiment, finals).per_pair, value)
    assert len(Evaluator(c.experiment, circuit).circuit.neurons) == 2
