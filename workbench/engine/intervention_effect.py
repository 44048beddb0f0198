"""What interventions do to a model and to a circuit in it, and over a factor of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import kept_index, on_host
from workbench.base.work import Work, finish, part
from workbench.engine.continuation import continuing_pair
from workbench.engine.evaluator import Evaluator
from workbench.engine.intervention_results import (
    AlphaCurve,
    AlphaPoint,
    InterventionEffect,
    Measures,
)
from workbench.engine.trial_results import TokenChance
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Evaluation, Experiment
from workbench.experiment.intervened import Intervened
from workbench.experiment.interventions import Intervention, parse_all
from workbench.transformer.edge_edits import read_by_logits
from workbench.transformer.forward import unembed
from workbench.transformer.recording import record_clean

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.prompts.batch import Batch

TOP, TOKENS = 10, 10
"""Next tokens that are listed, and that are gone on with, unless told otherwise."""
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Factors of a curve over a scale."""
STEPS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
"""Factors of a curve over what is added, in units of the vector."""


def with_interventions(
    plain: Experiment, interventions: Sequence[Intervention | str]
) -> Experiment:
    """The same pairs, metric and ablation, in the model with these interventions alone.

    Raises:
        WorkbenchError: one of them cannot be done.
    """
    return Experiment(
        plain.model,
        plain.batch,
        plain.metric_name,
        plain.ablation,
        means=plain.means,
        interventions=parse_all(interventions),
    )


def intervention_effect(
    plain: Experiment,
    done: Experiment,
    circuit: Circuit | None = None,
    *,
    pair: int = 0,
    top: int = TOP,
    n: int = TOKENS,
) -> InterventionEffect:
    """What interventions do.

    Args:
        plain: without them.
        done: the same pairs with them, see `with_interventions`.
        circuit: measured in both models; None: the models alone.
        pair: whose next tokens are shown.
        top: how many of the likeliest next tokens.
        n: how many tokens are gone on with.

    Raises:
        WorkbenchError: there is no such pair, or the prompt cannot be gone on with.
    """
    return finish(intervention_effects(plain, done, circuit, pair=pair, top=top, n=n))


def intervention_effects(
    plain: Experiment,
    done: Experiment,
    circuit: Circuit | None = None,
    *,
    pair: int = 0,
    top: int = TOP,
    n: int = TOKENS,
) -> Work[InterventionEffect]:
    """`intervention_effect` in pieces."""
    if top < 1:
        raise WorkbenchError(f"At least one likely token is listed, not {top}.")
    measured = [measures(one, plain, circuit) for one in (plain, done)]
    yield 0.2
    tops = [top_tokens(one, pair, top) for one in (plain, done)]
    goes_on = []
    for i, one in enumerate((plain, done)):
        work = continuing_pair(one, pair, n=n)
        goes_on.append((yield from part(work, 0.2 + 0.4 * i, 0.6 + 0.4 * i)))
    return InterventionEffect(
        interventions=tuple(one.text for one in done.interventions),
        metric=plain.metric_name,
        without=measured[0],
        done=measured[1],
        per_pair=tuple(zip(plain.clean.per_pair, done.clean.per_pair, strict=True)),
        pair=pair,
        prompt=goes_on[0].prompt,
        top_without=tops[0],
        top_done=tops[1],
        goes_on_without=goes_on[0].model,
        goes_on_done=goes_on[1].model,
    )


def measures(done: Experiment, plain: Experiment, circuit: Circuit | None) -> Measures:
    """What is measured of a model with interventions, `plain` being the model without."""
    finals = [read_by_logits(r.parts, r.clean.final[:, -1]) for r in done.recordings]
    against = Evaluation(plain, grouped_as(plain, done.batch, finals))
    value = None if circuit is None else Evaluator(done, circuit).value().metric
    return Measures(
        clean=against.metric if plain.metric_name == "kl" else done.clean.metric,
        corrupted=done.corrupted.metric,
        accuracy=against.accuracy,
        kl=against.kl,
        circuit=value,
        faithfulness=None if value is None else done.faithfulness(value),
    )


