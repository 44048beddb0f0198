"""Which components are reliable, harmful or neither, by what they say themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.work import Work
from workbench.circuits.names import head_name, mlp_name
from workbench.errors import WorkbenchError
from workbench.readouts.activations import activations
from workbench.readouts.runs import RUNS
from workbench.reliability.contributions import (
    Prompts,
    Sayings,
    SignedRuns,
    head_writes,
    neurons_of,
    prompts_of,
    say,
    say_neurons,
)
from workbench.reliability.results import (
    ComponentReliability,
    Kind,
    ReliabilityMap,
    ReliabilitySettings,
)

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

MOST_CLASSES = 12
"""With more answer sets than these all prompts are one class."""
LEAST_PROMPTS = 4
"""Prompts that a class has at least: two for finding and two for telling."""


def classed(experiment: Experiment, settings: ReliabilitySettings | None = None) -> Prompts:
    """An experiment's prompts in classes.

    Args:
        settings: of one pair, or at a role, only that pair, or those that have the role.

    Raises:
        WorkbenchError: some pair lacks answers or wrong answers, or there is no such pair or role.
    """
    indices = None
    if settings is not None and (settings.pair is not None or isinstance(settings.position, str)):
        read = activations(experiment, settings.position, settings.pair)
        indices = sorted(index for selection in read for index in selection.indices)
    prompts = prompts_of(experiment, MOST_CLASSES, LEAST_PROMPTS, indices)
    if not (prompts.right.any(-1) & prompts.wrong.any(-1)).all():
        raise WorkbenchError(
            "Whether a component prefers the right answer takes right and wrong ones: some of "
            "these pairs lack them."
        )
    return prompts


def halves(prompts: Prompts) -> tuple[Prompts, Prompts]:
    """Every second prompt of each class, and the others. Raises WorkbenchError if too few."""
    first: list[int] = []
    second: list[int] = []
    for c in range(len(prompts.classes)):
        mine = [prompts.indices[int(i)] for i in (prompts.of == c).nonzero()[:, 0]]
        first += mine[::2]
        second += mine[1::2]
    if not second:
        raise WorkbenchError("Finding on one half and telling on the other takes two pairs.")
    return prompts.some(sorted(first)), prompts.some(sorted(second))


def map_of(
    experiment: Experiment, prompts: Prompts, settings: ReliabilitySettings
) -> Work[ReliabilityMap]:
    """How reliable every head is on some prompts, and every neuron if asked for."""
    parts, graph = experiment.parts, experiment.graph
    read = [
        (sign, activations(experiment, settings.position, settings.pair, run))
        for sign, run in RUNS[settings.run]
    ]
    found: list[ComponentReliability] = []
    with torch.no_grad():
        for layer in range(graph.n_layers):
            writes = head_writes(read, layer, prompts.indices)
            for head in range(graph.n_heads):
                sayings = say(parts, writes[head : head + 1], prompts, settings.share)
                names = [head_name(layer, head)]
                found += _judged(names, layer, sayings, prompts, settings)
                yield (layer + (head + 1) / (2 * graph.n_heads)) / graph.n_layers
            if settings.neurons:
                found += yield from _neurons(experiment, read, layer, prompts, settings)
    # Stable, so that equals stay in the order of depth.
    found.sort(key=lambda one: (-one.sound, -one.mean(settings.order)))
    return ReliabilityMap(
        classes=prompts.classes,
        prompts=tuple(int(n) for n in prompts.counts),
        components=tuple(found),
        n_layers=graph.n_layers,
        n_heads=graph.n_heads,
        settings=settings,
        definition=settings.definition,
    )


def _neurons(
    experiment: Experiment,
    read: SignedRuns,
    layer: int,
    prompts: Prompts,
    settings: ReliabilitySettings,
) -> Work[list[ComponentReliability]]:
    known = neurons_of(read, layer, prompts.indices)
    found: list[ComponentReliability] = []
    if known is None:
        return found
    acts, rows = known
    share, extreme = settings.share, settings.extreme
    for piece in say_neurons(experiment.parts, acts, rows, prompts, share, extreme):
        names = [f"{mlp_name(layer)}.n{int(n)}" for n in piece.index]
        found += _judged(names, layer, piece.sayings, prompts, settings)
        yield (layer + 0.75) / experiment.graph.n_layers
    return found


def _judged(
    names: list[str], layer: int, sayings: Sayings, prompts: Prompts, settings: ReliabilitySettings
) -> list[ComponentReliability]:
    correct = (sayings.best_right > sayings.best_wrong) & (sayings.rank <= settings.rank)
    accuracy = prompts.by_class(correct.double())
    precision, recall = _precision_recall(sayings, prompts)
    both = precision + recall
    f1 = torch.where(both > 0, 2 * precision * recall / both.clamp(min=1e-12), both)
    harm = sayings.promotes_wrong.double().mean(-1)
    sound = (accuracy >= settings.sound - 1e-9).sum(-1)
    out = []
    for i, name in enumerate(names):
        kind: Kind = "unreliable"
        if sound[i] > 0:
            kind = "reliable"
        elif harm[i] >= settings.harm:
            kind = "harmful"
        out.append(
            ComponentReliability(
                name,
                layer,
                accuracy=_floats(accuracy[i]),
                precision=_floats(precision[i]),
                recall=_floats(recall[i]),
                f1=_floats(f1[i]),
                macro_f1=float(f1[i].mean()),
                sound=int(sound[i]),
                harmful_share=float(harm[i]),
                kind=kind,
            )
        )
    return out


def _floats(row: Tensor) -> tuple[float, ...]:
    return tuple(float(x) for x in row)


def _precision_recall(sayings: Sayings, prompts: Prompts) -> tuple[Tensor, Tensor]:
    """By class [component, class]; the other classes together weigh as much as the class.

    With one class alone, what is promoted falsely is a wrong answer.
    """
    n = len(prompts.classes)
    by_class = torch.stack(
        [prompts.by_class(sayings.promotes[..., c].double()) for c in range(n)], 1
    )  # [component, promoted, of]
    recall = by_class.diagonal(dim1=1, dim2=2)
    if n == 1:
        false = prompts.by_class(sayings.promotes_wrong.double())
    else:
        counts = prompts.counts.double()
        totals = by_class * counts
        false = (totals.sum(-1) - totals.diagonal(dim1=1, dim2=2)) / (counts.sum() - counts)
    promoted = recall + false
    precision = torch.where(promoted > 0, recall / promoted.clamp(min=1e-12), promoted)
    return precision, recall
