"""Layout by columns: boxes of a token role above each other, lines across between them.

Rows are layers, as in `layout`. A line rises in the column of its source, past the rows between,
and goes over to the box that it enters from the row below that.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from workbench.pictures.layout import (
    GAP,
    LABEL_LINE,
    LEAST_GAP,
    LEAST_PASSING,
    MOST_GAP,
    PAD,
    PASSING,
    SIDE,
    SMALL,
    Column,
    Layout,
    Measure,
    PlacedBox,
    layer_numbers,
    moved,
    sized_box,
)
from workbench.pictures.routes import Path, Point, arc, rise, straight
from workbench.pictures.rows import Slot, place
from workbench.pictures.scene import Box, Line, Scene

LANES = 24.0
"""Points of a column's width that lines may take, where they need them; beyond it they share."""


@dataclass
class _Column:
    """One column.

    Attributes:
        boxes: by row, its boxes.
        width: in points; `x` is its left side.
        rows: by row, its slots.
        passing: by number of a line, the rows that it passes and where.
    """

    boxes: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    width: float = 0.0
    x: float = 0.0
    rows: list[list[Slot]] = field(default_factory=list)
    passing: dict[int, list[tuple[int, Slot]]] = field(default_factory=dict)


def lay_out_columns(scene: Scene, width: float, tall: float, measure: Measure) -> Layout:
    """Give everything a place; arguments as of `lay_out`.

    The picture gets wider than asked for if the names of one row do not stand side by side in it.
    """
    margin = measure(str(scene.n_layers), SMALL, False) + 2 * PAD
    room = width - margin - 2 * SIDE
    ranks = _ranks(scene)
    row_of = {box.key: row for row, boxes in enumerate(ranks) for box in boxes}
    for short in (False, True):
        boxes = {
            box.key: sized_box(box, box.short if short else box.label, room, 1, measure)
            for box in scene.boxes
        }
        columns = _columns(scene, row_of, boxes, measure)
        needed = sum(column.width for column in columns)
        if needed <= room:
            break
    spread = max(0.0, room - needed) / len(columns)
    x = margin + SIDE
    for column in columns:
        column.x, column.width = x, column.width + spread
        x += column.width
    for number, column in enumerate(columns):
        _place(scene, number, column, row_of, boxes, len(ranks))
    heights = [max(boxes[box.key].rect.height for box in row) for row in ranks]
    spare = (tall - sum(heights)) / max(1, len(ranks) - 1)
    gap = min(MOST_GAP, max(LEAST_GAP, spare))
    bottoms, y = [], SIDE + LEAST_GAP
    for height in heights:
        bottoms.append(y)
        y += height + gap
    top = y - gap + SIDE
    placed: dict[str, PlacedBox] = {}
    for column in columns:
        for row, slots in enumerate(column.rows):
            for slot in slots:
                if slot.key is not None:
                    own = boxes[slot.key]
                    left = column.x + slot.x - own.rect.width / 2
                    up = bottoms[row] + (heights[row] - own.rect.height) / 2
                    placed[slot.key] = moved(own, left, up)
    bands = [(low, low + height) for low, height in zip(bottoms, heights, strict=True)]
    lines = [
        (line, _path(number, line, columns[_column(scene, line.source)], placed, row_of, bands))
        for number, line in enumerate(scene.lines)
    ]
    titles = tuple(
        Column(title, column.x, column.x + column.width, top)
        for title, column in zip(scene.columns, columns, strict=True)
    )
    numbers = tuple(layer_numbers(scene, ranks, bottoms, heights))
    ordered = tuple(placed[box.key] for box in scene.boxes)
    right = max(width, x + SIDE)
    return Layout(right, top + LABEL_LINE, ordered, tuple(lines), numbers, titles)


def _ranks(scene: Scene) -> list[list[Box]]:
    """The boxes by row, from the lowest up: a layer's MLP above the heads that it reads."""
    layer = {box.key: box.layer for box in scene.boxes}
    fed = {
        layer[line.destination]
        for line in scene.lines
        if layer[line.source] == layer[line.destination]
    }
    rows: dict[tuple[float, bool], list[Box]] = defaultdict(list)
    for box in scene.boxes:
        rows[box.layer, box.kind == "mlp" and box.layer in fed].append(box)
    return [rows[at] for at in sorted(rows)]


