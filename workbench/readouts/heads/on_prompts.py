"""Where heads look and what they write, at one position or role of the prompts.

On random tokens a head shows what it does wherever it can; here is what it does on the prompts,
from the token that is read: `S2` looks at where its name stood before, `END` at the name that it is
to say. The columns are those of the finder that depend on where they are read; those by weights
stay as they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.work import Work, finish
from workbench.errors import WorkbenchError
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    difference_note,
    each_run,
    place_of,
)
from workbench.readouts.attention import pattern_weights
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.heads.patterns import PATTERNS
from workbench.readouts.heads.table import DIRECT, ON_PROMPTS, HeadsAt, HeadTable
from workbench.readouts.heads.ways import EFFECTIVE
from workbench.readouts.results import Position
from workbench.readouts.runs import RUN_WORDS

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


def heads_at(
    experiment: Experiment,
    position: Position = -1,
    *,
    pair: int | None = None,
    run: RunChoice = "clean",
    table: HeadTable | None = None,
) -> HeadTable:
    """All heads at one position or role of the prompts.

    Args:
        position: from the end of each prompt if negative, else from its start; or a role, read at
            its last token in those of the pairs that have it.
        pair: a pair's number, or None for the mean over all pairs.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`.
        table: from `find_heads`, whose columns by weights come along; None: none do.

    Raises:
        WorkbenchError: there is no such position, role, pair or run.
    """
    return finish(reading_heads(experiment, position, pair=pair, run=run, table=table))


def reading_heads(
    experiment: Experiment,
    position: Position = -1,
    *,
    pair: int | None = None,
    run: RunChoice = "clean",
    table: HeadTable | None = None,
) -> Work[HeadTable]:
    """`heads_at` as work in pieces."""
    graph, roles = experiment.model.graph, experiment.batch.roles
    place = place_of(experiment, "input", position, pair, run)
    read = each_run(experiment, run, position=position, pair=pair)
    heads = [(layer, head) for layer in range(graph.n_layers) for head in range(graph.n_heads)]
    columns: dict[str, list[float]] = {name: [] for name in PATTERNS}
    looks: list[tuple[float | None, ...]] = []
    for layer, head in heads:
        sums = dict.fromkeys(PATTERNS, 0.0)
        shares = [0.0] * len(roles.names)
        for sign, selections in read:
            rows = _rows(experiment, selections, layer, head)
            for name in PATTERNS:
                sums[name] += sign * _mean([_score(name, *row[:2]) for row in rows])
            for role in range(len(shares)):
                shares[role] += sign * _mean([_share(row[0], row[2], role) for row in rows])
        for name, value in sums.items():
            columns[name].append(value)
        looks.append(tuple(map(_known, shares)))
        if head + 1 == graph.n_heads:
            yield 0.9 * (layer + 1) / graph.n_layers
    values = {name: tuple(map(_known, numbers)) for name, numbers in columns.items()}
    direct, said = _direct(experiment, position, pair, run)
    values |= {} if direct is None else {"direct": direct}
    yield 1.0
    at = HeadsAt(position, pair, place.n_pairs, place.run, place.token, roles.names, tuple(looks))
    where = f"Patterns: {_where(experiment, at)}, not random tokens.{difference_note(run)}"
    return _joined(table, graph.n_layers, graph.n_heads, values, at, (where, said))


def _joined(
    table: HeadTable | None,
    n_layers: int,
    n_heads: int,
    values: dict[str, tuple[float | None, ...]],
    at: HeadsAt,
    notes: tuple[str, str],
) -> HeadTable:
    """With the columns and notes that are by weights."""
    if table is None:
        return HeadTable(n_layers, n_heads, values, EFFECTIVE, 0, notes, at)
    kept = {name: own for name, own in table.values.items() if name not in (*PATTERNS, "direct")}
    by_weights = [note for note in table.notes if not note.startswith(ON_PROMPTS)]
    return replace(table, values={**kept, **values}, notes=(notes[0], *by_weights, notes[1]), at=at)


def _where(experiment: Experiment, at: HeadsAt) -> str:
    place = f"the role {at.position}" if isinstance(at.position, str) else f"token {at.position}"
    over = f"prompt {1 + at.pair}" if at.pair is not None else f"the mean of {at.n_pairs} prompts"
    return f"from {place}, {over} of {experiment.batch.task.name}, {RUN_WORDS[at.run]}"


Row = tuple[list[float], list[int], tuple[int, ...]]
"""Of one pair: where the head looks from the position [key], the tokens and the roles there."""


def _rows(
    experiment: Experiment, selections: Sequence[Activations], layer: int, head: int
) -> list[Row]:
    batch = experiment.batch
    found: list[Row] = []
    for selection in selections:
        end = selection.position + 1
        rows = pattern_weights(selection, layer, head)[:, selection.position, :end].tolist()
        for pair, row in zip(selection.indices, rows, strict=True):
            group, place = batch.locate(pair)
            ids: Tensor = group.corrupted if selection.run == "corrupted" else group.clean
            found.append((row, ids[place][:end].tolist(), batch.roles.of_pairs[pair][:end]))
    return found


def _score(name: str, row: Sequence[float], tokens: Sequence[int]) -> float:
    """One column of one pair; nan where there is nothing to look at."""
    here = len(row) - 1
    same = [at for at in range(here) if tokens[at] == tokens[here]]
    after = [at + 1 for at in same if at + 1 < here]
    if name == "previous":
        return row[here - 1] if here else math.nan
    if name == "duplicate":
        return sum(row[at] for at in same) if same else math.nan
    if name == "induction":
        return sum(row[at] for at in after) if after else math.nan
    if name == "self":
        return row[here]
    if name == "first":
        return row[0] if here else math.nan
    if name == "entropy":
        return -sum(share * math.log(share) for share in row if share > 0)
    return sum(share * (here - at) for at, share in enumerate(row))


def _share(row: Sequence[float], roles: Sequence[int], role: int) -> float:
    own = [share for share, one in zip(row, roles, strict=True) if one == role]
    return sum(own) if own else math.nan


def _mean(values: Sequence[float]) -> float:
    """Over those that there are."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _direct(
    experiment: Experiment, position: Position, pair: int | None, run: RunChoice
) -> tuple[tuple[float | None, ...] | None, str]:
    graph = experiment.model.graph
    try:
        with torch.no_grad():
            found = direct_logit_attribution(experiment, position=position, pair=pair, run=run)
    except WorkbenchError as error:
        return None, f"No direct attribution: {error}"
    rows = {row.node: row.value for row in found.rows}
    heads = tuple(rows[node] for node in graph.sources if graph.is_head(node))
    return heads, f"{DIRECT} as read there."
