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
from workbench.readouts.results import ResidualLens, ResidualRow
from workbench.readouts.target import Target
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

DEFINITION = (
    "The residual stream at each depth through the final norm (with the scale it has there) and "
    "the unembedding, as probabilities; for several prompts their mean."
)
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
    position: int = -1,
    pair: int | None = None,
    k: int = 5,
    run: RunChoice = "clean",
    target: Target | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> ResidualLens:
    """Most probable tokens, logit difference and metric after the embeddings and each layer.

    Args:
        experiment: model, batch and recorded runs.
        position: from the end of each prompt if negative, else from its start. The answers are
            those of the prompt's end, wherever the residual is read.
        pair: a pair's number, or None for the mean over all pairs.
        k: how many tokens a row.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the
            difference, and tokens by how much more probable they are.
        target: what the logit difference and the metric are of; None: each pair's own answers.
        turn: entered for each chunk, since over many prompts this takes as long as running them.

    Raises:
        WorkbenchError: if there is no such pair, position or run, or k < 1.
    """
    check_k(k)
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
    n_depths = experiment.model.graph.n_layers + 1
    rows: list[ResidualRow] = []
    for first in range(0, n_depths, at_once):
        depths = range(first, min(first + at_once, n_depths))
        with turn():
            reads = [
                [sign * total for total in _read(selection, metric, depths, alone)]
                for (sign, selection), metric in zip(read, metrics, strict=True)
            ]
        probabilities, values, differences = (
            torch.stack(sums).sum(0) / n_pairs for sums in zip(*reads, strict=True)
        )
        for i, depth in enumerate(depths):
            rows.append(
                ResidualRow(
                    name=f"layer {depth - 1}" if depth else EMBEDDINGS,
                    layer=depth - 1,
                    top=token_values(experiment, probabilities[i], k, largest=True),
                    logit_difference=float(differences[i]),
                    metric=float(values[i]),
                )
            )
    return ResidualLens(place=place, rows=tuple(rows), definition=_definition(run))


def _definition(run: RunChoice) -> str:
    said = DEFINITION
    return said + difference_note(run) + (IN_CIRCUIT if isinstance(run, InCircuit) else "")


@torch.no_grad()
def _read(
    selection: Activations, metric: Metric, depths: range, alone: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over pairs: probabilities [depth, vocabulary], metric and logit difference [depth]."""
    residual = torch.stack([selection.residual(depth) for depth in depths], dim=1)
    logits = unembed(selection.parts, residual)
    if alone:
        named = metric.answers.right[:, None].expand(-1, logits.shape[1], -1)
        differences = logits.gather(-1, named).float().mean(-1) - logits.float().mean(-1)
    else:
        differences = metric.logit_difference(logits).float()
    differences = differences.sum(0)
    values = differences
    if metric.name != "logit_diff":
        values = metric.of_residual(residual).float().sum(0)
    return logits.float().softmax(-1).sum(0), values, differences


def _metric(experiment: Experiment, selection: Activations) -> Metric:
    """The task's metric of the selected pairs; `kl` compares with the clean run there."""
    parts = selection.parts
    answers = Answers.of(*selection.answers(), parts.device, parts.dtype)
    clean = selection.clean().output(LOGITS)
    return Metric(experiment.metric_name, parts, answers, clean)