def _column(scene: Scene, key: str) -> int:
    return scene.column_of[key]


def _columns(
    scene: Scene, row_of: dict[str, int], boxes: dict[str, PlacedBox], measure: Measure
) -> list[_Column]:
    """The columns with their boxes, as wide as the widest row with lines past it, or title."""
    columns = [_Column() for _ in scene.columns]
    for box in scene.boxes:
        columns[_column(scene, box.key)].boxes[row_of[box.key]].append(box)
    for title, column in zip(scene.columns, columns, strict=True):
        rows = (
            sum(boxes[box.key].rect.width + GAP for box in row) for row in column.boxes.values()
        )
        column.width = max(max(rows) + LANES, measure(title, SMALL, True) + 2 * PAD)
    return columns


def _place(
    scene: Scene,
    number: int,
    column: _Column,
    row_of: dict[str, int],
    boxes: dict[str, PlacedBox],
    n_rows: int,
) -> None:
    """Give the boxes of a column their places, and the points at which lines pass its rows."""
    column.rows = [
        [Slot(boxes[box.key].rect.width + GAP, box.key) for box in column.boxes.get(row, ())]
        for row in range(n_rows)
    ]
    slots = {slot.key: slot for row in column.rows for slot in row if slot.key is not None}
    own = [(at, line) for at, line in enumerate(scene.lines) if line.source in slots]
    own = [(at, line) for at, line in own if row_of[line.source] < row_of[line.destination]]
    free = [column.width - sum(slot.width for slot in row) for row in column.rows]
    for shared in (False, True):
        # Each line passes at points of its own; where these have no room, those of a box share.
        tops: dict[str | int, tuple[str, int]] = {}
        for at, line in own:
            name = line.source if shared else at
            _, top = tops.get(name, (line.source, 0))
            tops[name] = line.source, max(top, row_of[line.destination])
        crossed = [0] * n_rows
        for source, top in tops.values():
            for row in range(row_of[source] + 1, top):
                crossed[row] += 1
        if all(n * PASSING / 2 <= room for n, room in zip(crossed, free, strict=True)):
            break
    chains: dict[str | int, list[tuple[int, Slot]]] = {}
    for name, (source, top) in tops.items():
        before = slots[source]
        chains[name] = []
        for row in range(row_of[source] + 1, top):
            point = Slot(max(LEAST_PASSING / 4, min(PASSING, free[row] / crossed[row])))
            column.rows[row].append(point)
            chains[name].append((row, point))
            before.join(point)
            before = point
    for at, line in own:
        end = row_of[line.destination]
        its = [(row, point) for row, point in chains[line.source if shared else at] if row < end]
        column.passing[at] = its
        if line.destination in slots:
            port = boxes[line.destination].ports.get(line.input, 0.0)
            (its[-1][1] if its else slots[line.source]).join(slots[line.destination], port)
    place(column.rows, column.width, sort=True)


def _path(
    number: int,
    line: Line,
    column: _Column,
    placed: dict[str, PlacedBox],
    row_of: dict[str, int],
    bands: list[tuple[float, float]],
) -> Path:
    start, end = placed[line.source], placed[line.destination]
    port = end.ports.get(line.input, end.rect.middle)
    low, high = row_of[line.source], row_of[line.destination]
    if high <= low:
        return arc(start.rect, end.rect, port, same_row=high == low)
    # Out of its row straight up, and so into the other: a box beside may be taller.
    at: Point = (start.rect.middle, bands[low][1])
    curves = [straight((start.rect.middle, start.rect.top), at)]
    for row, slot in column.passing.get(number, ()):
        below, above = ((column.x + slot.x, y) for y in bands[row])
        curves += [rise(at, below), straight(below, above)]
        at = above
    curves += [
        rise(at, (port, bands[high][0])),
        straight((port, bands[high][0]), (port, end.rect.y)),
    ]
    return tuple(curve for curve in curves if curve[0] != curve[3])
