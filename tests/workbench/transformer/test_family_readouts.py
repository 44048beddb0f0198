"""Readouts of every family against transformers' own logits and attention patterns."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.task import Task
from tests.support.cases.family_cases import ONE_OF_EACH, model_of
from tests.support.cases.readout_cases import ANSWER_SPACE, PAIRS
from tests.support.references.jacobian import SlopeReference
from workbench.experiment.experiment import Experiment
from workbench.metrics.catalogue import METRICS
from workbench.metrics.metric import Answers, Metric
from workbench.prompts.batch import make_batch
from workbench.readouts.activations import activations
from workbench.readouts.answer_curve import answer_curve
from workbench.readouts.attention import attention_pattern
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.lens_map import lens_map
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.residual_lens import residual_lens
from workbench.readouts.target import Target
from workbench.readouts.token_ranks import token_ranks
from workbench.transformer.forward import uncapped_logits, unembed
from workbench.transformer.frozen_norm import FrozenNorm

pytestmark = pytest.mark.dependencies

cases = pytest.mark.parametrize("name", ONE_OF_EACH)
PAIR = 1


@cache
def workspace_of(name: str, metric: str = "logit_diff") -> Experiment:
    model = model_of(name)
    task = Task(name="readouts", pairs=PAIRS, metric=metric, description="Pairs of two lengths.")
    return Experiment(model, make_batch(task, model.tokenizer), metric)


def prompt_of(experiment: Experiment, run: str) -> Tensor:
    """The tokens of `PAIR`, [1, position]."""
    group, row = experiment.batch.locate(PAIR)
    return (group.clean if run == "clean" else group.corrupted)[row : row + 1]


def logits_of(experiment: Experiment, run: str) -> Tensor:
    """The model's own, at the last position, [vocabulary]."""
    with torch.no_grad():
        tokens = prompt_of(experiment, run)
        return experiment.model.hf(tokens, use_cache=False).logits[0, -1]


def difference(experiment: Experiment, logits: Tensor) -> float:
    group, row = experiment.batch.locate(PAIR)
    right, wrong = list(group.answers[row]), list(group.wrong_answers[row])
    return float(logits[right].mean() - logits[wrong].mean())


def uncapped(experiment: Experiment, logits: Tensor) -> Tensor:
    """Logits before the model's soft cap, if it has one."""
    cap = experiment.parts.logit_cap
    return logits if cap is None else cap * torch.atanh(logits.double() / cap)


@cases
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_attributions_sum_to_the_models_logit_difference(name: str, run: str) -> None:
    experiment = workspace_of(name)
    found = direct_logit_attribution(experiment, pair=PAIR, run=run)
    expected = difference(experiment, uncapped(experiment, logits_of(experiment, run)))
    assert found.total == pytest.approx(expected, abs=3e-5)
    assert sum(row.value for row in found.rows) == pytest.approx(expected, abs=1e-4)


@cases
def test_the_lens_of_the_logits_is_the_models_logits(name: str) -> None:
    experiment = workspace_of(name)
    for run in ("clean", "corrupted"):
        logits = logits_of(experiment, run)
        plain = uncapped(experiment, logits)
        centred = plain - plain.mean()
        found = logit_lens(experiment, "logits", pair=PAIR, k=5, run=run)
        values = [token.value for token in found.promoted]
        np.testing.assert_allclose(values, centred.topk(5).values, rtol=0, atol=1e-4)
        assert found.answers - found.wrong_answers == pytest.approx(
            difference(experiment, plain), abs=1e-4
        )
        last = residual_lens(experiment, pair=PAIR, run=run).rows[-1]
        assert last.top[0].value == pytest.approx(float(logits.softmax(-1).max()), abs=1e-4)
        assert last.logit_difference == pytest.approx(difference(experiment, logits), abs=1e-4)


@cases
def test_attention_patterns_are_the_models(name: str) -> None:
    experiment = workspace_of(name)
    graph = experiment.model.graph
    for run in ("clean", "corrupted"):
        with torch.no_grad():
            tokens = prompt_of(experiment, run)
            theirs = experiment.model.hf(tokens, use_cache=False, output_attentions=True).attentions
        for layer in range(graph.n_layers):
            for head in range(graph.n_heads):
                ours = attention_pattern(experiment, f"a{layer}.h{head}", pair=PAIR, run=run)
                np.testing.assert_allclose(ours.weights, theirs[layer][0, head], rtol=0, atol=1e-5)
                window = experiment.model.parts.layers[layer].attention.window
                assert ("positions only" in ours.definition) == (window is not None)


@cases
@pytest.mark.parametrize("metric", METRICS)
def test_metrics_are_those_of_the_models_logits(name: str, metric: str) -> None:
    experiment = workspace_of(name, metric)
    clean, corrupted = (
        logits_of(experiment, run).log_softmax(-1) for run in ("clean", "corrupted")
    )
    group, row = experiment.batch.locate(PAIR)
    right, wrong = list(group.answers[row]), list(group.wrong_answers[row])
    expected = {
        "logit_diff": corrupted[right].mean() - corrupted[wrong].mean(),
        "prob_diff": corrupted[right].exp().sum() - corrupted[wrong].exp().sum(),
        "kl": (clean.exp() * (clean - corrupted)).sum(),
        "accuracy": corrupted[right].max() > corrupted[wrong].max(),
    }[metric]
    assert experiment.corrupted.per_pair[PAIR] == pytest.approx(float(expected), abs=5e-5)


