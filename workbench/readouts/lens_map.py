"""The residual's lens over layers and positions or roles: a map of the likeliest tokens.

What the model would say next, at every position and after every layer (nostalgebraist 2020, whose
second plot this is); through a Jacobian lens, what each residual disposes it to say. The colour is
the probability of that token, or of a token that is asked about, or that token's rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, RunChoice, at_role, each_run, run_name
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.residual_lens import MAX_LOGITS, definition, depths_read, residuals
from workbench.readouts.runs import RUN_WORDS, RUNS
from workbench.readouts.shapes import Grid
from workbench.readouts.target import Target
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

PROBABILITY, RANK = "probability", "rank"
COLOURS = (PROBABILITY, RANK)


def lens_map(
    experiment: Experiment,
    *,
    pair: int | None = None,
    run: RunChoice = "clean",
    target: Target | None = None,
    by: str = PROBABILITY,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    through: JacobianLens | None = None,
) -> Grid:
    """The likeliest token after each layer at each position or role, and a number for colours.

    Args:
        experiment: model, batch and recorded runs.
        pair: a pair's number, or None for the mean probabilities over all pairs: a column is then
            a role, read at its last token in the pairs that have it.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the difference
            of the probabilities, and tokens by how much more probable they are.
        target: whose probability (their sum) or rank (the best one's) the number is of; None: that
            of the most probable token, and the rank that of the pair's own answers.
        by: "probability" or "rank".
        turn: entered for each position.
        through: a Jacobian lens that carries the residual on to the last layer.

    Raises:
        WorkbenchError: there is no such pair, run or colour, or a rank is asked of a difference, or
            over many pairs of no token.
    """
    if by not in COLOURS:
        raise WorkbenchError(f"A lens map is coloured by {' or '.join(COLOURS)}, not by {by!r}.")
    asked = None if target is None or target.answers is None else target.answers
    if by == RANK and asked is None and pair is None:
        raise WorkbenchError(
            "Answers differ from prompt to prompt: choose a prompt, or the token whose rank it is."
        )
    if by == RANK and len(RUNS[run_name(run)]) > 1:
        raise WorkbenchError("A rank is of one run: choose the clean, corrupted or circuit one.")
    if through is not None:
        through.check(experiment.model)
    with turn() if isinstance(run, InCircuit) else nullcontext():
        runs = each_run(experiment, run, pair=pair, target=target)
    labels = _labels(experiment, pair, runs)
    depths = depths_read(experiment, through)
    ids = None if asked is None else [token for token, _ in asked]
    if by == RANK and ids is None:
        ids = list(runs[0][1][0].answers()[0][0])
    values = np.zeros((len(depths), len(labels)))
    tokens = np.zeros((len(depths), len(labels)), dtype=np.int64)
    for column, label in enumerate(labels):
        with turn():
            if pair is None:
                at = [(sign, at_role(read, experiment.batch.roles, label)) for sign, read in runs]
            else:
                back = len(labels) - column
                at = [(sign, [_at(one, back) for one in read]) for sign, read in runs]
            cells = []
            for probabilities in _probabilities(at, depths, through):
                top, token = probabilities.max(0)
                number = top if ids is None else _number(probabilities, ids, by)
                cells.append(torch.stack((number.double(), token.double())))
            values[:, column], tokens[:, column] = array_of(torch.stack(cells)).T
    texts = experiment.batch.encoding.pieces(tokens.flatten().tolist())
    return Grid(
        title=_title(experiment, pair, run, target, through),
        rows=tuple(f"{depth - 1}" if depth else "embed" for depth in depths),
        columns=labels,
        values=values,
        unit=by,
        definition=_definition(run, target, by, through, by_role=pair is None),
        texts=tuple(
            tuple(texts[row * len(labels) : (row + 1) * len(labels)]) for row in range(len(depths))
        ),
        reciprocal=by == RANK,
    )


def _labels(
    experiment: Experiment, pair: int | None, runs: list[tuple[float, list[Activations]]]
) -> tuple[str, ...]:
    """The token at each position that is read, or each role if many prompts are."""
    if pair is None:
        return experiment.batch.roles.names
    which = 1 if all(one.run == "corrupted" for _, read in runs for one in read) else 0
    return tuple(experiment.batch.tokens(pair)[which])


def _at(selection: Activations, back: int) -> Activations:
    """The same pairs, so many positions from the end; `selection` is at the last one."""
    return replace(selection, position=selection.position + 1 - back)


@torch.no_grad()
def _probabilities(
    runs: list[tuple[float, list[Activations]]], depths: list[int], through: JacobianLens | None
) -> Iterator[Tensor]:
    """Mean over the pairs, or of two runs its difference, [vocabulary], depth by depth."""
    n_pairs = sum(len(one.rows) for one in runs[0][1])
    parts = runs[0][1][0].parts
    widest = max(len(one.rows) for _, read in runs for one in read)
    at_once = max(1, MAX_LOGITS // (widest * parts.w_u.shape[1]))
    for first in range(0, len(depths), at_once):
        some = depths[first : first + at_once]
        totals = [
            sign * wide(unembed(parts, residuals(one, some, through))).softmax(-1).sum(0)
            for sign, read in runs
            for one in read
        ]
        yield from torch.stack(totals).sum(0) / n_pairs


def _number(probabilities: Tensor, ids: list[int], by: str) -> Tensor:
    """What the colour of a cell is of, []."""
    own = probabilities[kept_index(tuple(ids), probabilities.device)]
    if by == PROBABILITY:
        return own.sum()
    return 1 + (probabilities > own.max()).sum()


def _title(
    experiment: Experiment,
    pair: int | None,
    run: RunChoice,
    target: Target | None,
    through: JacobianLens | None,
) -> str:
    lens = "Lens map" if through is None else "Jacobian lens map"
    of = f"mean of {experiment.batch.n_pairs}" if pair is None else f"prompt {pair + 1}"
    name = run_name(run)
    of += "" if name == "clean" else f", {RUN_WORDS[name]}"
    asked = "" if target is None or target.answers is None else f" of {target.sides[0]}"
    return f"{lens}{asked}, {of}"


def _definition(
    run: RunChoice,
    target: Target | None,
    by: str,
    through: JacobianLens | None,
    *,
    by_role: bool,
) -> str:
    asked = None if target is None or target.answers is None else target.sides[0]
    colour = "its probability" if asked is None else f"the probability of {asked}"
    if by == RANK:
        whose = asked or "the best of the answers"
        colour = f"the rank of {whose}, 1 the most probable; a cell is shaded by its reciprocal"
    means = " A column is a role: means at its last token, over the pairs that have it."
    return (
        f"In each cell the most probable token, and {colour}.{means if by_role else ''} "
        f"{definition(run, through)}"
    )
