"""Readouts of plug-ins as aligned text: one function for each of the four shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from textual.content import Content

from screens.base.numbers import MINUS, bar, signed
from screens.base.tokens import fit, show_token
from screens.readouts.heat_map import SHADES, legend, shade
from screens.readouts.text import MOST_BAR, QUIET, digits_of, headed, lines, quiet
from workbench.base.text import printable
from workbench.readouts.shapes import RANK, Grid, Ranking, Rows, Series, Shape

TOKEN = "token"
"""The heading of a column of tokens."""
_NUMBER = re.compile(r"-?[\d,.]+(e[+-]?\d+)?")
MOST_NAME = 18
"""Cells of the longest name before a bar."""
MOST_CELL = 10
"""Cells of the longest token in a map."""
MOST_LABEL = 12
"""Cells of the longest token beside a map."""


def draw_shape(shape: Shape, width: int) -> Content:
    """Heading, values and definition, in lines of this width."""
    parts = headed(printable(shape.title), width)
    if isinstance(shape, Ranking):
        parts += _bars(
            [name for name, _ in shape.values], [v for _, v in shape.values], shape.unit, width
        )
    elif isinstance(shape, Series):
        parts += _bars(shape.labels, shape.values, shape.unit, width)
    elif isinstance(shape, Grid):
        parts += _map(shape, width)
    else:
        parts += _table(shape, width)
    if shape.definition:
        parts += [Content(), *quiet(shape.definition, width)]
    return lines(parts)


def _bars(names: Sequence[str], values: Sequence[float], unit: str, width: int) -> list[Content]:
    largest = max((abs(value) for value in values), default=0.0)
    # Ranks are counted, layer by layer: they have no sign, and their labels are no tokens.
    ranks, digits = unit == RANK, digits_of(largest)
    told = [f"{value:,.10g}" if ranks else signed(value, digits) for value in values]
    names = [printable(name) if ranks else show_token(name) for name in names]
    number = max([cell_len(unit), *map(len, told)])
    longest = max(map(cell_len, names), default=1)
    name_width = max(1, min(MOST_NAME, longest, width - number - 6))
    half = min(MOST_BAR // 2, (width - name_width - number - 3) // 2)
    rows = [Content.styled(fit(f"{'':{name_width}} {unit:>{number}}", width), QUIET)]
    for name, value, words in zip(names, values, told, strict=True):
        rows.append(
            Content.assemble(
                fit(name, name_width),
                f" {words:>{number}} ",
                (
                    bar(value, largest, half) if half > 0 else "",
                    "$text-warning" if value < 0 else "$text-primary",
                ),
            )
        )
    return rows


def _map(grid: Grid, width: int) -> list[Content]:
    """Shades by the share of the largest magnitude; a minus stands before what is below 0."""
    values = np.asarray(grid.values, dtype=np.float64)
    if grid.texts:
        return _token_map(grid, values, width)
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    label = min(MOST_LABEL, max((cell_len(show_token(row)) for row in grid.rows), default=1))
    rows = [Content.styled(f"{'':{label + 5}}{head}", QUIET) for head in _counted(grid.columns)]
    for number, (token, row) in enumerate(zip(grid.rows, values, strict=True)):
        cells = "".join(_cell(float(value), largest) for value in row)
        name = fit(show_token(token, label), label)
        rows.append(Content.assemble(f"{number:>3} {name} ", (cells, "$text-primary")))
    at_most = f"largest {signed(largest, digits_of(largest))} {grid.unit}; "
    return [*rows, *quiet(at_most + legend(), max(width, len(SHADES) * 7))]


def _counted(columns: Sequence[str]) -> list[str]:
    """The numbers of a map's columns, two cells each; above the units the tens, if there are."""
    tens = "".join(str(n // 10 if n % 10 == 0 and n else " ").ljust(2) for n in range(len(columns)))
    units = "".join(f"{n % 10} " for n in range(len(columns)))
    return [tens, units] if tens.strip() else [units]


def _token_map(grid: Grid, values: NDArray[np.float64], width: int) -> list[Content]:
    """A token in each cell, before it the shade of its number, or of a rank's reciprocal.

    What does not fit in the width stands below, the last columns first: at the last position the
    task is judged.
    """
    shares = 1 / np.maximum(values, 1) if grid.reciprocal else np.abs(values)
    longest = max((cell_len(show_token(text)) for row in grid.texts for text in row), default=1)
    room = min(MOST_CELL, max(longest, 3))
    label = max(len("after"), *(cell_len(printable(row)) for row in grid.rows))
    at_once = max(1, (width - label - 1) // (room + 2))
    rows: list[Content] = []
    stops = range(len(grid.columns), 0, -at_once)
    for stop in stops:
        part = slice(max(0, stop - at_once), stop)
        heads = (f" {fit(show_token(column, room), room)} " for column in grid.columns[part])
        rows.append(Content.styled(f"{'after':>{label}} {''.join(heads)}", QUIET))
        for i, name in enumerate(grid.rows):
            cells = zip(grid.texts[i][part], shares[i, part], values[i, part], strict=True)
            parts: list[str | tuple[str, str]] = [f"{printable(name):>{label}} "]
            for text, share, number in cells:
                sign = shade(float(share))
                mark = MINUS if number < 0 and sign != " " else sign
                bold = "bold" if share >= SHADES[1][0] else ""
                parts += [(mark, "$text-primary"), (fit(show_token(text, room), room), bold), " "]
            rows.append(Content.assemble(*parts))
        rows.append(Content())
    of = f"shade: {'1 / ' if grid.reciprocal else ''}{grid.unit}"
    more = "" if len(stops) == 1 else " The last positions stand first."
    return [*rows, *quiet(legend().replace("shade:", f"{of}:", 1) + more, max(width, 36))]


def _cell(value: float, largest: float) -> str:
    if not np.isfinite(value) or largest <= 0:
        return "  "
    sign = shade(abs(value) / largest)
    return (MINUS if value < 0 and sign != " " else sign) + sign


def _number(text: str) -> str:
    """A number with a true minus sign; any other text as it is."""
    return text.replace("-", MINUS) if _NUMBER.fullmatch(text) else text


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text.replace(MINUS, "-")) is not None


def _table(table: Rows, width: int) -> list[Content]:
    tokens = [column == TOKEN for column in table.columns]
    shown = [
        [
            show_token(text) if token else _number(printable(text))
            for text, token in zip(row, tokens, strict=True)
        ]
        for row in table.rows
    ]
    columns = list(zip(table.columns, *shown, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    sides: list[Literal["left", "right"]] = [
        "right" if not token and all(map(_is_number, column[1:])) else "left"
        for token, column in zip(tokens, columns, strict=True)
    ]

    def row(texts: Sequence[str]) -> str:
        line = "  ".join(map(fit, texts, widths, sides))
        return fit(line, width).rstrip()

    head = Content.styled(row(table.columns), QUIET)
    return [head, *(Content(row(texts)) for texts in shown)]
