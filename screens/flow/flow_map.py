"""A map over layers as a list.

It has a row for each first layer or position, and shades for its cells. Shades can be told apart
without colour. The row under the cursor is spelled out beside the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from screens.base.numbers import MINUS
from screens.base.tokens import fit, show_token
from screens.readouts.heat_map import SHADES, shade
from screens.widgets.line_list import POINTER, LineList
from workbench.flow.results import AllForOne, KnockoutMap

EVERY = 5
"""Every so manyth column has its number above it."""
GAP = " "
"""Stands before the last column where that is of another kind."""
LABEL = 16
ALL = "all"
"""Key of the row of all positions together."""
NUMBERS = 8
"""Cells of a value with its shade and its number; narrower ones have the shade alone."""


@dataclass(frozen=True)
class MapRow:
    """One row.

    Attributes:
        key: by which it is known.
        label: of its kind, as `first layer 3` or a token.
        values: its cells; None where there is none.
        apart: the cell of the column of another kind, if there is one.
        most: the value of the darkest shade in the whole map.
        marked: cells that are marked.
    """

    key: str
    label: str
    values: tuple[float | None, ...]
    apart: float | None = None
    most: float = 1.0
    marked: frozenset[int] = frozenset()


def map_rows(result: AllForOne | KnockoutMap) -> list[MapRow]:
    """The rows of a map."""
    return _knocked(result) if isinstance(result, KnockoutMap) else _waited(result)


def _waited(result: AllForOne) -> list[MapRow]:
    values = result.accuracy if result.measure == "accuracy" else result.metric
    free = [score.of(result.measure) for score in result.waiting]
    most = 1.0 if result.measure == "accuracy" else _most([*values, free])
    rows = []
    for first, row in enumerate(values):
        enough = result.wait == first and result.window[:1] in ((), (first,))
        marked = frozenset([len(result.window)]) if enough else frozenset()
        label = f"first layer {first}"
        rows.append(MapRow(str(first), label, row, free[first], most, marked))
    return rows


def _knocked(result: KnockoutMap) -> list[MapRow]:
    every = [*result.effect, result.all_others]
    most = _most(every)
    rows = [
        MapRow(str(position), f"{position:>4} {show_token(token, LABEL - 5)}", row, None, most)
        for position, token, row in zip(result.positions, result.tokens, result.effect, strict=True)
    ]
    return [*rows, MapRow(ALL, "all but first", result.all_others, None, most)]


def _best(rows: Sequence[MapRow]) -> str:
    """The marked row, else that of the largest value but the sum of all."""
    marked = [row for row in rows if row.marked]
    single = [row for row in rows if row.key != ALL] or rows
    return max(marked or single, key=lambda row: _most([row.values])).key


def _most(rows: Sequence[Sequence[float | None]]) -> float:
    return max((abs(v) for row in rows for v in row if v is not None), default=0.0) or 1.0


class FlowMap(LineList[MapRow]):
    """The map; enter or a double click computes it."""

    HEADING = 1
    HELP = """\
Where in depth tokens tell each other something. **All for one**: all tokens wait until a layer,
replaced by what they are on average; then the last token looks at the others in so many layers
(columns), and elsewhere at itself; `free` is ordinary attention after the wait. A row is a first
layer after the wait, a cell how much of the accuracy, or of the metric, is left; the marked cell
[] is the longest wait with the fewest layers that do. **Attention knock-out**: a cell is what it
changes that the last token does not see this position in this layer and those next to it; a minus
stands before what lowers the metric. The row under the cursor is spelled out in numbers. Darker is
more: the shades are shares of the largest value.
"""

    def __init__(self) -> None:
        super().__init__()
        self.result: AllForOne | KnockoutMap | None = None
        self.under_way = False

    def put(self, result: AllForOne | KnockoutMap | None) -> None:
        """Show this map; none: nothing. Of a new one the cursor is where most is to be seen."""
        new, self.result = result is not self.result, result
        rows = [] if result is None else map_rows(result)
        self.show(rows, to=_best(rows) if rows and new else None)
        self.call_after_refresh(self._reveal)

    def key(self, row: MapRow) -> str:
        return row.key

    def names(self, row: MapRow) -> tuple[tuple[str, str], ...]:
        return (("row", row.label.strip()),)

    def _cells(self, width: int) -> int:
        """How wide a cell is."""
        n = max((len(row.values) for row in self.rows), default=1)
        apart = any(row.apart is not None for row in self.rows)
        room = width - LABEL - 3
        if room >= NUMBERS * (n + 1) + 2:
            return NUMBERS
        return max(1, min(3, (room - 6 * apart) // n))

    def heading(self, width: int) -> Text:
        if not self.rows:
            return Text()
        cell = self._cells(width)
        n = max(len(row.values) for row in self.rows)
        step = 1 if cell >= 3 else EVERY
        numbers = "".join(f"{i:<{cell * step}}" for i in range(0, n, step))[: n * cell]
        free = any(row.apart is not None for row in self.rows)
        word = "layers peeked in" if free else "layer"
        return Text(
            f"{word:>{LABEL + 2}} {numbers:<{n * cell}}{GAP * 2 + 'free' if free else ''}"[:width]
        )

    def line(self, row: MapRow, width: int, under_cursor: bool) -> Text:
        cell = self._cells(width)
        text = Text(f"{POINTER if under_cursor else ' '} {fit(row.label, LABEL)} ")
        for i, value in enumerate(row.values):
            text.append(_cell(value, row.most, cell, i in row.marked), "bold")
        if row.apart is not None:
            cell = max(3, cell)
            text.append(GAP * 2 + _cell(row.apart, row.most, cell, False).rstrip(), "bold")
        text.truncate(width)
        return text

    def empty(self) -> str:
        return "Computing…" if self.under_way else "Not asked yet: enter computes the map."

    def below(self, width: int) -> list[Text]:
        if not self.rows:
            return []
        words = [f"{sign}≥{100 * least:.0f}%" for least, sign in reversed(SHADES)]
        signed = any(v is not None and v < 0 for row in self.rows for v in row.values)
        note = f", {MINUS} lower" if signed else ""
        return [Text(), Text(fit(" of the largest: " + " ".join(words) + note, width), "dim")]


def _cell(value: float | None, most: float, cell: int, marked: bool) -> str:
    if value is None:
        return " " * cell
    sign = shade(abs(value) / most)
    if cell == NUMBERS:
        text = f"{sign}{_number(value, most):>5}"
        return f"[{text}]".ljust(cell) if marked else f" {text}".ljust(cell)
    if marked and cell > 1:
        return f"[{sign}]"[:cell]
    if cell == 1:
        return sign
    if value < 0 and sign != " ":
        return f"{MINUS}{sign}".ljust(cell)
    return (sign * 2).ljust(cell)


def _number(value: float, most: float) -> str:
    """At most five characters."""
    digits = 2 if most < 10 else 1 if most < 1000 else 0
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
