"""What a sweep over checkpoints tells beside its table: all over the steps. No torch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from workbench.assessment.report.document import Block, Figure, Heading, Paragraph, Table
from workbench.assessment.report.plots import with_own_names
from workbench.base.table import Table as PlainTable
from workbench.checkpoints.plots import SHOWN, Curves, over_steps
from workbench.checkpoints.results import does_task
from workbench.checkpoints.sequence import Checkpoint
from workbench.errors import WorkbenchError
from workbench.experiment.prepare import LOW_ACCURACY
from workbench.pictures.figure import axes
from workbench.readouts.heads.columns import COLUMNS, KINDS
from workbench.sweeps.results import Circuits, Row, without

if TYPE_CHECKING:
    from workbench.sweeps.cells import Cell
    from workbench.sweeps.folder import SweepFolder

Told = tuple["Cell", Row]
MOST_MAPS = 24
WRITTEN = 10
"""Checkpoints up to which a number stands in each field of a map."""


@dataclass(frozen=True)
class HeadsAtCheckpoint:
    """What was measured of a model's heads.

    Attributes:
        cell: of the sweep.
        heads: by a head's name, its numbers by the names of columns.
    """

    cell: Cell
    heads: Mapping[str, Mapping[str, Any]]

    def most(self, column: str) -> tuple[str, float] | None:
        """The head with the largest number, and that; None where there is none."""
        known = [(one[column], head) for head, one in self.heads.items()
                 if isinstance(one.get(column), int | float)]  # fmt: skip
        value, head = max(known, default=(None, ""))
        return None if value is None else (head, float(value))


def heads_of(cells: Sequence[Cell], folder: SweepFolder) -> list[HeadsAtCheckpoint]:
    """Of finished cells that measured heads, what they found."""
    found = []
    for cell in cells:
        if cell.kind == "heads" and folder.is_done(cell):
            with suppress(WorkbenchError, LookupError, TypeError):
                rows = folder.result(cell)["heads"]
                found.append(HeadsAtCheckpoint(cell, {str(row["head"]): row for row in rows}))
    return found


def heads_table(found: Sequence[HeadsAtCheckpoint]) -> PlainTable:
    """One row for each head of each model, with every digit."""
    names = ("model", "revision", "step", "head", *(n for n in COLUMNS if n != "direct"))
    rows = []
    for one in found:
        settings, at = one.cell.settings, one.cell.checkpoint
        start = (settings.model, settings.revision, None if at is None else at.step)
        for head, numbers in one.heads.items():
            rows.append((*start, head, *(numbers.get(name) for name in names[4:])))
    return PlainTable("heads", names, tuple(rows))


def training_blocks(
    told: Sequence[Told], circuits: Circuits, heads: Sequence[HeadsAtCheckpoint]
) -> list[Block]:
    """All that is told of checkpoints; nothing, if the sweep has none."""
    of_training = [(cell, row) for cell, row in told if cell.checkpoint is not None]
    checkpoints = _in_order(cell for cell, _ in of_training)
    if len(checkpoints) < 2:
        return []
    finished = [one for one in of_training if one[1]["state"] == "finished"]
    return [
        *_ability(checkpoints, finished),
        *_faithfulness(checkpoints, finished),
        *_overlaps(circuits),
        *_between_tasks(checkpoints, circuits),
        *_kinds(checkpoints, [one for one in heads if one.cell.checkpoint is not None]),
    ]


def _in_order(cells: Any) -> list[Checkpoint]:
    return list(dict.fromkeys(cell.checkpoint for cell in cells))


def _ability(checkpoints: Sequence[Checkpoint], told: Sequence[Told]) -> Iterator[Block]:
    by_task: dict[tuple[str, str], dict[Checkpoint, Row]] = defaultdict(dict)
    for cell, row in told:
        if row["clean"] is not None and cell.checkpoint is not None:
            by_task[row["task"], row["metric"]].setdefault(cell.checkpoint, row)
    if not by_task:
        return
    yield Heading("What the model does, over training", 2)
    for i, ((task, metric), rows) in enumerate(by_task.items()):
        name = f"ability-{i}"
        curves = {
            run: [rows[one][run] if one in rows else None for one in checkpoints]
            for run in ("clean", "corrupted")
        }
        drawing = over_steps(checkpoints, curves, metric, lines=(0,))
        yield Figure(name, with_own_names(drawing, name), f"{Path(task).name}: the whole model")
    accuracy = {
        Path(task).name: [rows[one]["clean_accuracy"] if one in rows else None
                          for one in checkpoints]
        for (task, _), rows in by_task.items()
    }  # fmt: skip
    drawing = over_steps(checkpoints, accuracy, "accuracy", lines=(0, 1))
    yield Figure("accuracy", with_own_names(drawing, "accuracy"), "Share of clean prompts right.")


def _faithfulness(checkpoints: Sequence[Checkpoint], told: Sequence[Told]) -> Iterator[Block]:
    groups: dict[tuple[str, str], dict[str, dict[Checkpoint, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for cell, row in told:
        able = does_task(row["clean"], row["corrupted"], row["clean_accuracy"])
        if row["faithfulness"] is not None and cell.checkpoint is not None and able:
            values = groups[row["task"], row["ablation"]][_words(cell)]
            values[cell.checkpoint].append(row["faithfulness"])
    if not groups:
        return
    yield Heading("Faithfulness over training", 2)
    yield Paragraph(
        "Each on its own checkpoint's clean and corrupted runs; the mean over seeds. It is drawn "
        f"where the model does the task: right on {LOW_ACCURACY:.0%} of the clean prompts, and "
        "corrupting them changes a tenth of the metric; before, it is a ratio of noise. What is "
        f"beyond {SHOWN[0]:g} and {SHOWN[1]:g} is drawn there.",
        quiet=True,
    )
    for i, ((task, ablation), by_words) in enumerate(groups.items()):
        name = f"training-{i}"
        curves: Curves = {
            words: [fmean(at[one]) if one in at else None for one in checkpoints]
            for words, at in by_words.items()
        }
        drawing = over_steps(checkpoints, curves, "faithfulness", lines=(0, 1), limits=SHOWN)
        yield Figure(name, with_own_names(drawing, name), f"{Path(task).name}, {ablation}")


def _overlaps(circuits: Circuits) -> Iterator[Block]:
    drawn = 0
    for cells, index in circuits.overlaps(without("model", "revision"), _of(circuits)):
        if not any(value is not None for row in index for value in row):
            continue
        if not drawn:
            yield Heading("Overlaps over training", 2)
        if drawn == MOST_MAPS:
            yield Paragraph(f"The first {MOST_MAPS} maps are shown.", quiet=True)
            return
        name, first = f"overlap-training-{drawn}", cells[0]
        drawn += 1
        drawing = _map([_label(cell.checkpoint) for cell in cells], index)
        about = f"{Path(first.settings.task).name}, {_words(first)}, seed {first.settings.seed}"
        caption = f"Jaccard index of edges at two times: {about}, {first.settings.ablation}"
        yield Figure(name, with_own_names(drawing, name), caption)


def _between_tasks(checkpoints: Sequence[Checkpoint], circuits: Circuits) -> Iterator[Block]:
    """How the circuits of each two tasks overlap, over training."""
    groups: dict[str, dict[str, dict[Checkpoint, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for cells, index in circuits.overlaps(without("task"), _of(circuits)):
        for i, j in combinations(range(len(cells)), 2):
            value, at = index[i][j], cells[i].checkpoint
            if value is not None and at is not None:
                names = sorted(Path(cells[k].settings.task).name for k in (i, j))
                groups[_words(cells[i])][" and ".join(names)][at].append(value)
    for i, (words, by_tasks) in enumerate(groups.items()):
        name = f"overlap-tasks-{i}"
        curves: Curves = {
            tasks: [fmean(at[one]) if one in at else None for one in checkpoints]
            for tasks, at in by_tasks.items()
        }
        drawing = over_steps(checkpoints, curves, "Jaccard index", lines=(0, 1))
        tasks = f": {next(iter(curves))}" if len(curves) == 1 else ""
        caption = f"Overlap between tasks at each time: {words}{tasks}"
        yield Figure(name, with_own_names(drawing, name), caption)


def _of(circuits: Circuits) -> list[Cell]:
    return [cell for cell in circuits.cells if cell.checkpoint is not None]


def _map(labels: Sequence[str], index: Sequence[Sequence[float | None]]) -> str:
    n, small = len(labels), len(labels) > WRITTEN
    side = 0.22 if small else 0.5
    with axes(1.6 + side * n, 0.9 + side * n) as (ax, done):
        values = [[float("nan") if v is None else v for v in row] for row in index]
        image = ax.imshow(values, vmin=0, vmax=1, cmap="Blues")
        for i, row in enumerate(index if not small else ()):
            for j, value in enumerate(row):
                text = "–" if value is None else f"{value:.2f}"
                dark = value is not None and value > 0.6
                ax.text(j, i, text, ha="center", va="center", color="white" if dark else "black")
        size = 6 if small else 9
        ax.set_xticks(range(n), labels, rotation=90 if small else 20, fontsize=size)
        ax.set_yticks(range(n), labels, fontsize=size)
        if small:
            ax.figure.colorbar(image, ax=ax, shrink=0.7)
    return done()


def _kinds(
    checkpoints: Sequence[Checkpoint], found: Sequence[HeadsAtCheckpoint]
) -> Iterator[Block]:
    at = {one.cell.checkpoint: one for one in found}
    if not at:
        return
    yield Heading("Kinds of heads over training", 2)
    yield Paragraph(
        "Of each number by which a kind of head is told, the largest of all heads at each time.",
        quiet=True,
    )
    most = {
        kind.column: [at[one].most(kind.column) if one in at else None for one in checkpoints]
        for kind in KINDS
    }
    columns = [name for name, values in most.items() if any(values)]
    for name in sorted({COLUMNS[column].group for column in columns}):
        curves = {
            column: [None if value is None else value[1] for value in most[column]]
            for column in columns
            if COLUMNS[column].group == name
        }
        words = {"patterns": "where heads look", "weights": "what heads make of words"}
        drawing = over_steps(checkpoints, curves, "the most of any head", lines=(0,))
        figure = f"heads-{name}"
        yield Figure(figure, with_own_names(drawing, figure), words.get(name, name))
    rows = []
    for kind in KINDS:
        values = most[kind.column]
        last = next((value for value in reversed(values) if value is not None), None)
        if last is None or last[1] < kind.least:
            continue
        own = [None if one not in at else at[one].heads[last[0]].get(kind.column)
               for one in checkpoints]  # fmt: skip
        since = next(
            one
            for one, value in zip(checkpoints, own, strict=True)
            if isinstance(value, int | float) and value >= kind.least
        )
        rows.append((kind.name, last[0], f"{last[1]:.2f}", f"{kind.least:g}", _label(since)))
    if rows:
        names = ("kind", "most at the end", "number", "is one from", "first so at")
        yield Table(names, tuple(rows), right=frozenset({2, 3, 4}))


def _words(cell: Cell) -> str:
    """What was asked of a cell beside its model, task, seed and ablation."""
    if cell.kind == "given":
        return Path(cell.told["file"]).name
    size = f"{cell.size} {cell.unit}" if cell.size is not None else f"at {cell.told['threshold']}"
    rest = {k: v for k, v in cell.told.items() if k not in ("edges", "nodes", "threshold")}
    return f"{cell.method}, {size}{f' {json.dumps(rest)}' if rest else ''}"


def _label(checkpoint: Checkpoint | None) -> str:
    return "" if checkpoint is None else checkpoint.label
