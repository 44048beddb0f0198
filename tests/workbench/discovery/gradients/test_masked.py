"""Masked runs against the reference on the model's own modules, and their gradient against float64
differences, the evaluator and EAP.
"""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.batches import ROLES
from tests.support.cases.engine_cases import ablated_case, case, random_circuit
from tests.support.cases.family_cases import ONE_OF_EACH, usual_case
from tests.support.references.by_role import by_role, mixed
from tests.support.references.family import FamilyReference
from tests.support.tiny_families import MAKERS
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.discovery.estimates import eap
from workbench.discovery.gradients.masked_run import MaskedRun
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import as_bits, kept_edges, role_arrays
from workbench.experiment.experiment import Experiment
from workbench.transformer.families import parts_of
from workbench.transformer.recording import of_pairs, record

# Plain, grouped and parallel, capped with norms after the heads, a norm over all heads' queries,
# experts.
SOME = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")


def random_mask(graph: Graph, seed: int, shut: float = 0.0) -> Tensor:
    """Every edge a number in [0, 1], some of them zero."""
    rng = np.random.default_rng(seed)
    shape = (graph.n_sources, graph.n_destinations)
    mask = all_edges(graph) * rng.random(shape) * (rng.random(shape) >= shut)
    return torch.from_numpy(mask)


def per_pair(experiment: Experiment, mask: Tensor) -> np.ndarray:
    finals = [MaskedRun(experiment.graph, r, mask).final for r in experiment.recordings]
    metrics = experiment.metrics
    return experiment.in_order(
        [m.of_residual(f[:, None])[:, 0] for m, f in zip(metrics, finals, strict=True)]
    )


# Each family with nothing or everything, and with something.
DENSITIES = [
    (name, d) for n, name in enumerate(ONE_OF_EACH) for d in ((0.0, 0.7), (0.2, 1.0))[n % 2]
]


@pytest.mark.parametrize(("name", "density"), DENSITIES)
def test_zeros_and_ones_are_a_circuit(name: str, density: float) -> None:
    c = usual_case(name)
    circuit = random_circuit(c.graph, density, seed=int(10 * density))
    value = per_pair(c.experiment, torch.from_numpy(circuit.mask))
    np.testing.assert_allclose(value, Evaluator(c.experiment, circuit).value().per_pair, atol=5e-5)
    if density in (0.0, 1.0):
        run = c.experiment.clean if density else c.experiment.corrupted
        np.testing.assert_allclose(value, run.per_pair, atol=5e-5)


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_what_nothing_clean_reaches_writes_its_constant(ablation: str) -> None:
    c = ablated_case("gpt2", ablation)
    circuit = random_circuit(c.graph, 0.15, seed=2)
    expected = Evaluator(c.experiment, circuit).value().per_pair
    value = per_pair(c.experiment, torch.from_numpy(circuit.mask))
    np.testing.assert_allclose(value, expected, atol=3e-4)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("shut", [0.0, 0.8])
def test_real_masks_equal_the_reference(name: str, shut: float) -> None:
    c = usual_case(name)
    mask = random_mask(c.graph, 4, shut)
    logits = []
    for reference in cast(list[FamilyReference], c.references):

        def choose(
            destination: str,
            source: str,
            writes: dict[str, Tensor],
            other: FamilyReference = reference,
        ) -> Tensor:
            share = mask[c.graph.source_index(source), c.graph.destination_index(destination)]
            corrupted = other.corrupted_writes[source]
            return corrupted + share.float() * (writes[source] - corrupted)

        logits.append(reference._run(reference.clean, choose, {}))
    expected = c.metric(logits)
    np.testing.assert_allclose(per_pair(c.experiment, mask), expected, atol=5e-5)


