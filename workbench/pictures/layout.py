"""Layout: where boxes and lines of a scene stand on the paper.

Layers are rows, the input below and the logits on top; all lengths are points (1/72 inch), measured
from the lower left corner. Nothing is smaller than 6 points at the size at which it is printed.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workbench.pictures.routes import Path, Rect, arc, route
from workbench.pictures.rows import Slot, place
from workbench.pictures.scene import Box, Line, Scene

LABEL, SMALL = 7.0, 6.0
"""Sizes of type: of names, and of all else."""
PAD, GAP, SIDE = 3.0, 5.0, 2.0
LABEL_LINE, SMALL_LINE = 10.0, 7.5
"""Heights of a line of either type."""
LEAST_GAP, MOST_GAP = 7.0, 26.0
"""Between two rows."""
MOST_ROWS = 20
"""Rows up to which an MLP stands above the heads of its own layer; else it stands beside them."""
MOST_PASSING = 900
"""Points at which lines pass rows, up to which each line has its own."""
MOST_ON_TRUNKS = 3600
"""The same where the lines of a source share them."""
PASSING, LEAST_PASSING = 4.0, 1.2
"""Room that a passing line has to its sides, and that it needs."""
BOX_WIDTH = 150.0
"""Of a group at most."""

Measure = Callable[[str, float, bool], float]
"""Width of a text of this size, bold or not."""


@dataclass(frozen=True)
class PlacedBox:
    """A box with its place.

    Attributes:
        label: what is written in it, on top.
        lines: below it.
        letter: of its group, behind the label; "" for none.
        ports: by input of a head, the middle of its letter.
    """

    box: Box
    rect: Rect
    label: str
    lines: tuple[str, ...] = ()
    letter: str = ""
    ports: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column of a picture by position: its title, its left and right side, and its top."""

    title: str
    left: float
    right: float
    top: float


@dataclass(frozen=True)
class Layout:
    """A picture with places.

    Attributes:
        width, height: of the picture without its key and title.
        boxes: all of them.
        lines: each with the curves that it follows.
        layers: number of a layer, and the height at which it stands.
        columns: of a picture by position, else none.
    """

    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    lines: tuple[tuple[Line, Path], ...]
    layers: tuple[tuple[str, float], ...]
    columns: tuple[Column, ...] = ()


def lay_out(scene: Scene, width: float, tall: float, measure: Measure) -> Layout:
    """Give everything a place.

    Args:
        width: of the picture; it gets wider only for a name that is wider than that.
        tall: the height up to which there may be more room between rows than they need.
    """
    of_groups = any(box.kind in ("group", "rest") for box in scene.boxes)
    margin = 0.0 if of_groups else measure(str(scene.n_layers), SMALL, False) + 2 * PAD
    room = width - margin - 2 * SIDE
    ranks = _ranks(scene, of_groups)
    long = {box.key: sized_box(box, box.label, room, len(row), measure)
            for row in ranks for box in row}  # fmt: skip
    if any(sum(long[b.key].rect.width + GAP for b in row) > room for row in ranks):
        short = {box.key: sized_box(box, box.short, room, len(row), measure)
                 for row in ranks for box in row}  # fmt: skip
        sized, ranks = short, [part for row in ranks for part in _wrapped(row, short, room)]
    else:
        sized = long
    grid = _Grid.of(scene, ranks, sized, room)
    passing = grid.draw()
    place(grid.rows, room, sort=bool(passing))
    heights = [max(sized[box.key].rect.height for box in row) for row in ranks]
    spare = (tall - sum(heights)) / max(1, len(ranks) - 1)
    gap = min(MOST_GAP, max(LEAST_GAP, spare))
    bottoms, at = [], SIDE + (LEAST_GAP if _dips(scene, ranks) else 0.0)
    for height in heights:
        bottoms.append(at)
        at += height + gap
    top = at - gap + SIDE
    row_of = grid.row_of
    boxes = {}
    for key, slot in grid.slots.items():
        row, rect = row_of[key], sized[key].rect
        x = margin + SIDE + slot.x - rect.width / 2
        y = bottoms[row] + (heights[row] - rect.height) / 2
        boxes[key] = moved(sized[key], x, y)
    bands = [(bottom, bottom + height) for bottom, height in zip(bottoms, heights, strict=True)]
    lines = []
    for number, line in enumerate(scene.lines):
        start, end = boxes[line.source], boxes[line.destination]
        port = end.ports.get(line.input, end.rect.middle)
        if row_of[line.destination] <= row_of[line.source]:
            path = arc(
                start.rect, end.rect, port, same_row=row_of[line.source] == row_of[line.destination]
            )
        else:
            over = [(margin + SIDE + slot.x, *bands[row]) for row, slot in passing.get(number, ())]
            path = route(start.rect, over, port, end.rect.y)
        lines.append((line, path))
    layers = [] if of_groups else layer_numbers(scene, ranks, bottoms, heights)
    right = max(box.rect.x + box.rect.width for box in boxes.values()) + SIDE
    return Layout(max(width, right), top, tuple(boxes.values()), tuple(lines), tuple(layers))


