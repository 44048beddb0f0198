"""What is told of neurons, against plain transformers with hooks and against its own sums."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tasks.task import Task
from tests.support.cases.family_cases import CASES, EXPERTS, model_of
from tests.support.cases.readout_cases import PAIRS
from tests.support.references.node import NodeReference
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.effects.self_repair import self_repair
from workbench.engine.evaluator import Evaluator
from workbench.engine.neuron_patching import NeuronPatching, neuron_effects
from workbench.engine.patching import node_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.neurons.attribution import logit_reading, neuron_values
from workbench.neurons.estimates import estimated_effects
from workbench.neurons.inputs import neuron_inputs
from workbench.neurons.listing import exact_effects, neuron_list, neurons_of
from workbench.neurons.results import with_exact
from workbench.neurons.sufficient import sufficient
from workbench.prompts.batch import make_batch
from workbench.readouts.activations import activations
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.transformer.neurons import output_rows

pytestmark = pytest.mark.dependencies

families = pytest.mark.parametrize("name", [name for name in CASES if name not in EXPERTS])
some = pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "olmo2", "phi3", "gpt_neox"])


@cache
def experiment_of(name: str) -> Experiment:
    model = model_of(name)
    task = Task(name="neurons", pairs=PAIRS, metric="logit_diff", description="Of two lengths.")
    return Experiment(model, make_batch(task, model.tokenizer))


@cache
def references(name: str) -> list[NodeReference]:
    experiment = experiment_of(name)
    hf, groups = experiment.model.hf, experiment.batch.groups
    return [NodeReference(hf, group.clean, group.corrupted) for group in groups]


def in_order(experiment: Experiment, by_group: list[Any]) -> np.ndarray:
    rows: dict[int, Any] = {}
    for group, values in zip(experiment.batch.groups, by_group, strict=True):
        rows |= dict(zip(group.indices, np.asarray(values), strict=True))
    return np.array([rows[i] for i in sorted(rows)])


def at_last(reference: NodeReference, x: Any) -> Any:
    """Values [pair * position or pair, position, ...] at the last position."""
    return x.reshape(len(reference.clean), -1, x.shape[-1])[:, -1]


@families
def test_activations_are_what_enters_the_last_linear_map(name: str) -> None:
    experiment = experiment_of(name)
    for layer in (0, experiment.graph.n_layers - 1):
        found = neuron_values(experiment, layer)
        for run, values in (("values", found.clean), ("corrupted_values", found.corrupted)):
            last = [at_last(r, getattr(r, run)[f"m{layer}.neurons"]) for r in references(name)]
            expected = torch.cat(last).double().mean(0)
            np.testing.assert_allclose(values, expected, rtol=0, atol=2e-5)


@families
def test_direct_attributions_and_the_bias_sum_to_the_mlps(name: str) -> None:
    experiment = experiment_of(name)
    whole = {row.node: row.value for row in direct_logit_attribution(experiment).rows}
    for layer in range(experiment.graph.n_layers):
        found = neuron_values(experiment, layer)
        assert found.direct is not None and found.of_bias is not None
        assert found.direct.sum() + found.of_bias == pytest.approx(whole[f"m{layer}"], abs=2e-5)
        assert found.of_mlp == pytest.approx(whole[f"m{layer}"], abs=2e-5)


@families
@pytest.mark.parametrize("pair", [None, 1])
def test_direct_attributions_in_both_runs_and_their_difference_sum_to_the_mlps(
    name: str, pair: int | None
) -> None:
    experiment = experiment_of(name)
    attributed = {}
    for run in ("clean", "corrupted", "clean-corrupted"):
        found = direct_logit_attribution(experiment, pair=pair, run=run)
        attributed[run] = {row.node: row.value for row in found.rows}["m1"]
    listed = finish(neuron_list(experiment, "m1", pair=pair))
    bias = {"clean": listed.direct_of_bias, "corrupted": listed.direct_of_bias_corrupted}
    assert listed.direct_of_mlp_corrupted == pytest.approx(attributed["corrupted"], abs=2e-5)
    bias["clean-corrupted"] = (bias["clean"] or 0.0) - (bias["corrupted"] or 0.0)
    for run, value in attributed.items():
        total = sum(row.direct_in(run) or 0.0 for row in listed.rows)
        assert total + (bias[run] or 0.0) == pytest.approx(value, abs=4e-5)


@pytest.mark.parametrize(
    ("name", "final"),
    [
        ("gpt2", "transformer.ln_f"),
        ("llama", "model.norm"),
        ("gpt_neox", "gpt_neox.final_layer_norm"),
    ],
)
def test_each_neurons_direct_attribution_is_its_write_through_the_norm_of_its_run(
    name: str, final: str
) -> None:
    experiment = experiment_of(name)
    listed = finish(neuron_list(experiment, "m1", pair=1))
    group, row = experiment.batch.locate(1)
    reference = references(name)[[one is group for one in experiment.batch.groups].index(True)]
    norm, u = reference.model.get_submodule(final), reference.model.get_output_embeddings().weight
    u = u[list(group.answers[row])].mean(0) - u[list(group.wrong_answers[row])].mean(0)
    seen: list[Any] = []
    handle = norm.register_forward_pre_hook(lambda m, args: seen.append(args[0][row, -1]))
    runs = (
        ("clean", reference.clean, reference.values),
        ("corrupted", reference.corrupted, reference.corrupted_values),
    )
    for run, tokens, values in runs:
        with torch.no_grad():
            reference.run(lambda seen, x: x, tokens)
        x = seen[-1]
        act = at_last(reference, values["m1.neurons"])[row]
        writes = act[:, None] * output_rows(experiment.parts.layers[1]).double()
        if isinstance(norm, torch.nn.LayerNorm):
            writes = writes - writes.mean(-1, keepdim=True)
            scale = (x.var(unbiased=False) + norm.eps).sqrt()
        else:
            scale = (x.pow(2).mean() + norm.variance_epsilon).sqrt()
        expected = (writes / scale * norm.weight) @ u
        found = np.array([one.direct_in(run) for one in listed.rows])
        np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=2e-5)
    handle.remove()


@some
def test_output_rows_are_what_a_neuron_adds(name: str) -> None:
    """A neuron moved by one, by a hook on the plain model, moves what the MLP writes by its row."""
    experiment = experiment_of(name)
    layer, n = 1, 5
    if experiment.parts.layers[layer].post_mlp is not None:
        return
    reference = references(name)[0]
    moved: dict[str, Any] = {}

    def nudge(seen: str, x: Any) -> Any:
        if seen == f"m{layer}.neurons":
            x = x.clone()
            x[..., n] += 1
        if seen == f"m{layer}":
            moved["m"] = x.detach().clone()
        return x

    with torch.no_grad():
        reference.run(nudge)
    added = (moved["m"] - reference.values[f"m{layer}"]).reshape(-1, moved["m"].shape[-1])
    multiplier = getattr(experiment.model.hf.config, "residual_multiplier", 1.0)
    row = output_rows(experiment.parts.layers[layer])[n].double()
    assert row.shape == added[0].shape
    torch.testing.assert_close(added[0].double() * multiplier, row, rtol=0, atol=1e-5)


@some
def test_estimates_are_the_slope_of_the_plain_model(name: str) -> None:
    experiment = experiment_of(name)
    for layer in (0, 2):
        found = finish(estimated_effects(experiment, layer))
        assert found is not None
        by_group = []
        for r, group in zip(references(name), experiment.batch.groups, strict=True):
            right, wrong = group.answers, group.wrong_answers
            inside: dict[str, Any] = {}

            def keep(seen: str, x: Any, own: dict[str, Any] = inside) -> Any:
                if seen == f"m{layer}.neurons":  # noqa: B023
                    x = x.detach().requires_grad_()
                    own["x"] = x
                return x

            with torch.enable_grad():
                logits = r.run(keep)
                value = sum(
                    logits[i, list(right[i])].mean() - logits[i, list(wrong[i])].mean()
                    for i in range(len(logits))
                )
                assert isinstance(value, torch.Tensor)
            (slope,) = torch.autograd.grad(value, inside["x"])
            moved = r.corrupted_values[f"m{layer}.neurons"] - inside["x"].detach()
            values = (moved * slope).reshape(len(r.clean), -1, slope.shape[-1]).sum(1)
            by_group.append(values)
        np.testing.assert_allclose(found, in_order(experiment, by_group), rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "phi3", "gpt_neox", "olmo2", "granite", "opt"])
def test_feeds_sum_to_what_the_neuron_is_given(name: str) -> None:
    experiment = experiment_of(name)
    for neuron in ("m0.n3", "m2.n10"):
        found = neuron_inputs(experiment, neuron)
        assert sum(feed.gate for feed in found.feeds) == pytest.approx(found.gate, abs=1e-5)
        layer, n = int(neuron[1]), int(neuron.partition(".n")[2])
        seen: list[Any] = []
        for r in references(name):
            mlp = [r.blocks[layer].get_submodule(path) for path in r.names.mlp]
            first = next(
                module
                for part in mlp
                for module in part.modules()
                if getattr(module, "weight", None) is not None and module.weight.dim() == 2
            )
            got: dict[str, Any] = {}
            handle = first.register_forward_hook(lambda m, a, out, got=got: got.update(out=out))
            with torch.no_grad():
                r.model(r.clean, use_cache=False)
            handle.remove()
            seen.append(at_last(r, got["out"])[:, n])
        assert found.gate == pytest.approx(float(torch.cat(seen).mean()), abs=2e-5)
        assert (found.up is None) == (name in ("gpt2", "gpt_neox", "opt"))


def test_the_list_of_one_pair_and_of_all() -> None:
    experiment = experiment_of("llama")
    every = finish(neuron_list(experiment, "m1"))
    ones = [finish(neuron_list(experiment, "m1", pair=i)) for i in range(experiment.n_pairs)]
    for field in ("estimate", "direct", "clean", "corrupted"):
        mean = np.mean([[getattr(row, field) for row in one.rows] for one in ones], axis=0)
        np.testing.assert_allclose([getattr(row, field) for row in every.rows], mean, atol=1e-5)
    exact: dict[int, float] = {}
    for chunk in exact_effects(experiment, ones[1], [3, 4]):
        exact |= chunk
    filled = with_exact(ones[1], exact)
    assert filled.rows[3].exact == exact[3] and filled.rows[5].exact is None
    assert with_exact(filled, {}, "within").rows[3].exact is None
    assert [row.neuron for row in every.sorted_by("activation")] == sorted(
        range(len(every.rows)), key=lambda n: (-abs(every.rows[n].difference), n)
    )
    whole = neurons_of(experiment, "m1", exact=3)
    (node,) = node_effects(Evaluator(experiment, Circuit.empty(experiment.graph)), ["m1"])
    layer = NeuronPatching(experiment, 1)
    chosen = [row.neuron for row in whole.rows if row.exact is not None]
    others = [row.neuron for row in whole.rows if row.exact is None]
    assert len(chosen) == 3 and whole.rest == pytest.approx(layer.effects([others]).mean())
    both = layer.effects([chosen + others]).mean()
    assert both == pytest.approx(float(node[1][0]), abs=1e-5), "all of them are the MLP"
    table = every.table(every.rows[:2])
    assert table.columns[0] == "neuron" and table.rows[1][0] == "m1.n1"


def test_a_sufficient_set_is_enough_and_no_smaller_part_of_it_is() -> None:
    experiment = experiment_of("gpt2")
    circuit = Circuit.full(experiment.graph)
    listed = finish(neuron_list(experiment, "m1"))
    ranked = [row.neuron for row in listed.sorted_by("effect")]
    found = finish(sufficient(experiment, circuit, "m1", ranked))
    evaluator = Evaluator(experiment, circuit)

    def share(kept: tuple[int, ...]) -> float:
        tried = circuit.copy()
        tried.neurons = {"m1": kept}
        value = experiment.faithfulness(evaluator.become(tried).metric)
        assert value is not None
        return value

    assert share(found.neurons) == pytest.approx(found.faithfulness, abs=1e-5)
    assert found.faithfulness >= found.asked
    for n in found.neurons:
        assert share(tuple(m for m in found.neurons if m != n)) < found.asked


def test_readings_and_refusals() -> None:
    experiment = experiment_of("mixtral")
    with pytest.raises(WorkbenchError, match="layer of experts"):
        finish(neuron_list(experiment, "m0"))
    with pytest.raises(WorkbenchError, match="has no neurons"):
        finish(neuron_list(experiment, "a0.h0"))
    experiment = experiment_of("llama")
    with pytest.raises(WorkbenchError, match="no neuron 4000"):
        neuron_inputs(experiment, "m0.n4000")
    (selection, *_) = activations(experiment)
    assert logit_reading(selection).shape[-1] == experiment.parts.d_model


@pytest.mark.parametrize("position", [-1, -3, 99])
def test_positions_and_numbers_that_there_are_not_are_said(position: int) -> None:
    experiment = experiment_of("gpt2")
    evaluator = Evaluator(experiment, Circuit.empty(experiment.graph))
    longest = max(group.length for group in experiment.batch.groups)
    for at in (position, longest):
        with pytest.raises(WorkbenchError, match="There is no position"):
            list(node_effects(evaluator, ["m1"], position=at))
        with pytest.raises(WorkbenchError, match="There is no position"):
            self_repair(experiment, ["m1"], position=at)
    for setting in ("full", "along", "within"):
        with pytest.raises(WorkbenchError, match="m1 has no neuron"):
            list(neuron_effects(evaluator, 1, [3, position * 10_000], setting))
        with pytest.raises(WorkbenchError, match="There is no layer"):
            list(neuron_effects(evaluator, position, [3], setting))
