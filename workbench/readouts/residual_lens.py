"""The residual stream's logit lens: what the model would say if it stopped at each layer.

Here the final norm is applied as it is, with the scale that the residual of that depth gives it, so
that the last row is the model's own prediction (nostalgebraist 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.circuits.graph import LOGITS
from workbench.metrics.metric import Answers, Metric
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    check_k,
    difference_note,
    each_run,
    place_of,
    token_values,
)
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.results import Position, ResidualLens, ResidualRow
from workbench.readouts.target import Target
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

READ = (
    "The residual stream at each depth through the final norm (with the scale it has there) and "
    "the unembedding"
)
CARRIED = (
    "The residual stream at each depth, carried on to the last layer by {}, then through the final "
    "norm (with the scale that gives it) and the unembedding"
)
AS_PROBABILITIES = ", as probabilities; for several prompts their mean"
IN_CIRCUIT = (
    " In the circuit every node reads a sum of its own: this is the one that the logits read, as "
    "far as it is written by then."
)
EMBEDDINGS = "embeddings"

MAX_LOGITS = 2**22
"""Logits in one chunk, 16 MiB in float32: every layer of one prompt, a few of many prompts."""


def residual_lens(
    experiment: Experiment,
    *,
    position: Position = -1,
    pair: int | None = None,
    k: int = 5,
    run: RunChoice = "clean",
    target: Target | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    through: JacobianLens | None = None,
) -> ResidualLens:
    """Most probable tokens, logit difference and metric after the embeddings and each layer.

    Args:
        experiment: model, batch and recorded runs.
        position: from the end of each prompt if negative, else from its start; or a role. The
            answers are those of the prompt's end, wherever the residual is read.
        pair: a pair's number, or None for the mean over all pairs.
        k: how many tokens a row.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the
            difference, and tokens by how much more probable they are.
        target: what the logit difference and the metric are of; None: each pair's own answers.
        turn: entered for each chunk, since over many prompts this takes as long as running them.
        through: carries the residual on to the last layer before it is read; rows are then those
            of the layers that it reads at, and the last one.

    Raises:
        WorkbenchError: if there is no such pair, position or run, or k < 1.
    """
    check_k(k)
    if through is not None:
        through.check(experiment.model)
    # To record a circuit takes as long as a chunk, or longer.
    with turn() if isinstance(run, InCircuit) else nullcontext():
        runs = each_run(experiment, run, position=position, pair=pair, target=target)
    place = place_of(experiment, LOGITS, position, pair, run, target)
    read = [(sign, selection) for sign, selections in runs for selection in selections]
    metrics = [_metric(experiment, selection) for _, selection in read]
    n_pairs = sum(len(selection.rows) for selection in runs[0][1])
    widest = max(len(selection.rows) for _, selection in read)
    at_once = max(1, MAX_LOGITS // (widest * experiment.model.parts.w_u.shape[1]))
    alone = target is not None and target.is_alone
    every = depths_read(experiment, through)
    rows: list[ResidualRow] = []
    for first in range(0, len(every), at_once):
        depths = every[first : first + at_once]
        with turn():
            reads = [
                [sign * total for total in _read(selection, metric, depths, alone, through)]
                for (sign, selection), metric in zip(read, metrics, strict=True)
            ]
        probabilities, values, differences = (
            torch.stack(sums).sum(0) / n_pairs for sums in zip(*reads, strict=True)
        )
        read_out = array_of(torch.stack((differences.double(), values.double()), dim=1)).tolist()
        for i, depth in enumerate(depths):
            rows.append(
                ResidualRow(
                    name=depth_name(depth),
                    layer=depth - 1,
                    top=token_values(experiment, probabilities[i], k, largest=True),
                    logit_difference=read_out[i][0],
                    metric=read_out[i][1],
                )
            )
    return ResidualLens(
        place=place,
        rows=tuple(rows),
        definition=definition(run, through),
        lens="Residual lens" if through is None else "Jacobian lens of the residual",
    )


def depths_read(experiment: Experiment, through: JacobianLens | None) -> list[int]:
    """The depths at which a residual is read: all, or those of a Jacobian lens and the last."""
    n_layers = experiment.model.graph.n_layers
    if through is None:
        return list(range(n_layers + 1))
    return [*sorted(depth for depth in through.matrices if depth < n_layers), n_layers]


def depth_name(depth: int) -> str:
    """After what a residual was read."""
    return f"layer {depth - 1}" if depth else EMBEDDINGS


def definition(
    run: RunChoice, through: JacobianLens | None = None, what: str = AS_PROBABILITIES
) -> str:
    """How a residual is read, in a sentence; another says so of a difference or a circuit."""
    said = (READ if through is None else CARRIED.format(through.note)) + what + "."
    return said + difference_note(run) + (IN_CIRCUIT if isinstance(run, InCircuit) else "")


@torch.no_grad()
def _read(
    selection: Activations,
    metric: Metric,
    depths: list[int],
    alone: bool,
    through: JacobianLens | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over pairs: probabilities [depth, vocabulary], metric and logit difference [depth]."""
    residual = residuals(selection, depths, through)
    logits = unembed(selection.parts, residual)
    if alone:
        named = metric.answers.right[:, None].expand(-1, logits.shape[1], -1)
        differences = wide(logits.gather(-1, named)).mean(-1) - wide(logits).mean(-1)
    else:
        differences = wide(metric.logit_difference(logits))
    differences = differences.sum(0)
    values = differences
    if metric.name != "logit_diff":
        values = wide(metric.of_residual(residual)).sum(0)
    return wide(logits).softmax(-1).sum(0), values, differences


def residuals(selection: Activations, depths: list[int], through: JacobianLens | None) -> Tensor:
    """The residual at each depth, [pair, depth, d_model], as far as a lens carries it.

    The final norm is still to be applied.
    """
    found = []
    for depth in depths:
        x = selection.residual(depth)
        found.append(x if through is None else through.carry(x, depth).to(x.dtype))
    return torch.stack(found, dim=1)


def _metric(experiment: Experiment, selection: Activations) -> Metric:
    """The task's metric of the selected pairs; `kl` compares with the clean run there."""
    parts = selection.parts
    answers = Answers.of(*selection.answers(), parts.device, parts.dtype)
    clean = selection.clean().output(LOGITS)
    return Metric(experiment.metric_name, parts, answers, clean)