def _ranks(scene: Scene, of_groups: bool) -> list[list[Box]]:
    """The boxes by row, from the lowest up."""
    above = {
        (line.source, line.destination) for line in scene.lines if line.source != line.destination
    }
    layer = {box.key: box.layer for box in scene.boxes}
    fed = {end for start, end in above if layer[start] == layer[end]}
    many = len({box.layer for box in scene.boxes}) + len({layer[key] for key in fed}) > MOST_ROWS

    def rank(box: Box) -> tuple[float, int]:
        if of_groups:
            return round(box.layer), 0
        # An MLP that its own layer's heads feed stands above them.
        return box.layer, int(box.key in fed and not many)

    rows: dict[tuple[float, int], list[Box]] = defaultdict(list)
    for box in scene.boxes:
        rows[rank(box)].append(box)
    return [rows[at] for at in sorted(rows)]


def sized_box(box: Box, label: str, room: float, beside: int, measure: Measure) -> PlacedBox:
    """A box with its size, in the lower left corner."""
    letter = ""
    if box.kind in ("group", "rest"):
        most = min(BOX_WIDTH, max(60.0, room / min(beside, 3) - GAP)) - 2 * PAD
        name = words_in_lines(label, LABEL, most, measure, bold=True)
        lines = [*name[1:], *(part for words in box.lines
                              for part in words_in_lines(words, SMALL, most, measure))]  # fmt: skip
        width = max(measure(name[0], LABEL, True), *(measure(part, SMALL, False) for part in lines))
        height = LABEL_LINE + SMALL_LINE * len(lines) + 2
        return PlacedBox(box, Rect(0, 0, width + 2 * PAD, height), name[0], tuple(lines))
    bold = box.kind in ("input", "logits")
    width = measure(label, LABEL, bold)
    if box.group is not None:
        from workbench.pictures.members import letter as letter_of

        letter = letter_of(box.group)
        width += measure(letter, SMALL, True) + 2.5
    ports: dict[str, float] = {}
    height = LABEL_LINE + 1
    if box.inputs:
        height += SMALL_LINE
        each = measure("k", SMALL, False) + 2.5
        width = max(width, each * 3 - 2)
        ports = {which: (i - 1) * each for i, which in enumerate("qkv") if which in box.inputs}
    return PlacedBox(box, Rect(0, 0, width + 2 * PAD, height), label, (), letter, ports)


def words_in_lines(
    text: str, size: float, most: float, measure: Measure, *, bold: bool = False
) -> list[str]:
    """A text in lines of at most this width."""
    mean = measure("abcdefghij aeiou", size, bold) / 16
    columns = max(8, int(most / mean))
    while columns > 8:
        lines = textwrap.wrap(text, columns) or [""]
        if all(measure(line, size, bold) <= most for line in lines):
            return lines
        columns -= 1
    return textwrap.wrap(text, 8) or [""]


def moved(placed: PlacedBox, x: float, y: float) -> PlacedBox:
    """The box with its lower left corner there."""
    rect = Rect(x, y, placed.rect.width, placed.rect.height)
    ports = {which: rect.middle + off for which, off in placed.ports.items()}
    return PlacedBox(placed.box, rect, placed.label, placed.lines, placed.letter, ports)


