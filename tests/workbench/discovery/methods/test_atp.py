"""Attribution patching of nodes, positions and neurons, against autograd on the plain model."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tests.support.cases.family_cases import ONE_OF_EACH
from tests.support.cases.node_cases import LENGTHS, NAMES, NodeCase, node_case, workspace_of
from workbench.discovery.gradients.node_gradients import Block
from workbench.errors import WorkbenchError

names = pytest.mark.parametrize("name", [*NAMES, "olmo2", "mixtral"])


def slopes(c: NodeCase, value: str, own: slice) -> list[np.ndarray]:
    """Of each group, (n' - n) . dL/dn by pair and position."""
    found = []
    for g, reference in enumerate(c.references):
        gradient = reference.gradients(partial(c.metric, g))[value]
        moved = reference.corrupted_values[value] - reference.values[value]
        found.append((moved * gradient)[..., own].sum(-1).numpy())
    return found


@names
def test_scores_are_gradient_times_difference_at_every_position(name: str) -> None:
    c = node_case(name)
    found = c.found("atp")
    assert found.nodes is not None and found.positions is not None
    expected = np.zeros((c.graph.n_sources, max(LENGTHS)))
    for source, node in enumerate(c.graph.sources):
        for by_pair in slopes(c, *c.references[0].place(node)):
            expected[source, -by_pair.shape[1] :] += by_pair.sum(0) / c.n_pairs
    size = np.abs(expected).max()
    assert size > 0.05
    np.testing.assert_allclose(found.positions, expected, rtol=0, atol=1e-4 * size)
    np.testing.assert_allclose(found.nodes, expected.sum(1), rtol=0, atol=2e-4 * size)


@names
def test_neurons(name: str) -> None:
    c = node_case(name)
    found = c.found("atp")
    if name == "mixtral":
        assert found.neurons == {} and "m0, m1, m2 have no scores" in found.remarks[0]
        return
    assert list(found.neurons) == ["m0", "m1", "m2"] and not found.remarks
    for mlp, scores in found.neurons.items():
        value = f"{mlp}.neurons"
        expected = np.zeros(len(scores))
        for g, reference in enumerate(c.references):
            gradient = reference.gradients(partial(c.metric, g))[value]
            moved = reference.corrupted_values[value] - reference.values[value]
            expected += (moved * gradient).sum((0, 1)).numpy() / c.n_pairs
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_neurons_are_what_enters_the_last_map_of_the_mlp(name: str) -> None:
    c = node_case(name)
    for index in range(c.graph.n_layers):
        for recording, reference in zip(c.experiment.recordings, c.references, strict=True):
            block = Block(recording, index, slice(0, recording.n_pairs))
            last = reference.last_map(index)
            assert (block.neurons is None) == (last is None)
            moved = block.neuron_differences("patching")
            if block.neurons is None or moved is None:
                continue
            clean, other = (
                # OPT runs its MLP on all pairs' positions in one row.
                run[f"m{index}.neurons"].view(recording.n_pairs, -1, moved.shape[-1]).double()
                for run in (reference.values, reference.corrupted_values)
            )
            clean, other = clean[:, recording.start :], other[:, recording.start :]
            for found, expected in ((block.neurons, clean), (moved, other - clean)):
                size = float(clean.abs().max())
                torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-4 * size)


def test_zero_ablation_takes_neurons_to_zero_and_means_leave_them_out() -> None:
    c = node_case("llama")
    zero = workspace_of(c.experiment.model, c.groups, ablation="zero")
    found = c.found("atp", zero)
    assert found.nodes is not None
    for mlp, scores in found.neurons.items():
        expected, whole = np.zeros(len(scores)), 0.0
        for g, reference in enumerate(c.references):
            gradients = reference.gradients(partial(c.metric, g))
            neurons = -reference.values[f"{mlp}.neurons"] * gradients[f"{mlp}.neurons"]
            expected += neurons.sum((0, 1)).numpy() / c.n_pairs
            whole += float((-reference.values[mlp] * gradients[mlp]).sum()) / c.n_pairs
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)
        assert found.nodes[c.graph.source_index(mlp)] == pytest.approx(whole, abs=1e-4)
    mean = c.found("atp", workspace_of(c.experiment.model, c.groups, ablation="mean"))
    assert mean.neurons == {} and "mean" in mean.remarks[0]


@pytest.mark.parametrize("method", ["atp", "atp-star"])
def test_scores_do_not_depend_on_the_batch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    c = node_case("gemma2")
    whole = c.found(method)
    monkeypatch.setattr("workbench.discovery.gradients.node_gradients.SLICE_BYTES", 1)
    sliced = c.found(method)
    alone = [c.found(method, experiment) for experiment in c.by_pair()]
    assert sliced.positions is not None and whole.positions is not None
    np.testing.assert_allclose(sliced.positions, whole.positions, rtol=0, atol=1e-6)
    assert whole.nodes is not None
    size = np.abs(whole.nodes).max()
    if method == "atp":
        nodes = []
        for f in alone:
            assert f.nodes is not None
            nodes.append(f.nodes)
        mean = np.mean(nodes, axis=0)
        np.testing.assert_allclose(whole.nodes, mean, rtol=0, atol=1e-5 * size)
    for mlp, scores in whole.neurons.items():
        mean = np.mean([f.neurons[mlp] for f in alone], axis=0)
        np.testing.assert_allclose(scores, mean, rtol=0, atol=1e-5 * size)
        np.testing.assert_allclose(scores, sliced.neurons[mlp], rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("method", ["atp", "atp-star"])
@pytest.mark.parametrize("metric", ["accuracy", "kl"])
def test_a_metric_without_slope_is_refused(method: str, metric: str) -> None:
    c = node_case("gpt2")
    experiment = workspace_of(c.experiment.model, c.groups, metric=metric)
    with pytest.raises(WorkbenchError, match=f"{metric} .*; choose another metric"):
        c.found(method, experiment)