@pytest.mark.parametrize("name", SOME[:-1])  # experts do not compute in float64
def test_the_gradient_is_that_of_float64_differences(name: str) -> None:
    parts = parts_of(copy.deepcopy(MAKERS[name]()[0]).double())
    group = usual_case(name).experiment.batch.groups[0]
    recording = record(parts, group.clean, group.corrupted, group.first_difference)
    graph = parts.graph()
    mask = random_mask(graph, 5, shut=0.3)
    run = MaskedRun(graph, recording, mask)
    weights = torch.randn(run.final.shape, generator=torch.Generator().manual_seed(1)).double()
    gradient = run.gradient(weights)
    largest = float(gradient.abs().max())
    # Norms by the root mean square compute in float32 whatever they are given.
    step, noise = (1e-4, 1e-6) if name in ("gpt2", "gpt_neox") else (2e-2, 1e-3)

    def value(s: int, d: int, change: float) -> float:
        nudged = mask.clone()
        nudged[s, d] += change
        return float((MaskedRun(graph, recording, nudged).final * weights).sum())

    open_edges = np.argwhere(mask.numpy() > 0)
    for s, d in np.random.default_rng(3).choice(open_edges, 12, replace=False):
        near, far = (value(s, d, h) - value(s, d, -h) for h in (step, 2 * step))
        difference = (8 * near - far) / (12 * step)
        assert float(gradient[s, d]) == pytest.approx(difference, rel=1e-4, abs=noise * largest)


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
def test_at_the_clean_run_the_gradient_is_the_estimate_by_eap(family: str) -> None:
    experiment = case(family).experiment
    ones = torch.from_numpy(Circuit.full(experiment.graph).mask)
    total = torch.zeros(ones.shape)
    for recording, metric in zip(experiment.recordings, experiment.metrics, strict=True):
        run = MaskedRun(experiment.graph, recording, ones)
        with torch.enable_grad():
            final = run.final.requires_grad_()
            (at_final,) = torch.autograd.grad(metric.of_residual(final[:, None]).sum(), final)
        total += run.gradient(at_final)
    scores = eap(experiment)
    atol = 1e-4 * float(np.abs(scores).max())
    np.testing.assert_allclose(-total.numpy() / experiment.n_pairs, scores, atol=atol)


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_pairs_do_not_see_each_other(name: str) -> None:
    c = usual_case(name)
    recording = c.experiment.recordings[0]
    mask = random_mask(c.graph, 6, shut=0.5)
    run = MaskedRun(c.graph, recording, mask)
    weights = torch.randn(run.final.shape, generator=torch.Generator().manual_seed(2))
    whole = run.gradient(weights)
    total = torch.zeros_like(whole)
    for i in range(recording.n_pairs):
        alone = MaskedRun(c.graph, of_pairs(recording, slice(i, i + 1)), mask)
        torch.testing.assert_close(alone.final, run.final[i : i + 1], rtol=0, atol=2e-5)
        total += alone.gradient(weights[i : i + 1])
    atol = 1e-4 * float(whole.abs().max())
    torch.testing.assert_close(total, whole, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_by_role_a_mask_is_a_circuit_and_its_gradient_the_slope(name: str) -> None:
    c = usual_case(name)
    circuit = mixed(c.graph, seed=3)
    at = torch.tensor(np.array(role_arrays(as_bits(kept_edges(circuit)), len(ROLES)))).double()
    expected = by_role(name).metric(circuit)
    np.testing.assert_allclose(per_pair(c.experiment, at), expected, atol=1e-4)
    real = torch.from_numpy(all_edges(c.graph))
    generator = torch.Generator().manual_seed(1)
    mask = real * torch.rand(at.shape, generator=generator, dtype=torch.float64)
    toward = real * torch.randn(at.shape, generator=generator, dtype=torch.float64)
    found = 0.0
    for recording, metric in zip(c.experiment.recordings, c.experiment.metrics, strict=True):
        run = MaskedRun(c.graph, recording, mask)
        final = run.final.requires_grad_()
        with torch.enable_grad():
            (at_final,) = torch.autograd.grad(metric.of_residual(final[:, None]).sum(), final)
        found += float((run.gradient(at_final).double() * toward).sum())
    there, back = (per_pair(c.experiment, mask + h * toward).sum() for h in (2e-3, -2e-3))
    assert found == pytest.approx((there - back) / 4e-3, rel=5e-3)
