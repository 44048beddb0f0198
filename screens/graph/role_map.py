"""The circuit by position, as lines of text: roles are columns, layers are rows.

A column's line is the residual stream at that role: a node writes into it and reads from it, and
stands on its right. Attention runs across, `├────▶`, from the streams that a head looks at (`┼`
where it looks at several, `│` where it only passes one) to the head, in the column where it writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from rich.style import Style
from rich.text import Text

from screens.base.tokens import fit
from screens.graph.canvas import Spot
from screens.graph.layer_map import (
    FED_BY,
    FEEDS,
    GUTTER,
    LABEL,
    SKIPPED,
    Ink,
    node_text,
    tag_width,
    trunk,
)
from screens.graph.role_picture import RolePicture
from workbench.circuits.names import kind_of, parse_name, split_role
from workbench.pictures.role_graph import EVERY_TITLE

INTO, OUT_OF = "▶", "◀"
"""Ends of a line that comes from the left, or from the right."""
HEADINGS = 1
"""Lines above the drawing, which stay where they are."""
_ARMS = {
    "": " ", "l": "─", "r": "─", "lr": "─", "u": "│", "d": "│", "ud": "│", "ur": "└", "dr": "┌",
    "udr": "├", "ul": "┘", "dl": "┐", "udl": "┤", "ulr": "┴", "dlr": "┬", "udlr": "┼",
}  # fmt: skip
"""What joins the lines that go up, down, left and right."""


@dataclass
class _Place:
    """Where a node stands: a line, a column, and which of the places side by side in it."""

    node: str
    line: int
    column: int
    beside: int


@dataclass
class _Grid:
    """Nodes in lines.

    Attributes:
        beside: by column, how many nodes fit side by side in it.
        labels: by line, what stands on its left.
        places: of the nodes, line by line.
    """

    beside: list[int]
    labels: list[str] = field(default_factory=list)
    places: list[_Place] = field(default_factory=list)


def draw_roles(
    picture: RolePicture,
    *,
    shown: Collection[str],
    cursor: str | None,
    picked: Collection[str],
    width: int,
    ink: Ink,
) -> tuple[list[Text], list[Spot]]:
    """Lines, of which the first are headings, and spots.

    Args:
        shown: the nodes to draw; the others are left out.
        cursor: the node at a role whose links are marked.
        picked: nodes, without roles, that are chosen for a group.
        width: cells to fill; more columns than have room in them make it wider.
    """
    room = width - GUTTER - LABEL
    tag = tag_width(picture, shown)
    names = {name: split_role(name)[0] for name in shown}
    cells = 2 + max(map(len, names.values()), default=6) + tag
    if sum(_column_width(picture, c, 1, cells) for c in range(len(picture.columns))) > room:
        # The number of its layer stands on the left of each line.
        names = {name: _without_layer(node) for name, node in names.items()}
        cells = 2 + max(map(len, names.values()), default=6) + tag
    grid = _arranged(picture, frozenset(shown), room, cells)
    lanes, at = [], GUTTER + LABEL
    for column, beside in enumerate(grid.beside):
        lanes.append(at)
        at += _column_width(picture, column, beside, cells)
    lanes.append(at)
    feeds = {link.destination for link in picture.feeds.get(cursor or "", ())}
    fed_by = {link.source for link in picture.fed_by.get(cursor or "", ())}
    near = {one.line: FEEDS for one in grid.places if one.node in feeds}
    near |= {one.line: FED_BY for one in grid.places if one.node in fed_by}
    here = next((one.line for one in grid.places if one.node == cursor), None)
    wires = _Wires.of(picture, grid, lanes, cells, cursor)
    chosen = [name for name in shown if split_role(name)[0] in picked]
    texts: dict[int, list[tuple[int, Text]]] = {}
    spots = []
    for one in grid.places:
        x = lanes[one.column] + 1 + one.beside * (cells + 1)
        looks = (cursor, feeds, fed_by, chosen, cells, ink, names[one.node])
        text = node_text(picture, one.node, *looks)
        texts.setdefault(one.line, []).append((x, text))
        spots.append(Spot(one.node, x, one.line + HEADINGS, cells))
    marks = trunk(near, here)
    near_style, quiet = ink("near"), ink("quiet")
    lines = [_heading(picture, lanes, ink)]
    for y, label in enumerate(grid.labels):
        line = Text(no_wrap=True).append(f"{marks.get(y, ''):<{GUTTER}}", near_style)
        line.append(f"{label:>{LABEL - 1}} ", quiet)
        cells_of_line, own = wires.cells(y, at)
        for x, text in sorted(texts.get(y, ()), key=lambda entry: entry[0]):
            _write(line, cells_of_line, own, x, near_style, quiet)
            line.append_text(text)
        _write(line, cells_of_line, own, at, near_style, quiet)
        line.rstrip()
        lines.append(line)
    return lines, sorted(spots, key=lambda spot: (spot.y, spot.x))


def _column_width(picture: RolePicture, column: int, beside: int, cells: int) -> int:
    title = len(picture.columns[column] or EVERY_TITLE)
    return max(1 + beside * (cells + 1), title + 2)


def _without_layer(node: str) -> str:
    found = parse_name(node)
    return node if found is None or found.head is None else f"h{found.head}"


def _heading(picture: RolePicture, lanes: list[int], ink: Ink) -> Text:
    line = Text(" " * (GUTTER + LABEL), no_wrap=True)
    for column, role in enumerate(picture.columns):
        room = lanes[column + 1] - lanes[column]
        line.append(fit(role or EVERY_TITLE, room - 1) + " ", ink("title"))
    return line


@lru_cache(maxsize=8)
def _arranged_of(
    by_layer: tuple[tuple[int, tuple[tuple[str, int, frozenset[int]], ...]], ...],
    n_layers: int,
    beside: tuple[int, ...],
) -> _Grid:
    """The nodes of each layer in as few lines as hold them and the lines of attention."""
    grid = _Grid(list(beside))
    before: int | None = None
    for layer, nodes in by_layer:
        if before is not None and before - layer > 1:
            grid.labels.append(SKIPPED)
        before = layer
        first = len(grid.labels)
        taken: list[dict[int, int]] = []
        for node, column, across in nodes:
            line, place = _fitting(taken, column, across, beside)
            grid.places.append(_Place(node, first + line, column, place))
        name = str(layer) if 0 <= layer < n_layers else ""
        grid.labels += [name] + [""] * (len(taken) - 1)
    return grid


def _arranged(picture: RolePicture, shown: frozenset[str], room: int, cells: int) -> _Grid:
    by_layer = []
    columns = {role: column for column, role in enumerate(picture.columns)}
    straight: dict[tuple[int, int], int] = {}
    for layer in range(picture.n_layers, -2, -1):
        nodes = []
        for name in _in_layer(picture, shown, layer):
            column = columns[split_role(name)[1]]
            across = {columns[role] for role in picture.looks_at.get(name, ())}
            nodes.append((name, column, frozenset(across)))
            if not across:
                straight[column, layer] = straight.get((column, layer), 0) + 1
        if nodes:
            by_layer.append((layer, tuple(nodes)))
    beside = [1] * len(columns)

    def saved(column: int) -> int:
        """How many lines another place in this column would save."""
        now = beside[column]
        return sum(
            -(-n // now) + n // -(now + 1) for (at, _), n in straight.items() if at == column
        )

    def total() -> int:
        return sum(_column_width(picture, c, n, cells) for c, n in enumerate(beside))

    while total() + cells + 1 <= room and columns:
        most = max(range(len(beside)), key=saved)
        if saved(most) < 1:
            break
        beside[most] += 1
    return _arranged_of(tuple(by_layer), picture.n_layers, tuple(beside))


def _in_layer(picture: RolePicture, shown: Collection[str], layer: int) -> Iterator[str]:
    """The nodes of a layer: the MLP stands above the heads, whose writing it reads."""
    names = [name for name in picture.layer if picture.layer[name] == layer and name in shown]
    yield from (name for name in names if kind_of(split_role(name)[0]) != "head")
    yield from (name for name in names if kind_of(split_role(name)[0]) == "head")


def _fitting(
    taken: list[dict[int, int]], column: int, across: frozenset[int], beside: tuple[int, ...]
) -> tuple[int, int]:
    """The first line of a layer where a node has room, and its place in the column.

    Args:
        taken: by line and column, how many places are; all of them where a line passes.
        across: the columns from which lines run to the node.
    """
    passed = set(range(min({column, *across}), max({column, *across}) + 1)) - {column}
    to_the_right = bool(across) and max(across) > column
    line = 0
    while True:
        if line == len(taken):
            taken.append({})
        its = taken[line]
        place = its.get(column, 0)
        # A line from another column ends at the first place of a column, or behind the last.
        fits = place == 0 if across else place < beside[column]
        if fits and not any(its.get(other, 0) for other in passed):
            its |= dict.fromkeys(passed, beside[column] + max(beside))
            its[column] = beside[column] if to_the_right else place + 1
            return line, place
        line += 1


@dataclass
class _Wires:
    """The lines of a drawing.

    Attributes:
        streams: by column, the first and the last line where something joins it.
        runs: by line, of each line across: its first and last cell, the lanes that it joins, and
            whether it is the cursor's.
    """

    lanes: list[int]
    streams: list[tuple[int, int] | None]
    stubs: set[tuple[int, int]]
    runs: dict[int, list[tuple[int, int, frozenset[int], bool]]]

    @classmethod
    def of(
        cls, picture: RolePicture, grid: _Grid, lanes: list[int], cells: int, cursor: str | None
    ) -> _Wires:
        column_of = {role: column for column, role in enumerate(picture.columns)}
        joined: list[list[int]] = [[] for _ in picture.columns]
        stubs = set()
        runs: dict[int, list[tuple[int, int, frozenset[int], bool]]] = {}
        drawn = {one.node for one in grid.places}
        for one in grid.places:
            joined[one.column].append(one.line)
            stubs.add((one.line, lanes[one.column]))
            sources = [ln.source for ln in picture.fed_by[one.node] if ln.source in drawn]
            across = {column_of[split_role(name)[1]] for name in sources} - {one.column}
            if not across:
                continue
            for column in across:
                joined[column].append(one.line)
            near = cursor is not None and (one.node == cursor or cursor in sources)
            left = [lanes[column] for column in across if column < one.column]
            right = [lanes[column] for column in across if column > one.column]
            if left:
                run = (min(left), lanes[one.column] - 1, frozenset(left), near)
                runs.setdefault(one.line, []).append(run)
            if right:
                run = (lanes[one.column] + 1 + cells, max(right), frozenset(right), near)
                runs.setdefault(one.line, []).append(run)
        streams = [(min(lines), max(lines)) if lines else None for lines in joined]
        return cls(lanes[:-1], streams, stubs, runs)

    def cells(self, y: int, width: int) -> tuple[str, tuple[int, int]]:
        """A line's cells without its nodes, and from where to where they are the cursor's."""
        cells = [" "] * width
        own = (0, 0)
        for first, last, joined, near in self.runs.get(y, ()):
            cells[first : last + 1] = "─" * (last + 1 - first)
            if last not in joined:
                cells[last] = INTO
            if first not in joined:
                cells[first] = OUT_OF
            if near:
                own = (first, last + 1)
        for x, stream in zip(self.lanes, self.streams, strict=True):
            arms = ""
            if stream is not None and stream[0] <= y <= stream[1]:
                arms += "u" * (y > stream[0]) + "d" * (y < stream[1])
            for first, last, joined, _ in self.runs.get(y, ()):
                if first <= x <= last and (x in joined or not arms):
                    arms += "l" * (x > first) + "r" * (x < last)
            if (y, x) in self.stubs:
                arms += "r"
            cells[x] = _ARMS["".join(arm for arm in "udlr" if arm in arms)]
        return "".join(cells), own


def _write(
    line: Text, cells: str, own: tuple[int, int], end: int, near: Style, quiet: Style
) -> None:
    """Add the cells of a line up to a column of the screen; the cursor's own in their style."""
    at = line.cell_len
    for stop, style in ((own[0], quiet), (own[1], near), (end, quiet)):
        stop = min(stop, end)
        if stop > at:
            line.append(cells[at:stop], style)
            at = stop