@pytest.mark.parametrize("name", ["gemma2", "gemma3_text", "olmo2"])
def test_heads_before_a_norm_add_up_to_what_attention_adds(name: str) -> None:
    experiment = workspace_of(name)
    for selection in activations(experiment):
        for layer, part in enumerate(experiment.parts.layers):
            assert part.post_attention is not None and part.attention.b_o is None
            heads = [selection.output(f"a{layer}.h{h}") for h in range(experiment.parts.n_heads)]
            record = selection.recording.whole.layers[layer]
            added = (record.mlp_in - record.attn_in)[selection.rows, selection.position]
            torch.testing.assert_close(sum(heads), added, rtol=1e-4, atol=1e-5)
            assert heads[0].abs().max() > 1e-3


def test_a_soft_cap_on_the_logits_is_in_the_metric_and_not_in_the_attribution() -> None:
    """The metric is of the model's logits; their sum is split where it is one, before the cap."""

    parts = model_of("gemma2").parts
    residual = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))
    answers = Answers.of([(3,), (5, 6)], [(4,), (7,)], parts.device, parts.dtype)
    metric = Metric("logit_diff", parts, answers, residual[:, 0])
    logits = unembed(parts, residual)
    assert parts.logit_cap is not None and logits.abs().max() <= parts.logit_cap
    expected = [logits[0, 0, 3] - logits[0, 0, 4], logits[1, 0, 5:7].mean() - logits[1, 0, 7]]
    torch.testing.assert_close(metric.of_residual(residual)[:, 0], torch.stack(expected))
    norm = FrozenNorm.of(parts.norm_final)
    linear = norm.centre(residual) * norm.scale(residual) * norm.weight @ parts.w_u
    torch.testing.assert_close(linear, uncapped_logits(parts, residual), rtol=1e-4, atol=1e-4)


@cases
@pytest.mark.parametrize("through", [False, True])
def test_maps_and_ranks_are_what_the_model_says_of_carried_residuals(
    name: str, through: bool
) -> None:
    """A hook puts what J makes of a residual in place of what the model's final norm reads."""
    experiment = workspace_of(name)
    parts = experiment.model.parts
    n_layers, width = len(parts.layers), parts.d_model
    generator = torch.Generator().manual_seed(5)
    matrices = {
        depth: torch.eye(width) + 0.3 * torch.randn(width, width, generator=generator)
        for depth in range(n_layers)
    }
    lens = JacobianLens(matrices, width, 1) if through else None
    reference = SlopeReference(experiment.model.hf)
    tokens = prompt_of(experiment, "corrupted")[0]
    group, row = experiment.batch.locate(PAIR)
    right = list(group.answers[row])
    asked = Target(tuple((token, "") for token in right))
    grid = lens_map(experiment, pair=PAIR, run="corrupted", through=lens)
    chances = np.asarray(
        lens_map(experiment, pair=PAIR, run="corrupted", through=lens, target=asked).values
    )
    ranks = token_ranks(experiment, pair=PAIR, run="corrupted", through=lens)
    for depth, residual in enumerate(reference.residuals(tokens)):
        x = residual
        if through and depth < n_layers:
            x = residual @ matrices[depth].to(residual.dtype).T
        logits = reference.logits(tokens, x)
        wanted = logits.softmax(-1)
        values = np.asarray(grid.values)[depth]
        np.testing.assert_allclose(values, wanted.max(-1).values, rtol=0, atol=1e-4)
        np.testing.assert_allclose(chances[depth], wanted[:, right].sum(-1), rtol=0, atol=1e-4)
        best = float(logits[-1, right].max())
        above = [float(logits[-1, t]) for t in (logits[-1] > best).nonzero().flatten().tolist()]
        near = sum(value < best + 1e-4 for value in above)  # what float noise may turn round
        assert len(above) - near <= ranks.values[depth] - 1 <= len(above) + near + 1


@cases
def test_the_jacobian_lens_of_a_write_is_its_carried_share_of_the_logits(name: str) -> None:
    """Through J = c I a write is c times its own lens; after the last block it is that lens."""
    experiment = workspace_of(name)
    parts = experiment.model.parts
    half = JacobianLens({1: 0.5 * torch.eye(parts.d_model)}, parts.d_model, 1)
    for node, share in (("input", 0.5), ("m0", 0.5), (f"m{len(parts.layers) - 1}", 1.0)):
        plain = logit_lens(experiment, node, pair=PAIR, k=5)
        carried = logit_lens(experiment, node, pair=PAIR, k=5, through=half)
        values = [token.value for token in carried.promoted]
        wanted = [share * token.value for token in plain.promoted]
        np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4)


@cases
def test_probabilities_over_the_answers_are_the_models_own(name: str) -> None:
    model = workspace_of(name).model
    task = Task(
        name="readouts",
        pairs=PAIRS,
        metric="logit_diff",
        description="Pairs with an answer space.",
        answer_space=ANSWER_SPACE,
    )
    experiment = Experiment(model, make_batch(task, model.tokenizer), "logit_diff")
    ids = [model.tokenizer(label)["input_ids"][0] for label in ANSWER_SPACE]
    found = answer_curve(experiment, "m0", pair=PAIR, run="corrupted").probabilities
    wanted = logits_of(experiment, "corrupted")[ids].softmax(-1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
