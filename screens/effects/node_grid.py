"""A map of effects as numbers on a tint: of nodes, or of what is patched at each role.

An estimate has a ~ before it. Where there is no room for numbers, shades with a sign stand there;
where there is none for all columns, those around the cursor do.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.binding import BindingType
from textual.color import Color

from screens.base.marks import ESTIMATE
from screens.base.numbers import MINUS, plain
from screens.base.tokens import short_role
from screens.effects.keys import MAP_ACTIONS
from screens.widgets.copying import Copies
from screens.widgets.line_list import LineList
from workbench.base.table import Table
from workbench.effects.grids import GridMap

LABEL = 7
"""Cells of a row's name, at least."""
NARROW = 3
"""Cells of a column of shades, at least."""
HEAD = re.compile(r"h\d+")
SHADES = ((0.6, "█"), (0.3, "▓"), (0.12, "▒"), (0.04, "░"))
"""Least share of the largest effect, shade; what is smaller is a dot."""
TINT = 0.6
"""Of the ink, behind the largest effect."""


class NodeGrid(LineList[int]):
    """Rows are those of the map.

    Attributes:
        map: what is shown; None before there is anything.
        column: the cursor's.
    """

    HEADING = 1
    GAP: ClassVar[int] = 2
    """Cells before the longest number; in one of them the mark of an estimate stands."""
    HELP = """\
What ablating each node does, layer by layer, the last above: each head by its number, then the
MLP. On the metric, all that the node writes is ablated and everything later reacts; **into** a
node, only what this node reads of it is. Estimates by attribution patching stand there at once,
marked ~; exact values follow, those of the largest estimates first. Below zero: without the node
the metric is lower, so the node helps.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        action.binding(of_screen=False) for action in MAP_ACTIONS
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--low", "grid--high"}
    DEFAULT_CSS = """
    NodeGrid > .grid--low { color: $warning; }
    NodeGrid > .grid--high { color: $primary; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.map: GridMap | None = None
        self.column = 0
        self._label = LABEL
        self._grid: list[list[float]] = []
        self._estimated: list[list[bool]] = []
        self._largest = 1.0

    def show_map(self, found: GridMap | None) -> None:
        """Show a map, the cursor where it is; None: nothing is known yet."""
        before, self.map = self.map, found
        if found is None:
            self.show([])
            return
        self._grid, self._estimated = found.grid().tolist(), found.estimated().tolist()
        sizes = [abs(v) for row in self._grid for v in row if not math.isnan(v)]
        self._largest = max(sizes, default=0.0) or 1.0
        self.column = min(self.column, len(found.columns) - 1)
        self._label = max(LABEL, 2 + max(map(len, found.rows)))
        if before is None or before.rows != found.rows:
            self.clear()
            self.show(range(len(found.rows)))
        self.refresh()

    @property
    def node(self) -> str | None:
        """The node under the cursor."""
        row = self.highlighted
        return None if self.map is None or row is None else self.map.node_at(row, self.column)

    def go_to(self, node: str) -> None:
        """Put the cursor on a node, if the map has it."""
        found = self.map
        if found is None:
            return
        for row in range(len(found.rows)):
            for column in range(len(found.columns)):
                if found.node_at(row, column) == node:
                    self.column = column
                    self.move_to(row)
                    self.refresh()
                    self._tell(self.Highlighted(self, self.highlighted))
                    return

    def action_column(self, by: int) -> None:
        if self.map is not None:
            self.column = max(0, min(len(self.map.columns) - 1, self.column + by))
            self.redraw(self.index)
            self.refresh()
            self._tell(self.Highlighted(self, self.highlighted))

    def clicked(self, row: int | None, x: int) -> bool:
        if row is not None and self.map is not None and x >= self._label:
            width = self.scrollable_content_region.width
            column = (x - self._label) // self._cell(width)
            shown = self._shown(width)
            self.column = shown[max(0, min(len(shown) - 1, column))]
            self.refresh()
            self._tell(self.Highlighted(self, self.highlighted))
        return False

    # What LineList asks.

    def key(self, row: int) -> str:
        return "" if self.map is None else self.map.rows[row]

    def words(self, row: int) -> str:
        if self.map is None:
            return ""
        nodes = (self.map.node_at(row, column) for column in range(len(self.map.columns)))
        return " ".join(dict.fromkeys(node or self.map.rows[row] for node in nodes))

    def names(self, row: int) -> tuple[tuple[str, str], ...]:
        return () if self.node is None else (("node", self.node),)

    def table(self) -> Table | None:
        return None if self.map is None else self.map.table()

    def copies(self) -> Copies:
        """The map's picture too, to be written to a file."""
        found, table = self.map, self.table()
        if found is None or table is None:
            return Copies()
        from workbench.effects.plots import map_drawing

        node, row = self.node, self.highlighted
        at = None if row is None else found.table_row(row, self.column)
        names = () if node is None else (("node", node),)
        return Copies(names, (table,), at, ((found.title, lambda: map_drawing(found)),))

    def empty(self) -> str:
        return "Nothing is known yet."

    # Lines.

    def _room(self, width: int) -> int:
        """Cells of a column, if all are to be shown."""
        columns = 1 if self.map is None else len(self.map.columns)
        return (width - self._label) // max(1, columns)

    def _number(self, digits: int) -> int:
        """Cells of a column of numbers, at least."""
        return len(plain(-self._largest, digits)) + self.GAP

    def _digits(self, width: int) -> int | None:
        """After the point; None where there is no room for numbers."""
        usual = 2 if self._largest >= 0.5 else 3
        room = self._room(width)
        return next((n for n in (usual, usual - 1) if self._number(n) <= room), None)

    def _cell(self, width: int) -> int:
        """Cells of a column: for numbers where there is room for all, else for shades.

        More where names are longer and there is room for them.
        """
        columns = () if self.map is None else self.map.columns
        room, digits = self._room(width), self._digits(width)
        least = NARROW if digits is None else self._number(digits)
        names = (cell_len(name) for name in columns if "…" in _short(name, NARROW - 1))
        return max(least, min(room, 1 + max(names, default=0)))

    def _shown(self, width: int) -> range:
        """The columns that there is room for, the cursor's among them."""
        n = 0 if self.map is None else len(self.map.columns)
        room = max(1, (width - self._label) // self._cell(width))
        first = max(0, min(self.column - room // 2, n - room))
        return range(first, min(n, first + room))

    def heading(self, width: int) -> Text:
        found = self.map
        if found is None:
            return Text()
        text = Text(found.corner.ljust(self._label))
        cell = self._cell(width)
        for column in self._shown(width):
            short = _short(found.columns[column], cell - 1)
            style = "reverse" if column == self.column else ""
            text.append(" " * (cell - cell_len(short)))
            text.append(short, style)
        return text

    def line(self, row: int, width: int, under_cursor: bool) -> Text:
        found = self.map
        if found is None:
            return Text()
        pointer = "▸" if under_cursor else " "
        text = Text(f"{pointer}{found.rows[row]:>{self._label - 2}} ")
        cell, digits = self._cell(width), self._digits(width)
        for column in self._shown(width):
            value = self._grid[row][column]
            here = under_cursor and column == self.column
            if math.isnan(value):
                text.append(("[]" if here else "").rjust(cell))
                continue
            words = self._words(value, self._estimated[row][column], digits)
            style = self._tint(value)
            text.append(" " * (cell - len(words)))
            text.append(words, style + Style(reverse=True, bold=True) if here else style)
        return text

    def _words(self, value: float, estimate: bool, digits: int | None) -> str:
        if digits is None:
            share = abs(value) / self._largest
            sign = MINUS if value < 0 else " "
            shade = next((shade for least, shade in SHADES if share >= least), "·")
            return f"{sign if shade != '·' else ' '}{shade}"
        number = plain(value, digits)
        return f"{ESTIMATE if estimate else ''}{number}"

    def _tint(self, value: float) -> Style:
        """A background as strong as the effect is large, and text that is read on it."""
        share = min(1.0, abs(value) / self._largest)
        if share < SHADES[-1][0]:
            return self.ink("rows--quiet")
        ground = self.background_colors[1]
        ink = self.get_component_styles("grid--low" if value < 0 else "grid--high").color
        if ground.ansi is not None or ink.ansi is not None:  # the terminal's own, unknown colours
            return Style(bold=share > 0.5)
        tinted = ground.blend(ink, TINT * share, 1.0)
        text: Color = tinted.get_contrast_text(1.0)
        return Style(color=text.rich_color, bgcolor=tinted.rich_color)


def _short(name: str, room: int) -> str:
    """A column's name in so many cells: of a head its number, of the MLP its letter."""
    if HEAD.fullmatch(name) and room < len(name):
        return name[-room:]
    if name == "mlp" and room < len(name):
        return "m"
    return short_role(name, room)
