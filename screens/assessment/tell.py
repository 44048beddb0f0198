"""What a part of an assessment found, as the screen shows it.

A part that names no teller for the screen is told by its headline and the blocks of its report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.text import Text

from screens.assessment.text import PICTURE, SHOWN
from screens.base.prose import heading, prose
from screens.base.tokens import fit, one_line
from workbench.assessment.catalogue import PARTS
from workbench.assessment.report.document import (
    Block,
    Bullets,
    Figure,
    Heading,
    Paragraph,
    Table,
)
from workbench.assessment.report.headlines import headline
from workbench.plugins import resolve

GAP = 2
"""Cells between two columns."""
ANSWERED = "answered"
"""In place of the number that a part does not name."""


def describe(name: str, result: Any, width: int) -> tuple[Text, Text]:
    """What a part found, as text of this width: what stands above its picture, and below it."""
    above: list[Text] = []
    below: list[Text] = []
    lines = above
    where = PARTS[name].lines
    told: Iterable[Text] = (
        _from_report(name, result, width) if where is None else resolve(where)(result, width)
    )
    for line in told:
        if line is PICTURE:
            lines = below
        else:
            lines.append(line)
    return Text("\n").join(above), Text("\n").join(below)


def summary(name: str, result: Any) -> str:
    """The one number that says most of what a part found."""
    where = PARTS[name].summary
    return ANSWERED if where is None else str(resolve(where)(result))


def _from_report(name: str, result: Any, width: int) -> Iterator[Text]:
    yield from prose(one_line(headline(name, result)), width)
    yield PICTURE
    for number, block in enumerate(resolve(PARTS[name].sections)(result)):
        if number:
            yield Text()
        yield from lines_of(block, width)


def lines_of(block: Block, width: int) -> Iterator[Text]:
    """A block of a report as lines; a drawing is only named."""
    match block:
        case Heading():
            yield heading(one_line(block.text))
        case Paragraph():
            yield from prose(one_line(block.text), width, "dim" if block.quiet else "")
        case Bullets():
            for item in block.items:
                yield from prose(f"- {one_line(item)}", width)
        case Table():
            yield from _rows(block, width)
        case Figure():
            yield from prose(f"The report has a picture: {one_line(block.caption)}", width, "dim")


def _rows(table: Table, width: int) -> Iterator[Text]:
    rows = [[one_line(cell) for cell in row] for row in (table.columns, *table.rows[:SHOWN])]
    widths = [max(Text(cell).cell_len for cell in column) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        line = Text(style="" if number else "dim")
        for i, (cell, cells) in enumerate(zip(row, widths, strict=True)):
            room = min(cells, max(0, width - line.cell_len))
            pad = " " * max(0, room - Text(cell).cell_len)
            line.append(fit(pad + cell if i in table.right else cell, room) + " " * GAP)
        line.truncate(max(0, width))
        line.rstrip()
        yield line
    if len(table.rows) > SHOWN:
        said = f"The first {SHOWN} of {len(table.rows)} rows; the report has more."
        yield from prose(said, width, "dim")