def grouped_as(plain: Experiment, batch: Batch, finals: Sequence[Tensor]) -> list[Tensor]:
    """Values [pair, ...] of the groups of a batch, as an experiment groups the same pairs."""
    order = [index for group in batch.groups for index in group.indices]
    place = {index: row for row, index in enumerate(order)}
    every = torch.cat(list(finals))
    return [
        every[kept_index(tuple(place[index] for index in group.indices), every.device)]
        for group in plain.batch.groups
    ]


@torch.no_grad()
def top_tokens(experiment: Experiment, pair: int, k: int) -> tuple[TokenChance, ...]:
    """The likeliest tokens after a clean prompt. Raises WorkbenchError for no such pair."""
    groups = experiment.batch.groups
    group, row = experiment.batch.locate(pair)
    place = next(i for i, one in enumerate(groups) if one is group)
    recording = experiment.recordings[place]
    logits = on_host(wide(unembed(recording.parts, recording.clean.final[row, -1])))
    values, tokens = logits.topk(min(k, len(logits)))
    chances = logits.softmax(-1)[tokens]
    texts = experiment.batch.encoding.pieces(tokens.tolist())
    rows = zip(texts, tokens.tolist(), chances.tolist(), values.tolist(), strict=True)
    return tuple(TokenChance(*row) for row in rows)


def alpha_curve(
    plain: Experiment,
    interventions: Sequence[Intervention | str],
    index: int = -1,
    alphas: Sequence[float] | None = None,
    circuit: Circuit | None = None,
) -> AlphaCurve:
    """What the model does over the factor of one of the interventions.

    Args:
        plain: without any.
        index: which of them; the others stay as they are.
        alphas: factors; None: `ALPHAS` of a scale, `STEPS` of what is added.
        circuit: whose faithfulness is measured too, at the price of the corrupted runs.

    Raises:
        WorkbenchError: there are none, or the one chosen has no factor.
    """
    return finish(alpha_curves(plain, interventions, index, alphas, circuit))


def alpha_curves(
    plain: Experiment,
    interventions: Sequence[Intervention | str],
    index: int = -1,
    alphas: Sequence[float] | None = None,
    circuit: Circuit | None = None,
) -> Work[AlphaCurve]:
    """`alpha_curve` in pieces, a factor each."""
    every = list(parse_all(interventions))
    if not every or not -len(every) <= index < len(every):
        raise WorkbenchError("There is no such intervention to go over: name one first.")
    one = every[index]
    one.times(1.0)
    chosen = alphas if alphas is not None else (ALPHAS if one.do == "scale" else STEPS)
    if not chosen:
        raise WorkbenchError("Name at least one factor.")
    first = Intervened(plain.parts, plain.graph, every, plain.batch.encoding, plain.batch)
    points = []
    for k, alpha in enumerate(chosen):
        done = [*first.interventions]
        done[index] = done[index].times(float(alpha))
        points.append(_point(plain, first.again(done), float(alpha), circuit))
        yield (k + 1) / len(chosen)
    return AlphaCurve(one.text, plain.metric_name, tuple(points))


def _point(
    plain: Experiment, intervened: Intervened, alpha: float, circuit: Circuit | None
) -> AlphaPoint:
    share = None
    if circuit is not None:
        done = with_interventions(plain, intervened.interventions)
        share = done.faithfulness(Evaluator(done, circuit).value().metric)
        batch = done.batch
        finals = [read_by_logits(r.parts, r.clean.final[:, -1]) for r in done.recordings]
    else:
        batch, finals = intervened.grouped(plain.batch), []
        for group in batch.groups:
            own = (group.length, batch.roles_of(group))
            parts = intervened.parts(group.clean, group.corrupted, *own)
            finals.append(read_by_logits(parts, record_clean(parts, group.clean).final[:, -1]))
    value = Evaluation(plain, grouped_as(plain, batch, finals))
    return AlphaPoint(alpha, value.metric, value.accuracy, value.kl, share)
