"""The reliable components scaled up: how many and by how much, and what it does elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, on_host, uploaded
from workbench.base.work import Work, finish, part
from workbench.experiment.intervened import Intervened
from workbench.experiment.interventions import Intervention
from workbench.reliability.contributions import Prompts, in_order
from workbench.reliability.find import classed, halves, map_of
from workbench.reliability.results import (
    STEERING,
    GridPoint,
    OnAnotherTask,
    Reliability,
    ReliabilityMap,
    ReliabilitySettings,
    Steering,
)
from workbench.transformer.forward import unembed
from workbench.transformer.recording import record_clean

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.prompts.encoding import Encoding

AT_ONCE = 32
"""Prompts that are run at once."""
TEXT_AT_ONCE = 256
"""Tokens of the plain text that are read at once, each piece from its own beginning."""


def reliability(
    experiment: Experiment,
    settings: ReliabilitySettings | None = None,
    *,
    scale_up: bool = True,
    also: Experiment | None = None,
) -> Work[Reliability]:
    """How reliable components are, and what scaling up the reliable ones does; in pieces.

    Args:
        experiment: whose pairs have right and wrong answers.
        settings: None: by the defaults.
        scale_up: also scale; the map is then of one half of the prompts. Not where it is of one
            pair, or only one pair has its role.
        also: another task, on which it is told what that does.

    Raises:
        WorkbenchError: pairs lack answers, or there are too few.
    """
    settings = settings or ReliabilitySettings()
    prompts = classed(experiment, settings)
    if not scale_up or len(prompts.indices) == 1:
        return Reliability((yield from map_of(experiment, prompts, settings)))
    first, second = halves(prompts)
    found = yield from part(map_of(experiment, first, settings), 0, 0.4)
    work = _steering(experiment, found, first, second, also)
    return Reliability(found, (yield from part(work, 0.4, 1)))


def find_reliability(
    experiment: Experiment,
    settings: ReliabilitySettings | None = None,
    *,
    scale_up: bool = True,
    also: Experiment | None = None,
) -> Reliability:
    """`reliability` in one go; arguments and errors are the same."""
    return finish(reliability(experiment, settings, scale_up=scale_up, also=also))


def _steering(
    experiment: Experiment,
    found: ReliabilityMap,
    first: Prompts,
    second: Prompts,
    also: Experiment | None,
) -> Work[Steering]:
    ranked = [one.name for one in found.of_kind("reliable")]
    before = first.by_class(_right(experiment, [], first).double())
    grid = []
    # All of them too, where the numbers go beyond what there is.
    numbers = sorted({min(n, len(ranked)) for n in found.settings.numbers} - {0})
    tries = [(n, factor) for n in numbers for factor in sorted(found.settings.factors)]
    for done, (n, factor) in enumerate(tries):
        right = _right(experiment, [scaled(ranked[:n], factor)], first)
        grid.append(GridPoint(n, factor, _floats(first.by_class(right.double()))))
        yield 0.8 * (done + 1) / len(tries)
    number, factor = chosen(grid, _floats(before))
    does = [scaled(ranked[:number], factor)] if number else []
    told = [_right(experiment, done, second) for done in ([], does)]
    yield 0.9
    other = None
    if also is not None:
        every = classed(also)
        shares = [float(_right(also, done, every).double().mean()) for done in ([], does)]
        other = OnAnotherTask(also.batch.task.name, also.n_pairs, *shares)
    text = plain_text()
    texts = [perplexity(experiment.model, text, done) for done in ([], does)]
    return Steering(
        ranked=tuple(ranked),
        before=_floats(before),
        grid=tuple(grid),
        number=number,
        factor=factor,
        told_before=_floats(second.by_class(told[0].double())),
        told_after=_floats(second.by_class(told[1].double())),
        told_prompts=tuple(int(n) for n in second.counts),
        also=other,
        perplexity_before=texts[0][0],
        perplexity_after=texts[1][0],
        text_tokens=texts[0][1],
        intervention=does[0].text if does else "",
        definition=STEERING.format(order=found.settings.order),
    )


def scaled(names: Sequence[str], factor: float) -> Intervention:
    """Components times a factor, at all positions."""
    return Intervention(tuple(names), "scale", factor)


def chosen(grid: Sequence[GridPoint], before: Sequence[float]) -> tuple[int, float]:
    """Number and factor with the best mean accuracy; 0 and 1 if none beats the model as it is.

    Of equals the fewest components, and of these the smallest factor.
    """
    best = (sum(before) / len(before), 0, 1.0)
    for point in sorted(grid, key=lambda one: (one.number, one.factor)):
        if point.mean > best[0] + 1e-9:
            best = (point.mean, point.number, point.factor)
    return best[1], best[2]


@torch.no_grad()
def _right(experiment: Experiment, does: Sequence[Intervention], prompts: Prompts) -> Tensor:
    """Whether the likeliest token is a right answer, bool [prompt]; `does` comes on top.

    On top of what is done in the experiment already.
    """
    wanted = set(prompts.indices)
    finals = []
    every = _with(experiment, does)
    for group in experiment.batch.groups:
        final = group.clean.new_full((len(group.indices),), -1)
        rows = [row for row, i in enumerate(group.indices) if i in wanted]
        for start in range(0, len(rows), AT_ONCE):
            some = kept_index(tuple(rows[start : start + AT_ONCE]), group.clean.device)
            tokens, other = group.clean[some], group.corrupted[some]
            parts = experiment.parts
            if every is not None:
                own = (group.length, experiment.batch.roles_of(group))
                parts = every.parts(tokens, other, *own)
            logits = unembed(parts, record_clean(parts, tokens).final[:, -1])
            final[some] = logits.argmax(-1)
        finals.append(final)
    numbers = (i for group in experiment.batch.groups for i in group.indices)
    likeliest = on_host(in_order(finals, numbers, prompts.indices))
    is_answer = likeliest[:, None] == prompts.answers
    return (is_answer & prompts.right).any(-1)


def _with(experiment: Experiment, does: Sequence[Intervention]) -> Intervened | None:
    if not does:
        return experiment.intervened
    if experiment.intervened is not None:
        return experiment.intervened.again((*experiment.interventions, *does))
    how = (experiment.batch.encoding, experiment.batch)
    return Intervened(experiment.parts, experiment.graph, does, *how)


def plain_text() -> str:
    """The page of plain English that comes along."""
    file = resources.files("workbench") / "data" / "plain_text" / "page.txt"
    return file.read_text(encoding="utf-8")


@torch.no_grad()
def perplexity(
    model: Model,
    text: str,
    interventions: Sequence[Intervention] = (),
    encoding: Encoding | None = None,
) -> tuple[float, int]:
    """exp of the mean negative log-probability of a text's tokens, and how many they are.

    The text is read in pieces of `TEXT_AT_ONCE` tokens, or of as many as the model has positions;
    a piece's first token has no prediction.

    Raises:
        WorkbenchError: an intervention cannot be done on a text without a task.
    """
    from workbench.prompts.encoding import Encoding

    encoding = encoding or Encoding(model.tokenizer)
    (ids,) = encoding.prompts([text])
    does = None
    if interventions:
        does = Intervened(model.parts, model.graph, interventions, encoding)
    total, count = 0.0, 0
    at_once = min(TEXT_AT_ONCE, model.positions or TEXT_AT_ONCE)
    for start in range(0, len(ids) - 1, at_once):
        piece = uploaded([ids[start : start + at_once]], model.device)
        if piece.shape[1] < 2:
            break
        parts = model.parts if does is None else does.parts(piece, None, piece.shape[1])
        log_p = wide(unembed(parts, record_clean(parts, piece).final[0, :-1])).log_softmax(-1)
        total -= float(array_of(log_p.gather(-1, piece[0, 1:, None]).double().sum()))
        count += piece.shape[1] - 1
    return math.exp(total / count), count


def _floats(values: Tensor | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
