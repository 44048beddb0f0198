"""How far up a token stands after each layer: its rank in the whole vocabulary.

Read as the residual lens reads: after which layer does the answer come to the top?
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import kept_index, on_host
from workbench.circuits.graph import LOGITS
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, RunChoice, each_run, place_of, run_name
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.residual_lens import (
    MAX_LOGITS,
    definition,
    depth_name,
    depths_read,
    residuals,
)
from workbench.readouts.results import Position, position_words
from workbench.readouts.runs import RUN_WORDS, RUNS
from workbench.readouts.shapes import RANK, Series
from workbench.readouts.target import Target
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


def token_ranks(
    experiment: Experiment,
    *,
    position: Position = -1,
    pair: int | None = None,
    run: RunChoice = "clean",
    target: Target | None = None,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    through: JacobianLens | None = None,
) -> Series:
    """The rank, from 1, of each prompt's best answer after the embeddings and each layer.

    Args:
        experiment, position, pair, turn, through: as for `residual_lens.residual_lens`.
        run: the name of a run, or `InCircuit(circuit)`; not a difference.
        target: whose rank it is; None: that of each pair's own answers.

    Raises:
        WorkbenchError: as `residual_lens`, or the run is a difference of two.
    """
    name = run_name(run)
    if len(RUNS[name]) > 1:
        raise WorkbenchError("A rank is of one run: choose the clean, corrupted or circuit one.")
    if through is not None:
        through.check(experiment.model)
    with turn() if isinstance(run, InCircuit) else nullcontext():
        ((_, selections),) = each_run(experiment, run, position=position, pair=pair, target=target)
    place = place_of(experiment, LOGITS, position, pair, run, target)
    depths = depths_read(experiment, through)
    found: list[Tensor] = []
    for selection in selections:
        at_once = max(1, MAX_LOGITS // (len(selection.rows) * selection.parts.w_u.shape[1]))
        for first in range(0, len(depths), at_once):
            with turn():
                found.append(_ranks(selection, depths[first : first + at_once], through))
    by_depth = _by_depth(found, len(depths))
    words = "the answers" if target is None else target.sides[0]
    of = f"prompt {pair + 1}" if pair is not None else f"median of {place.n_pairs} prompts"
    shown = "" if name == "clean" else f", {RUN_WORDS[name]}"
    best = " (of several the best)" if target is None or len(target.answers or ()) > 1 else ""
    return Series(
        f"Rank of {words} {position_words(position)}, {of}{shown}",
        tuple(map(depth_name, depths)),
        tuple(float(ranks.quantile(0.5)) for ranks in by_depth),
        unit=RANK,
        definition=(
            f"How many tokens of the vocabulary are more probable{best}, and 1; over several "
            f"prompts the median. {definition(run, through, what='')}"
        ),
    )


@torch.no_grad()
def _ranks(selection: Activations, depths: list[int], through: JacobianLens | None) -> Tensor:
    """Ranks [pair, depth] of each pair's best answer."""
    logits = wide(unembed(selection.parts, residuals(selection, depths, through)))
    right, _ = selection.answers()
    ranks = []
    for row, ids in zip(logits, right, strict=True):
        best = row[:, kept_index(tuple(ids), row.device)].max(-1, keepdim=True).values
        ranks.append(1.0 + (row > best).sum(-1))
    return on_host(torch.stack(ranks))


def _by_depth(found: list[Tensor], n_depths: int) -> list[Tensor]:
    """Each depth's ranks over all pairs, from pieces that follow one another depth by depth."""
    pieces, columns = [], []
    for piece in found:
        columns.append(piece)
        if sum(one.shape[1] for one in columns) == n_depths:
            pieces.append(torch.cat(columns, dim=1))
            columns = []
    return list(torch.cat(pieces).T)
