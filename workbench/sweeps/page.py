"""The page of a sweep: faithfulness over sizes, stability, overlaps, training. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from workbench.assessment.report.document import Block, Bullets, Figure, Heading, Paragraph, Table
from workbench.assessment.report.plots import with_own_names
from workbench.pictures.figure import BLUE, FAINT, GREY, ORANGE, axes
from workbench.sweeps.results import Circuits, Row, stability, without
from workbench.sweeps.training import HeadsAtCheckpoint, training_blocks

if TYPE_CHECKING:
    from workbench.sweeps.cells import Cell

MARKERS = "osD^v<>PX*"
DASHES = ("-", "--", ":", "-.")
MOST_MAPS = 24


def page(
    title: str,
    rows: Sequence[Row],
    circuits: Circuits,
    cells: Sequence[Cell],
    heads: Sequence[HeadsAtCheckpoint],
) -> list[Block]:
    """The whole page.

    Args:
        cells: those of the rows.
        heads: what was measured of models' heads.
    """
    told = list(zip(cells, rows, strict=True))
    # What is over training has curves of its own, and would be a picture for each checkpoint here.
    by_size = [row for cell, row in told if cell.checkpoint is None and cell.kind == "found"]
    return [
        Heading(f"Sweep {title}", 1),
        *_summary(rows),
        *training_blocks(told, circuits, heads),
        *_faithfulness(by_size),
        *_stability(circuits),
        *_overlaps(circuits),
        *_table(rows),
        *_failed(rows),
    ]


def _summary(rows: Sequence[Row]) -> Iterator[Block]:
    states = [row["state"] for row in rows]
    yield Paragraph(
        f"{len(rows):,} cells: {states.count('finished'):,} finished, "
        f"{states.count('failed'):,} failed, {states.count('open'):,} not run yet."
    )


def _faithfulness(rows: Sequence[Row]) -> Iterator[Block]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row["state"] == "finished" and row["faithfulness"] is not None:
            groups[row["model"], row["task"], row["ablation"]].append(row)
    if not groups:
        return
    yield Heading("Faithfulness over sizes", 2)
    yield Paragraph(
        "Mean over seeds, against the edges kept; the bars are the least and the most.", quiet=True
    )
    for i, ((model, task, ablation), group) in enumerate(groups.items()):
        name = f"faithfulness-{i}"
        caption = f"{_short(model)} on {_short(task)}, {ablation}"
        yield Figure(name, with_own_names(_curves(group), name), caption)


def _curves(rows: Sequence[Row]) -> str:
    methods: dict[str, dict[Any, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        methods[row["method"]][row["size"], row["threshold"]].append(row)
    with axes(6.4, 3.6) as (ax, done):
        ax.axhline(1, color=GREY, linewidth=1)
        ax.axhline(0, color=GREY, linewidth=1, linestyle=":")
        for i, (method, sizes) in enumerate(methods.items()):
            points = sorted(
                (fmean(r["edges"] for r in of_size), [r["faithfulness"] for r in of_size])
                for of_size in sizes.values()
            )
            means = [fmean(values) for _, values in points]
            spread = [
                [mean - min(v) for mean, (_, v) in zip(means, points, strict=True)],
                [max(v) - mean for mean, (_, v) in zip(means, points, strict=True)],
            ]
            ax.errorbar(
                [x for x, _ in points],
                means,
                yerr=spread if any(len(values) > 1 for _, values in points) else None,
                color=(BLUE, ORANGE, "#333333")[i % 3],
                marker=MARKERS[i % len(MARKERS)],
                linestyle=DASHES[i // 3 % len(DASHES)],
                markersize=5,
                linewidth=1,
                label=method,
            )
        ax.set_xlabel("edges kept")
        ax.set_ylabel("faithfulness")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return done()


def _stability(circuits: Circuits) -> Iterator[Block]:
    found = stability(circuits)
    if not found:
        return
    yield Heading("Stability over seeds", 2)
    yield Paragraph(
        "The Jaccard index of the edges of each two seeds, in the mean: 1 where all seeds give the "
        "same circuit. The bar is the mean over models, tasks, sizes and ablations, a dot one of "
        "them.",
        quiet=True,
    )
    by_method: dict[str, list[float]] = defaultdict(list)
    for cell, mean, _ in found:
        by_method[cell.method].append(mean)
    with axes(6.4, 0.8 + 0.3 * len(by_method)) as (ax, done):
        for y, values in enumerate(by_method.values()):
            ax.barh(y, fmean(values), color=FAINT, edgecolor=GREY)
            ax.plot(values, [y] * len(values), "o", color=BLUE, markersize=4)
        ax.set_yticks(range(len(by_method)), list(by_method))
        ax.invert_yaxis()
        ax.set_xlim(0, 1.03)
        ax.set_xlabel("Jaccard index of edges")
    caption = f"Over {max(n for _, _, n in found)} seeds."
    yield Figure("stability", with_own_names(done(), "stability"), caption)


def _overlaps(circuits: Circuits) -> Iterator[Block]:
    drawn = 0
    for setting, many in (("task", "tasks"), ("model", "models")):
        # Those of checkpoints are told over training.
        of_models = (cell for cell in circuits.cells if cell.checkpoint is None)
        groups = list(circuits.overlaps(without(setting), of_models))
        if not groups:
            continue
        yield Heading(f"Overlaps over {many}", 2)
        for cells, index in groups[: MOST_MAPS - drawn]:
            name = f"overlap-{setting}-{drawn}"
            known = [v for row in index for v in row if v is not None]
            drawn += 1
            if not known:
                continue
            labels = [_short(getattr(cell.settings, setting)) for cell in cells]
            first = cells[0]
            about = f"{first.method}, {_size(first)}, seed {first.settings.seed}"
            caption = f"Jaccard index of edges: {about}, {first.settings.ablation}"
            yield Figure(name, with_own_names(_map(labels, index), name), caption)
        if len(groups) > MOST_MAPS - drawn and drawn >= MOST_MAPS:
            yield Paragraph(f"The first {MOST_MAPS} maps are shown.", quiet=True)


def _map(labels: Sequence[str], index: Sequence[Sequence[float | None]]) -> str:
    n = len(labels)
    with axes(1.8 + 0.7 * n, 0.9 + 0.45 * n) as (ax, done):
        values = [[float("nan") if v is None else v for v in row] for row in index]
        ax.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for i, row in enumerate(index):
            for j, value in enumerate(row):
                text = "–" if value is None else f"{value:.2f}"
                dark = value is not None and value > 0.6
                ax.text(j, i, text, ha="center", va="center", color="white" if dark else "black")
        ax.set_xticks(range(n), labels, rotation=20, ha="right")
        ax.set_yticks(range(n), labels)
    return done()


def _table(rows: Sequence[Row]) -> Iterator[Block]:
    finished = [row for row in rows if row["state"] == "finished"]
    if not finished:
        return
    yield Heading("All cells", 2)
    names = (
        *("model", "task", "method", "asked", "seed", "ablation", "metric", "clean", "accuracy"),
        *("edges", "faithfulness", "s"),
    )
    yield Table(
        names,
        tuple(
            (
                _short(row["model"]) + (f"@{row['revision']}" if row["revision"] else ""),
                _short(row["task"]),
                row["method"],
                _asked(row),
                f"{row['seed']}",
                row["ablation"],
                row["metric"] or "",
                _number(row["clean"]),
                _number(row["clean_accuracy"], 3),
                "" if row["edges"] is None else f"{row['edges']:,}",
                "none" if row["faithfulness"] is None else f"{row['faithfulness']:.4f}",
                f"{row['seconds']:.3g}",
            )
            for row in finished
        ),
        right=frozenset({3, 4, 7, 8, 9, 10, 11}),
    )


def _asked(row: Row) -> str:
    if row["file"] is not None:
        return _short(row["file"])
    asked = row["size"] if row["threshold"] is None else row["threshold"]
    return "" if asked is None else f"{asked}"


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _failed(rows: Sequence[Row]) -> Iterator[Block]:
    failed = [row for row in rows if row["state"] == "failed"]
    if failed:
        yield Heading("Failed", 2)
        yield Bullets(tuple(f"{row['cell']}: {row['reason']}" for row in failed))


def _size(cell: Cell) -> str:
    return (
        f"threshold {cell.told['threshold']}" if cell.size is None else f"{cell.size} {cell.unit}"
    )


def _short(name: str) -> str:
    return Path(name).name