def _wrapped(row: list[Box], sized: dict[str, PlacedBox], room: float) -> list[list[Box]]:
    """A row in as many as it needs, of about the same number of boxes."""
    total = sum(sized[box.key].rect.width + GAP for box in row)
    n = min(len(row), int(total // room) + 1)
    size = -(-len(row) // n)
    return [row[i : i + size] for i in range(0, len(row), size)]


Chains = dict[str | int, tuple[str, int, set[int]]]
"""By name: the box where it begins, the row in which it ends, and numbers of its lines."""


@dataclass(frozen=True)
class _Grid:
    """The rows with their slots, into which lines put the points at which they pass.

    Attributes:
        slots: of the boxes.
        free: how much of each row the boxes leave.
    """

    scene: Scene
    rows: list[list[Slot]]
    slots: dict[str, Slot]
    row_of: dict[str, int]
    ports: list[float]
    free: list[float]

    @classmethod
    def of(
        cls, scene: Scene, ranks: Sequence[list[Box]], sized: dict[str, PlacedBox], room: float
    ) -> _Grid:
        rows = [[Slot(sized[b.key].rect.width + GAP, b.key) for b in row] for row in ranks]
        return cls(
            scene,
            rows,
            {slot.key: slot for row in rows for slot in row if slot.key is not None},
            {box.key: i for i, row in enumerate(ranks) for box in row},
            [sized[line.destination].ports.get(line.input, 0.0) for line in scene.lines],
            [room - sum(slot.width for slot in row) for row in rows],
        )

    def draw(self) -> dict[int, list[tuple[int, Slot]]]:
        """Join the slots by the lines; by number of a line, at which points it passes rows.

        Each line passes the rows between its ends at points of its own; where there is no room for
        that, all lines of a source share one trunk, from which they branch off.
        """
        for by_source, most, least in (
            (False, MOST_PASSING, PASSING / 2),
            (True, MOST_ON_TRUNKS, LEAST_PASSING),
        ):
            chains = self._chains(by_source)
            crossed = [0] * len(self.rows)
            for source, top, _ in chains.values():
                for i in range(self.row_of[source] + 1, top):
                    crossed[i] += 1
            fits = all(n * least <= room for n, room in zip(crossed, self.free, strict=True))
            if fits and sum(crossed) <= most:
                return self._chained(chains, crossed)
        for source, _, numbers in self._chains(True).values():
            for number in sorted(numbers):
                self.slots[source].join(self._end(number), self.ports[number])
        return {}

    def _end(self, number: int) -> Slot:
        return self.slots[self.scene.lines[number].destination]

    def _chains(self, by_source: bool) -> Chains:
        chains: Chains = {}
        for number, line in enumerate(self.scene.lines):
            low, high = self.row_of[line.source], self.row_of[line.destination]
            if low < high:
                name = line.source if by_source else number
                _, top, numbers = chains.get(name, (line.source, high, set()))
                chains[name] = (line.source, max(top, high), numbers | {number})
        return chains

    def _chained(self, chains: Chains, crossed: Sequence[int]) -> dict[int, list[tuple[int, Slot]]]:
        passing: dict[int, list[tuple[int, Slot]]] = {}
        for source, top, numbers in chains.values():
            points: list[tuple[int, Slot]] = []
            before = self.slots[source]
            for i in range(self.row_of[source] + 1, top):
                point = Slot(min(PASSING, self.free[i] / crossed[i]))
                self.rows[i].append(point)
                points.append((i, point))
                before.join(point)
                before = point
            for number in sorted(numbers):
                end = self.row_of[self.scene.lines[number].destination]
                its = passing[number] = [(i, point) for i, point in points if i < end]
                last = its[-1][1] if its else self.slots[source]
                last.join(self._end(number), self.ports[number])
        return passing


def _dips(scene: Scene, ranks: Sequence[list[Box]]) -> bool:
    """Whether a line runs below the lowest row."""
    lowest = {box.key for box in ranks[0]}
    return any(line.source in lowest and line.destination in lowest for line in scene.lines)


def layer_numbers(
    scene: Scene, ranks: Sequence[list[Box]], bottoms: Sequence[float], heights: Sequence[float]
) -> list[tuple[str, float]]:
    """The numbers of the layers, each at the middle of its rows."""
    found: dict[float, list[float]] = defaultdict(list)
    for row, bottom, height in zip(ranks, bottoms, heights, strict=True):
        if 0 <= row[0].layer < scene.n_layers:
            found[row[0].layer].append(bottom + height / 2)
    return [(f"{layer:g}", sum(ys) / len(ys)) for layer, ys in found.items()]
