"""The circuit as a tree, back from the logits: kept edges, and what is still to be expanded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from screens.numbers import digits_for, signed
from screens.one_line import one_line
from screens.rows import POINTER, Rows
from screens.tokens import fit
from workbench.views import TreeRow

MARKS = {"open": "◌", "partly": "◐", "expanded": "●", "dead": "✗", "input": "■"}
LEGEND = {
    "◌": "open: kept but not expanded; its inputs still read the clean residual",
    "◐": "partly expanded: some of its q, k and v are still open",
    "●": "expanded: its inputs are made of its kept edges",
    "✗": "dead: nothing live feeds it any more, so it does nothing",
    "■": "the embeddings",
    "↑": "stands further up already, with what feeds it",
    "▹": "folded: what feeds it is hidden",
}
REPEATED, FOLDED = "↑", "▹"
WIDEST = 60  # cells from a name to its number at most: the eye has to cross them
DEEPEST = 8  # levels drawn as guides; deeper rows say their depth instead


class CircuitTree(Rows[TreeRow]):
    """The tree. A row is known by its kept edge; the logits by their name."""

    HEADING = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "fold", "fold or go to the parent", show=False),
        Binding("right,l", "unfold", "unfold", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"circuit-tree--frontier", "circuit-tree--guide"}
    DEFAULT_CSS = """
    CircuitTree > .circuit-tree--frontier { color: $text-warning; }
    CircuitTree > .circuit-tree--guide { color: $text-muted; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.all: list[TreeRow] = []
        self.folded: set[str] = set()
        self.chosen: str | None = None
        self._guides: dict[str, str] = {}
        self._digits = 4

    def show_tree(self, rows: Sequence[TreeRow], *, to: str | None = None) -> None:
        """Show these rows; nothing is redrawn where nothing changed."""
        if list(rows) == self.all and to is None:
            return
        self.all = list(rows)
        self._digits = digits_for(
            max((abs(r.effect) for r in rows if r.effect is not None), default=0)
        )
        self._unfolded(to)

    def _unfolded(self, to: str | None = None) -> None:
        shown, hidden_below = [], None
        for row in self.all:
            if hidden_below is not None and row.depth > hidden_below:
                continue
            shown.append(row)
            hidden_below = row.depth if self.key(row) in self.folded else None
        self._guides = _guides(shown)
        self.show(shown, to=to)

    def go_to(self, node: str) -> bool:
        """Put the cursor on a node, where what feeds it is listed; False if it is not here."""
        rows = [r for r in self.all if r.name == node]
        if not rows:
            return False
        row = next((r for r in rows if not r.repeated), rows[0])
        here = self.highlighted
        if here is not None and here.name == node:
            return True
        if not self.move_to_key(self.key(row)):
            self.folded.clear()
            self._unfolded(self.key(row))
        return True

    def choose(self, node: str | None) -> None:
        """Mark the node whose candidate edges are shown."""
        if node != self.chosen:
            self.chosen = node
            self.refresh()

    def key(self, row: TreeRow) -> str:
        return row.edge or row.name

    def heading(self, width: int) -> Text:
        return Text(fit(" back from the logits", min(width, WIDEST) - 8) + " effect ")

    def line(self, row: TreeRow, width: int, under_cursor: bool) -> Text:
        frontier = row.state in ("open", "partly") and not row.repeated
        style = self.ink("circuit-tree--frontier") if frontier else ""
        width = min(width, WIDEST)
        text = Text(POINTER if under_cursor else " ")
        text.append(self._guides.get(self.key(row), ""), self.ink("circuit-tree--guide"))
        if row.destination and row.destination.endswith(">"):
            text.append(row.destination[-2:-1] + " ", self.ink("circuit-tree--guide"))
        text.append(MARKS[row.state] + " ", style)
        text.append(row.name, style)
        if row.name == self.chosen:
            text.stylize("underline", len(text) - len(row.name))
        if row.repeated:
            text.append(" " + REPEATED, self.ink("circuit-tree--guide"))
        elif self.key(row) in self.folded:
            text.append(" " + FOLDED)
        number = "" if row.effect is None else signed(row.effect, self._digits)
        room = width - text.cell_len - 12
        if row.role and room > 3:
            text.append(" " + fit(one_line(row.role), room), self.ink("circuit-tree--guide"))
        gap = width - text.cell_len - len(number) - 1
        text.append(" " * max(1, gap) + number)
        return text

    def action_fold(self) -> None:
        row = self.highlighted
        if row is None:
            return
        follows = self.rows[self.index + 1] if self.index + 1 < len(self.rows) else None
        if follows is not None and follows.depth > row.depth:
            self.folded.add(self.key(row))
            self._unfolded()
            return
        for i in range(self.index - 1, -1, -1):
            if self.rows[i].depth < row.depth:
                self.move_to(i)
                return

    def action_unfold(self) -> None:
        row = self.highlighted
        if row is not None and self.key(row) in self.folded:
            self.folded.discard(self.key(row))
            self._unfolded()
        elif row is not None and row.repeated:
            self.go_to_first(row.name)

    def go_to_first(self, node: str) -> None:
        """From a repeated row to the one that lists what feeds the node."""
        first = next((r for r in self.all if r.name == node and not r.repeated), None)
        if first is not None:
            self.move_to_key(self.key(first))


def _guides(rows: Sequence[TreeRow]) -> dict[str, str]:
    """The lines that lead to each row: bottom up, since a line ends at the last child."""
    guides: dict[str, str] = {}
    open_levels: set[int] = set()  # levels at which a row follows further down
    for row in reversed(rows):
        if row.depth == 0:
            lead = ""
        else:
            first = max(1, row.depth - DEEPEST)
            lead = f"{row.depth}…" if first > 1 else ""
            lead += "".join(
                "│ " if level in open_levels else "  " for level in range(first, row.depth)
            )
            lead += "├ " if row.depth in open_levels else "└ "
        open_levels = {level for level in open_levels if level <= row.depth} | {row.depth}
        guides[row.edge or row.name] = lead
    return guides
