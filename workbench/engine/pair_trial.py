"""One pair of prompts, tried: what the whole model and a circuit make of it.

Both prompts are run once, together, and the circuit is evaluated on them alone, by the metric, the
ablation and the means of an experiment that is there already. So nothing else is computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor

from tasks.pair import Pair
from tasks.task import Task
from workbench.base.numbers import wide
from workbench.base.transfers import on_host, uploaded
from workbench.engine.evaluator import Evaluator
from workbench.engine.trial_results import AnswerStanding, PairTrial, Standing, TokenChance
from workbench.experiment.interventions import interventions_of
from workbench.experiment.prepare import means_batch
from workbench.experiment.settings import ExperimentSettings, RunChoices
from workbench.prompts.batch import Batch, make_batch
from workbench.prompts.checks import Needs, check_pair, refuse_unfit
from workbench.prompts.encoding import Encoding
from workbench.transformer.forward import unembed
from workbench.transformer.recording import clean_logits

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model


DEFAULT_METRIC = "logit_diff"
"""Of a pair that belongs to no task."""

FEWEST_ROWS = 4
"""Rows that are unembedded at least. On a CPU a product of two or three rows reads the unembedding
once a row, one of four rows once in all: three take 0.23 F of a short prompt, four 0.12 F."""

ALONE = "one pair"
"""What the task of a pair that is tried is called."""


def try_pair(
    model: Model,
    pair: Pair,
    circuit: Circuit | None = None,
    *,
    under: ExperimentSettings | None = None,
    k: int = 10,
    **choices: Unpack[RunChoices],
) -> PairTrial:
    """Try a pair by itself.

    Args:
        pair: of prompts of the same token length.
        circuit: evaluated on it, everything outside it corrupted, in the model with what its file
            says is done to it; None: the model alone.
        under: how it is run; None: by the defaults. Without `means` a mean ablation's means are
            taken over this one prompt.
        k: how many of the likeliest tokens are listed.
        choices: settings by their names.

    Raises:
        WorkbenchError: the pair does not suit the tokenizer, or the means are of no such length.
    """
    from workbench.experiment.experiment import Experiment

    settings = ExperimentSettings.of(model, ALONE, under, **choices)
    metric = settings.metric or DEFAULT_METRIC
    batch = _batch(model, pair, metric, settings.bos, settings.ablation)
    means = means_batch(model, settings)
    done = () if circuit is None else interventions_of(circuit)
    how: dict[str, Any] = {"means": means, "interventions": done}
    return trial_of(Experiment(model, batch, metric, settings.ablation, **how), circuit, k=k)


def try_like(
    like: Experiment, pair: Pair, circuit: Circuit | None = None, *, k: int = 10
) -> PairTrial:
    """Try a pair by the metric, the ablation and the means of an experiment.

    Arguments and errors as `try_pair`.
    """
    bos = like.batch.prepend_bos
    batch = _batch(like.model, pair, like.metric_name, bos, like.ablation)
    return trial_of(like.beside(batch), circuit, k=k)


def needs_of(model: Model, metric: str, ablation: str) -> Needs:
    """What is asked of a pair that is run so."""
    how = ExperimentSettings(model.name, ALONE, ablation=ablation)
    return how.needs(metric, model.positions)


def oddities(model: Model, pair: Pair, settings: ExperimentSettings) -> list[str]:
    """A sentence on each thing that is odd of a pair that can be used."""
    needs = needs_of(model, settings.metric or DEFAULT_METRIC, settings.ablation)
    findings = check_pair(pair, Encoding(model.tokenizer, settings.bos), needs)
    return [finding.sentence for finding in findings]


def _batch(model: Model, pair: Pair, metric: str, bos: bool | None, ablation: str) -> Batch:
    needs = needs_of(model, metric, ablation)
    refuse_unfit([pair], Encoding(model.tokenizer, bos), needs)
    task = Task(ALONE, (pair,), metric, "One pair.", seed=None)
    how: dict[str, Any] = {"prepend_bos": bos, "needs": needs}
    return make_batch(task, model.tokenizer, device=model.device, **how)


def trial_of(experiment: Experiment, circuit: Circuit | None, *, k: int = 10) -> PairTrial:
    """The trial of an experiment of one pair, both prompts of which were run."""
    batch, recording = experiment.batch, experiment.recordings[0]
    group = batch.groups[0]
    finals = [recording.clean.final[0, -1], recording.corrupted.final[0, -1]]
    value = None
    if circuit is not None:
        evaluator = Evaluator(experiment, circuit)
        value = evaluator.value().metric
        finals.append(evaluator.sheets[0].final[0].reshape(-1))
    with torch.no_grad():
        logits = on_host(wide(_unembedded(experiment, finals)))
        chances = logits.softmax(-1)
        pieces = batch.encoding.pieces
        runs = list(zip(logits, chances, strict=True))
        tops = [_top(logit, chance, k, pieces) for logit, chance in runs]
        tokens = [*group.answers[0], *group.wrong_answers[0]]
        standings = zip(*(_standings(*run, tokens) for run in runs), strict=True)
    pair = batch.task.pairs[0]
    texts = (*pair.answers, *pair.wrong_answers)
    answers = []
    for i, (text, token, rows) in enumerate(zip(texts, tokens, standings, strict=True)):
        clean, corrupted, *rest = rows
        in_circuit = rest[0] if rest else None
        right = i < len(pair.answers)
        answers.append(AnswerStanding(text, token, right, clean, corrupted, in_circuit))
    clean_tokens, corrupted_tokens = batch.tokens(0)
    return PairTrial(
        pair=pair,
        clean_tokens=tuple(clean_tokens),
        corrupted_tokens=tuple(corrupted_tokens),
        metric=experiment.metric_name,
        ablation=experiment.ablation,
        clean=experiment.clean.metric,
        corrupted=experiment.corrupted.metric,
        circuit=value,
        faithfulness=None if value is None else experiment.faithfulness(value),
        answers=tuple(answers),
        top_clean=tops[0],
        top_corrupted=tops[1],
        top_circuit=tops[2] if circuit is not None else (),
        edges=None if circuit is None else circuit.n_edges,
    )


def _unembedded(experiment: Experiment, finals: Sequence[Tensor]) -> Tensor:
    """Logits [run, vocabulary] of final residuals [d_model]."""
    rows = [*finals, *[finals[0]] * (FEWEST_ROWS - len(finals))]
    return unembed(experiment.parts, torch.stack(rows))[: len(finals)]


def next_tokens(like: Experiment, prompt: str, k: int = 20) -> tuple[TokenChance, ...]:
    """The model's likeliest tokens after any prompt, read as an experiment's prompts are.

    Raises:
        WorkbenchError: the prompt is empty, or too long for the model.
    """
    model, encoding = like.model, like.batch.encoding
    alone = Needs(corrupted=False, answers=False, wrong_answers=False, positions=model.positions)
    refuse_unfit([Pair(prompt, "", (), ())], encoding, alone)
    tokens = uploaded(encoding.prompts([prompt]), model.device)
    parts = like.parts
    if like.intervened is not None:
        parts = like.intervened.parts(tokens, None, tokens.shape[1])
    logits = on_host(wide(clean_logits(parts, tokens)[0]))
    return _top(logits, logits.softmax(-1), k, encoding.pieces)


def _top(logits: Tensor, chances: Tensor, k: int, pieces: Any) -> tuple[TokenChance, ...]:
    """The likeliest tokens of logits [vocabulary]."""
    values, tokens = logits.topk(min(k, len(logits)))
    texts = pieces(tokens.tolist())
    return tuple(
        TokenChance(text, token, float(chances[token]), value)
        for text, token, value in zip(texts, tokens.tolist(), values.tolist(), strict=True)
    )


def _standings(logits: Tensor, chances: Tensor, tokens: Sequence[int]) -> list[Standing]:
    own = logits[list(tokens)]
    ranks = (logits[None] > own[:, None]).sum(-1) + 1
    rows = zip(ranks.tolist(), chances[list(tokens)].tolist(), own.tolist(), strict=True)
    return [Standing(int(rank), chance, logit) for rank, chance, logit in rows]
