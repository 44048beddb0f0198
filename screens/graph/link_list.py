"""The links of one node as a list: what it feeds, then what feeds it, by falling effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text

from screens.base.marks import ESTIMATE
from screens.base.numbers import ABSENT, bar, digits_for, signed
from screens.base.tokens import fit
from screens.graph.layer_map import FED_BY, FEEDS
from screens.graph.picture import Link, Picture
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table

WORDS = 46
"""Cells from which the marks have their words beside them."""
SHORTEST, LONGEST = 8, 17
"""Cells of the column of names: as many as the longest needs, one with a role perhaps."""


@dataclass(frozen=True)
class LinkRow:
    """One link, seen from the chosen node.

    Attributes:
        other: the node at its other end.
        out: it leads from the chosen node to the other.
    """

    link: Link
    other: str
    out: bool


class LinkList(LineList[LinkRow]):
    """The list; enter or a double click goes to the node at the other end."""

    HEADING: ClassVar[int] = 1
    HELP = """\
Every link of the chosen node: ▲ what it feeds, ▼ what feeds it. Letters say which inputs of a head
the edges enter: q, k or v. The effect is the change of the metric when the edge is corrupted: the
exact one if it was computed, else its estimate (EAP), marked ~ and with a hatched bar.
"""
    MOST_BAR = 10

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._node: str | None = None
        self._largest = 0.0
        self._digits = 4
        self._names = SHORTEST

    def show_links(self, picture: Picture, node: str | None) -> None:
        rows = [LinkRow(link, link.destination, True) for link in picture.feeds.get(node or "", ())]
        rows += [LinkRow(link, link.source, False) for link in picture.fed_by.get(node or "", ())]
        effects = [abs(row.link.effect) for row in rows if row.link.effect is not None]
        self._largest = max(effects, default=0.0)
        self._digits = digits_for(self._largest)
        longest = max((len(row.other) + 1 for row in rows), default=SHORTEST)
        self._names = min(max(SHORTEST, longest), LONGEST)
        # Another node's list begins at its top; the same node's keeps its place.
        other = node != self._node
        self._node = node
        self.show(rows, to=self.key(rows[0]) if rows and other else None)

    def key(self, row: LinkRow) -> str:
        return f"{FEEDS if row.out else FED_BY}{row.other}"

    def names(self, row: LinkRow) -> tuple[tuple[str, str], ...]:
        return (("node", row.other),)

    def table(self) -> Table:
        values = tuple(
            (link.source, link.destination, link.inputs, link.n_edges, link.effect, link.estimated)
            for link in (row.link for row in self.rows)
        )
        columns = ("source", "destination", "inputs", "edges", "largest_effect", "estimated")
        return Table(f"links of {self._node}", columns, values)

    def heading(self, width: int) -> Text:
        margin = 9 if width >= WORDS else 3
        return Text(fit(f"{'':{margin}} {'node':<{self._names}}{'into':<5}{'effect':>10}", width))

    def empty(self) -> str:
        return "No kept edge."

    def line(self, row: LinkRow, width: int, under_cursor: bool) -> Text:
        direction = FEEDS if row.out else FED_BY
        if width >= WORDS:
            direction += " feeds " if row.out else " fed by"
        effect = row.link.effect
        number = ABSENT if effect is None else signed(effect, self._digits)
        number = ESTIMATE + number if row.link.estimated else number
        text = f"{POINTER if under_cursor else ' '}{direction} "
        text += f" {fit(row.other, self._names)}{fit(row.link.inputs, 5)}{number:>10} "
        half = min(self.MOST_BAR, (width - len(text) - 1) // 2)
        if half >= 2 and effect is not None:
            text += bar(effect, self._largest, half, estimate=row.link.estimated)
        return Text(text)
