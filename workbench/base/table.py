"""A table of raw values, and how it is written as text for other programs.

Numbers keep every digit (the shortest text that reads back as the same number); what is not known
is an empty cell.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.base.text import printable

Cell = str | int | float | bool | None

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$#&])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Table:
    """Columns with a heading each, and rows with a cell for each of them.

    Attributes:
        title: what it is of, for the name of a file.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        """Raises ValueError if a row has more or fewer cells than there are columns."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of {self.title} has not {len(self.columns)} cells")

    def row(self, index: int) -> Table:
        """The same with one row only."""
        return Table(self.title, self.columns, (self.rows[index],))

    def to_csv(self) -> str:
        """Comma separated, as RFC 4180 has it, but lines end as text does here."""
        return self._separated(",")

    def to_tsv(self) -> str:
        """Tab separated, as spreadsheets take it from the clipboard."""
        return self._separated("\t")

    def _separated(self, delimiter: str) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_text(cell) for cell in row] for row in self.rows)
        return buffer.getvalue()

    def to_markdown(self) -> str:
        """A table of GitHub's Markdown; numbers to the right."""

        def line(cells: Sequence[str]) -> str:
            return f"| {' | '.join(cells)} |\n"

        rule = ["---:" if numeric else "---" for numeric in self._numeric()]
        head = line([_MARKDOWN.sub(r"\\\1", name) for name in self.columns])
        body = "".join(
            line([_MARKDOWN.sub(r"\\\1", _text(cell)) if isinstance(cell, str) else _text(cell)
                  for cell in row])
            for row in self.rows
        )  # fmt: skip
        return head + line(rule) + body

    def to_latex(self) -> str:
        """A `tabular` with the rules of booktabs; what TeX would obey is escaped."""

        def line(cells: Sequence[Cell]) -> str:
            return " & ".join(_latex(cell) for cell in cells) + " \\\\\n"

        columns = "".join("r" if numeric else "l" for numeric in self._numeric())
        return (
            f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{line(self.columns)}\\midrule\n"
            f"{''.join(line(row) for row in self.rows)}\\bottomrule\n\\end{{tabular}}\n"
        )

    def _numeric(self) -> list[bool]:
        """Of each column, whether it holds numbers."""
        return [
            any(_is_number(row[i]) for row in self.rows)
            and all(row[i] is None or _is_number(row[i]) for row in self.rows)
            for i in range(len(self.columns))
        ]


FORMATS: dict[str, tuple[str, str, Callable[[Table], str]]] = {
    "csv": ("CSV", ".csv", Table.to_csv),
    "tsv": ("TSV, for spreadsheets", ".tsv", Table.to_tsv),
    "markdown": ("Markdown", ".md", Table.to_markdown),
    "latex": ("LaTeX, with booktabs", ".tex", Table.to_latex),
}
"""By name: what to call it, the suffix of its files, what writes it."""


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _text(cell: Cell) -> str:
    """A cell as text of one line, without what a terminal would obey when it is pasted."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return printable(cell)
    return repr(cell)


def _latex(cell: Cell) -> str:
    if isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell):
        mantissa, e, exponent = repr(cell).partition("e")
        power = rf" \times 10^{{{int(exponent)}}}" if e else ""
        return f"${mantissa}{power}$"
    return "".join(_LATEX.get(c, c) for c in _text(cell))
