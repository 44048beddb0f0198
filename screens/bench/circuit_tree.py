"""The circuit as a tree, back from the logits: kept edges, and what is to be expanded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from screens.base.marks import ESTIMATE, FOLDED, MARKS, NARROWED, NOT_KEPT, NOTED, REPEATED
from screens.base.numbers import count, signed
from screens.base.prose import prose
from screens.base.reference_marks import node_sign, node_words
from screens.base.tokens import fit, one_line
from screens.bench.edge_values import tree_table
from screens.bench.keys import BY_NAME, TREE
from screens.bench.tree_layout import TreeLayout, key_of
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.circuits.names import input_of
from workbench.circuits.parts import edge_of, role_words
from workbench.circuits.tree import TreeRow

NOTHING_YET = (
    "Everything is open: this is the whole model. Go back from the logits: expand them, and the "
    "circuit keeps the edges whose effect reaches the threshold."
)
FIRST_KEYS = ("expand", "panel('candidates')", "discover", "prompts", "help")
"""What a circuit begins with."""
MOST_AT = 20  # cells of the roles at which an edge is
LEAST_AT = 3  # cells below which they would be no more than their ends
LEAST_WORDS = 3  # the same of what the node does
ASIDE = 40  # cells beside the numbers from which words stand there, where there are more of them
NUMBER = 12  # cells of the widest number with what is around it
WIDEST = 60  # cells from a name to its number at most: the eye has to cross them


class CircuitTree(LineList[TreeRow]):
    """The tree. A row is known by its kept edge; the logits by their name."""

    HEADING = 1
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in TREE]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "circuit-tree--frontier",
        "circuit-tree--guide",
        "circuit-tree--differs",
    }
    DEFAULT_CSS = """
    CircuitTree > .circuit-tree--frontier { color: $text-warning; }
    CircuitTree > .circuit-tree--guide { color: $text-muted; }
    CircuitTree > .circuit-tree--differs { color: $text-accent; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.laid_out = TreeLayout()
        self.folded: set[str] = set()
        self.chosen: str | None = None
        self.noted: frozenset[str] = frozenset()
        self.changed: dict[str, str] = {}
        self.roles: tuple[str, ...] = ()

    def mark_notes(self, targets: Iterable[str]) -> None:
        """Mark the nodes and edges on which there are notes."""
        if frozenset(targets) != self.noted:
            self.noted = frozenset(targets)
            self.refresh()

    def mark_interventions(self, marks: dict[str, str]) -> None:
        """Say beside each node what is done to it, in a few characters."""
        if marks != self.changed:
            self.changed = dict(marks)
            self.refresh()

    def show_tree(self, layout: TreeLayout, *, to: str | None = None) -> None:
        """Show these rows but for those that are folded away."""
        self.laid_out = layout
        self._unfolded(to)

    def _unfolded(self, to: str | None = None) -> None:
        shown, hidden_below = [], None
        for row in self.laid_out.rows:
            if hidden_below is not None and row.depth > hidden_below:
                continue
            shown.append(row)
            hidden_below = row.depth if self.folded and self.key(row) in self.folded else None
        self.show(shown, to=to)

    def go_to(self, node: str) -> bool:
        """Put the cursor on a node, where what feeds it is listed; False if it is not here."""
        row = self.laid_out.find(node)
        if row is None:
            return False
        here = self.highlighted
        if (here is None or here.name != node) and not self.move_to_key(self.key(row)):
            self.folded.clear()
            self._unfolded(self.key(row))
        return True

    def choose(self, node: str | None) -> None:
        """Mark the node whose candidate edges are shown."""
        if node != self.chosen:
            self.chosen = node
            self.refresh()

    def key(self, row: TreeRow) -> str:
        return key_of(row)

    def names(self, row: TreeRow) -> tuple[tuple[str, str], ...]:
        return (("node", row.name), *([("edge", row.edge)] if row.edge else []))

    def table(self) -> Table:
        return tree_table(self.rows)

    def below(self, width: int) -> list[Text]:
        """What to do, as long as nothing has been done."""
        if len(self.rows) > 1 or self.laid_out.rows[0].state != "open":
            return []
        lines = prose(NOTHING_YET, width - 2)
        for name in FIRST_KEYS:
            key = Text.assemble((f"{BY_NAME[name].shown:>7}  ", "bold"))
            told = prose(BY_NAME[name].help.split(". ")[0].removesuffix(".") + ".", width - 11)
            lines += [key + told[0], *(Text(" " * 9) + line for line in told[1:])]
        return [Text(" ") + line for line in lines]

    def heading(self, width: int) -> Text:
        return Text(fit(" back from the logits", min(width, WIDEST) - 8) + " effect ")

    def line(self, row: TreeRow, width: int, under_cursor: bool) -> Text:
        """The row; where it is too narrow for all of it, its words give way, never its number."""
        aside = max(0, width - WIDEST - 2)  # room to the right of all numbers
        width = min(width, WIDEST)
        number = "" if row.effect is None else signed(row.effect, self.laid_out.digits)
        number = ESTIMATE + number if number and row.estimated else number
        room = width - len(number) - (2 if number else 1)
        marks = self._marks(row)
        text = self._named(row, under_cursor)
        if row.at and room - text.cell_len - marks.cell_len > LEAST_AT:
            at = fit(self._at(row), room - text.cell_len - marks.cell_len - 1).rstrip()
            text.append(f" {at}", self.ink("circuit-tree--guide"))
        text.truncate(room - marks.cell_len, overflow="ellipsis")
        text.append_text(marks)
        words = " ".join(
            filter(None, (node_words(row.reference, row.node_reference), one_line(row.role or "")))
        )
        # Words end in one column, whatever the number: one above the other they are read.
        spare = min(room - 1, width - NUMBER) - text.cell_len
        if words and spare > LEAST_WORDS and aside < ASIDE:
            text.append(" " + fit(words, spare), self.ink("circuit-tree--guide"))
        gap = width - text.cell_len - len(number) - 1
        text.append(" " * max(1, gap) + number)
        if words and aside >= ASIDE:
            text.append("  " + fit(words, aside).rstrip(), self.ink("circuit-tree--guide"))
        return text

    def _named(self, row: TreeRow, under_cursor: bool) -> Text:
        """The lines that lead to the row, and which node it is."""
        frontier = row.state in ("open", "partly") and not row.repeated
        style = self.ink("circuit-tree--frontier") if frontier else ""
        if row.state == "missing":
            style = self.ink("circuit-tree--guide")
        text = Text(POINTER if under_cursor else " ")
        text.append(self.laid_out.guide(row), self.ink("circuit-tree--guide"))
        if which := input_of(row.destination or ""):
            text.append(which + " ", self.ink("circuit-tree--guide"))
        text.append(MARKS.get(row.state, NOT_KEPT) + " ", style)
        text.append(row.name, style)
        if row.name == self.chosen:
            text.stylize("underline", len(text) - len(row.name))
        return text

    def _marks(self, row: TreeRow) -> Text:
        """What is marked behind the name, in a few cells."""
        text = Text()
        if row.neurons is not None:
            text.append(f" {NARROWED}{count(row.neurons)}")
        if row.repeated:
            text.append(" " + REPEATED, self.ink("circuit-tree--guide"))
        elif self.key(row) in self.folded:
            text.append(" " + FOLDED)
        if row.name in self.changed:
            text.append(" " + self.changed[row.name], self.ink("circuit-tree--frontier"))
        if self.noted and not self.noted.isdisjoint((row.name, edge_of(self.key(row)))):
            text.append(" " + NOTED)
        if sign := node_sign(row.reference, row.node_reference):
            text.append(" " + sign, self.ink("circuit-tree--differs"))
        return text

    def _at(self, row: TreeRow) -> str:
        """The roles of an edge that is kept at some; in a narrow tree as many as there is room."""
        words = role_words(row.at, self.roles)
        return words if len(words) <= MOST_AT else fit(words, MOST_AT).rstrip()

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
            self.move_to_key(self.key(self.laid_out.find(row.name) or row))
