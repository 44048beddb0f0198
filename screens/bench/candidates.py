"""Candidate edges into the chosen node: kept or not, estimate, exact effect, cost.

The table owns order, filter, columns and marks. It knows no session: the bench hands it
`Candidate`s and hears what the user clicked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message

from screens.base.marks import DROPPED, KEPT, NOTED, PREVIEWED, PROPOSED
from screens.base.numbers import ABSENT, PENDING, bar, digits_for, signed
from screens.base.reference_marks import SIGNS
from screens.base.tokens import fit, one_line
from screens.bench.edge_filter import EdgeFilter
from screens.bench.edge_order import SORTS, sort_key
from screens.bench.edge_values import edge_table
from screens.bench.keys import EDGES
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.circuits.names import input_of, is_one_of
from workbench.circuits.parts import edge_of, role_words
from workbench.session.views import Candidate

TITLES = {
    "kept": "",
    "reference": "ref",
    "source": "source",
    "input": "in",
    "at": "at",
    "eap": "EAP est.",
    "exact": "exact",
    "direct": "direct",
    "found": "found",
    "effect": "effect",
    "drop": "drop cost",
    "role": "role",
}
WITH_NAME = 6  # cells of a bar's side that must be left beside a result's whole name
KIND = 6  # cells of what kind a head is, beside its name
MOST_AT = 14  # cells of the roles at which an edge is
MOST_BAR = 14  # cells of a bar on either side of the axis


def _of_kind(marks: str) -> str:
    """What kind a head is, in a few cells; + where it is of others too that find no room."""
    first, *others = marks.split(" ")
    return fit(marks if len(marks) < KIND else f"{first}{'+' if others else ''}", KIND)


class Candidates(LineList[Candidate]):
    """The table.

    Attributes, set by the bench between calls of `show_edges`:

    sweeping: edges whose exact value is being computed: a value known before is shown dim.
    costing: drop costs are being computed.
    comparing: there is a reference: a column says where each edge stands.
    roles: of the prompts, in order.
    finder: name of the result of a discovery whose scores have a column; "" for none.
    in_flight: edges whose keeping or dropping is under way, with the mark that they will have.
    ranked: gives the same edges with the values that put them in order and that a filter goes by.
    at_work: the cursor is being used here, so that rows have to stay where they are.
    behind: they would stand in another order, were they sorted anew.
    times_sorted: how often they have been, or were other rows, by somebody's wish.
    """

    HEADING = 1
    BINDINGS: ClassVar[list[BindingType]] = [action.binding(of_screen=True) for action in EDGES]

    class Marked(Message):
        """The mark of a row was clicked."""

        def __init__(self, row: Candidate) -> None:
            super().__init__()
            self.row = row

    class Sorted(Message):
        """The order changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "candidates--kept",
        "candidates--estimate",
        "candidates--differs",
    }
    DEFAULT_CSS = """
    Candidates > .candidates--kept { color: $text-success; }
    Candidates > .candidates--estimate { color: $text-muted; }
    Candidates > .candidates--differs { color: $text-accent; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.all: list[Candidate] = []
        self.filter = EdgeFilter("")
        self.sort = "effect"
        self.descending = True
        self.costs_shown = False
        self.sweeping = False
        self.costing = False
        self.comparing = False
        self.finder = ""
        self.roles: tuple[str, ...] = ()
        self.noted: frozenset[str] = frozenset()
        self.kinds: Mapping[str, str] = {}
        self.in_flight: dict[str, bool] = {}
        self.ranked: Callable[[], Sequence[Candidate]] = lambda: self.all
        self.at_work = self.behind = False
        self.times_sorted = 0
        self.order: Callable[[str], int] = lambda name: 0
        self.nothing = "No edges."
        self._before: dict[str, tuple[float | None, float | None]] = {}
        self._spans: list[tuple[str, int, int]] = []
        self._digits = 4
        self._largest = 1.0
        self._has_inputs = False
        self._has_roles = False
        self._at_cells = 0
        self._has_direct = False
        self._proposing = False
        self._found_digits = 4

    # Rows.

    def show_edges(self, edges: Sequence[Candidate], *, anew: bool, to: str | None = None) -> None:
        """Show these edges: sorted anew, or where the same edges are shown already, in place."""
        same = not anew and len(edges) == len(self.all)
        by_edge = {c.edge: c for c in edges}
        same = same and all(c.edge in by_edge for c in self.all)
        self._remember(by_edge if same else {})
        self.all = list(edges)
        self._measure()
        if same and (self.behind or not self.filter.depends_on_values):
            for i, old in enumerate(self.rows):
                new = by_edge[old.edge]
                if new != old:
                    self.rows[i] = new
                    self.redraw(i)
            return
        if anew:
            self._sorts()
        self.resort(to=to)

    def mark_in_flight(self) -> None:
        """Draw the rows again whose keeping or dropping is under way."""
        for i, row in enumerate(self.rows):
            if row.edge in self.in_flight:
                self.redraw(i)

    def resort(self, *, to: str | None = None) -> None:
        self.behind = False
        self.show(self._sorted(), to=to)

    def _sorted(self) -> list[Candidate]:
        """The rows that pass the filter, in order."""
        now = {c.edge: c for c in self.all}
        ranked = [c for c in self.ranked() if c.edge in now]
        if len(ranked) < len(now):
            ranked = self.all
        shown = [c for c in ranked if self.filter.matches(c)]
        # Two stable sorts: equal rows stay in the session's order, whichever way the column runs.
        shown.sort(key=sort_key(self.sort, self.order, self.roles), reverse=self.descending)
        return [now[c.edge] for c in shown]

    def in_order(self) -> bool:
        """Sorted anew, the rows would stand as they do."""
        return [row.edge for row in self._sorted()] == [row.edge for row in self.rows]

    def _sorts(self) -> None:
        """What is shown from now on was asked for: it may be put in order until it is used."""
        self.times_sorted += 1
        self.at_work = False

    def sort_by(self, column: str) -> None:
        """Sort by a column; by the one that it is sorted by already: the other way round."""
        self.descending = not self.descending if column == self.sort else True
        self.sort = column
        self._sorts()
        self.resort()
        self.post_message(self.Sorted())

    def compare(self, on: bool) -> None:
        """Have a column for where the edges stand beside a reference, or none."""
        if on != self.comparing:
            self.comparing = on
            if not on and self.sort == "reference":
                self.sort_by("effect")
            self.refresh()

    def find_by(self, name: str) -> None:
        """Have a column for the scores of the result of this name, or ("") none."""
        if name != self.finder:
            self.finder = name
            if not name and self.sort == "found":
                self.sort_by("effect")
            self.refresh()

    def sort_anew(self) -> None:
        """Sort by the same column, by what is known now."""
        self._sorts()
        self.resort()
        self.post_message(self.Sorted())

    def next_sort(self) -> None:
        absent = {
            "drop": not self.costs_shown,
            "reference": not self.comparing,
            "found": not self.finder,
            "direct": not self._has_direct,
            "at": not self._at_cells,
        }
        columns = [c for c in SORTS if not absent.get(c)]
        here = columns.index(self.sort) if self.sort in columns else -1
        self.sort_by(columns[(here + 1) % len(columns)])

    def set_filter(self, words: str) -> None:
        """Show only matching edges. Raises ValueError with a sentence if the words say nothing."""
        self.filter = EdgeFilter(words)
        self._sorts()
        self.resort()

    def _remember(self, coming: dict[str, Candidate]) -> None:
        """Keep numbers that went stale, to be shown dim until the new ones are there."""
        kept: dict[str, tuple[float | None, float | None]] = {}
        for old in self.all:
            if old.edge in coming:
                exact, cost = self._before.get(old.edge, (None, None))
                kept[old.edge] = (
                    exact if old.exact is None else old.exact,
                    cost if old.drop_cost is None else old.drop_cost,
                )
        self._before = kept

    def _measure(self) -> None:
        sizes = [abs(c.score) for c in self.all if math.isfinite(c.score)]
        largest, digits = max(sizes, default=0.0), self._digits
        self._digits = digits_for(largest)
        self._has_inputs = any(input_of(c.destination) for c in self.all)
        self._has_roles = any(c.role for c in self.all)
        words = {c.at: len(self._at_words(c)) for c in self.all if c.at}
        self._at_cells = min(MOST_AT, max(2, *words.values())) + 1 if words else 0
        has_direct, self._has_direct = self._has_direct, any(c.direct is not None for c in self.all)
        if has_direct != self._has_direct:
            if not self._has_direct and self.sort == "direct":
                self.sort = "effect"
            self.refresh()
        found = [abs(c.found) for c in self.all if c.found is not None]
        proposing, found_digits = self._proposing, self._found_digits
        self._proposing = any(c.proposed for c in self.all)
        self._found_digits = digits_for(max(found, default=0.0))
        if (proposing, found_digits) != (self._proposing, self._found_digits):
            self.refresh()
        if largest != self._largest or digits != self._digits:
            self._largest = largest
            self.refresh()

    def _at_words(self, row: Candidate) -> str:
        return role_words(row.at, self.roles).removeprefix("@")

    def move_to_edge(self, edge: str) -> bool:
        """Put the cursor on an edge; where it is split by role, or is no more, on what it is now.

        That is also q, k and v together, of which it is one.

        False if it is not here.
        """
        whole = edge_of(edge)
        rows = [row.edge for row in self.rows]
        here = [name for name in rows if edge_of(name) == whole or is_one_of(whole, name)]
        return bool(here) and self.move_to_key(edge if edge in here else here[0])

    def key(self, row: Candidate) -> str:
        return row.edge

    def names(self, row: Candidate) -> tuple[tuple[str, str], ...]:
        return (("edge", row.edge), ("node", row.source))

    def table(self) -> Table:
        return edge_table(self.rows)

    def empty(self) -> str:
        return "No edge matches the filter." if self.all else self.nothing

    # Lines.

    def mark_notes(self, targets: Iterable[str]) -> None:
        """Mark the edges on which there are notes."""
        if frozenset(targets) != self.noted:
            self.noted = frozenset(targets)
            self.refresh()

    def mark_heads(self, kinds: Mapping[str, str]) -> None:
        """Say beside the heads of which kind they are; `kinds`: by head, a mark or several."""
        if kinds != self.kinds:
            self.kinds = kinds
            self.refresh()

    def columns(self, width: int) -> list[tuple[str, int, int]]:
        """Columns with their first cell and width, as many as there is room for."""
        marks = 3 if self._proposing else 2
        wanted = [("kept", marks), *([("reference", 5)] if self.comparing else []), ("source", 8)]
        # Also where nothing reads through q, k and v: columns stay in place from node to node.
        wanted.append(("input", 3))
        if self._at_cells:
            wanted.append(("at", self._at_cells))
        number = 5 + self._digits + (1 if self._digits < 3 else 0)
        wanted += [("eap", max(10, number + 2)), ("exact", max(10, number + 2))]
        spare = width - 2 - sum(w for _, w in wanted) - (11 if self.costs_shown else 0)
        if self.finder:
            # Its whole name stands over the column if a bar still fits beside it.
            whole, least = len(self._found_by) + 2, max(10, self._found_digits + 7)
            cells = max(whole, least) if spare - max(whole, least) >= 4 + 2 * WITH_NAME else least
            if spare >= cells:
                wanted.insert(-1, ("found", cells))
                spare -= cells
        if self._has_direct and spare >= max(10, number + 2) + 4:
            wanted.append(("direct", max(10, number + 2)))
            spare -= max(10, number + 2)
        half = max(
            0, min(MOST_BAR, (spare - 4 - (10 if self._has_roles and spare >= 24 else 0)) // 2)
        )
        half -= KIND // 2 if self.kinds and half >= 2 + KIND // 2 else 0
        if half >= 2:
            wanted.append(("effect", 2 * half + 3))
            spare -= 2 * half + 3
        if self.kinds and spare >= KIND:
            at = wanted.index(("source", 8))
            wanted[at] = ("source", 8 + KIND)
            spare -= KIND
        if self.costs_shown:
            wanted.append(("drop", 11))
        if spare >= 8 and self._has_roles:
            wanted.append(("role", spare))
        spans, x = [], 2
        for name, cells in wanted:
            spans.append((name, x, cells))
            x += cells
        return spans

    @property
    def _found_by(self) -> str:
        """What stands over the scores of a result: not the estimates, which have a name like it."""
        return f"by {self.finder}"

    def heading(self, width: int) -> Text:
        self._spans = self.columns(width)
        text = Text("  ")
        for name, _, cells in self._spans:
            title = TITLES[name]
            if name == "found" and len(self._found_by) + 2 <= cells:
                title = self._found_by
            arrow = ("▾" if self.descending else "▴") if name == self.sort else " "
            if name == "effect":
                half = (cells - 3) // 2
                left = "effect −" if half >= 8 else "−"
                text.append(f"  {left:>{half}}0{'+' + arrow:<{half}}")
            elif name == "kept":
                text.append(arrow.ljust(cells))
            elif name == "input" and not self._has_inputs:
                text.append(" " * cells)
            elif name in ("source", "input", "at", "reference"):
                text.append(fit(title + arrow, cells))
            elif name == "role":
                text.append(fit("  " + title + arrow, cells))
            else:  # the arrow stands above the dots that may follow a number
                text.append(fit(title + arrow, cells, "right"))
        return text

    def line(self, row: Candidate, width: int, under_cursor: bool) -> Text:
        self._spans = self.columns(width)
        stale_exact, stale_cost = self._before.get(row.edge, (None, None))
        kept_style = self.ink("candidates--kept") if row.kept else ""
        quiet = self.ink("candidates--estimate")
        text = Text(POINTER + " " if under_cursor else "  ")
        for name, _, cells in self._spans:
            if name == "kept":
                if row.edge in self.in_flight:
                    mark = (KEPT if self.in_flight[row.edge] else DROPPED) + PENDING
                    text.append(mark.ljust(cells), "dim")
                else:
                    mark = KEPT if row.kept else PREVIEWED if row.preview else DROPPED
                    mark += PROPOSED if row.proposed else ""
                    text.append(mark.ljust(cells), kept_style)
            elif name == "reference":
                sign = SIGNS[row.reference] if row.reference else ""
                differs = row.reference in ("missing", "extra")
                text.append(sign.ljust(cells), self.ink("candidates--differs") if differs else "")
            elif name == "source":
                noted = f" {NOTED}" if edge_of(row.edge) in self.noted else ""
                mark = _of_kind(self.kinds.get(row.source, "")) if cells > 8 else ""
                name = fit(row.source, cells - len(noted) - len(mark))
                text.append(name + noted, kept_style)
                text.append(mark, quiet)
            elif name == "input":
                text.append(fit(input_of(row.destination), cells))
            elif name == "at":
                text.append(fit(fit(self._at_words(row), cells - 1), cells), kept_style)
            elif name == "eap":
                text.append((signed(row.eap, self._digits) + " ").rjust(cells), quiet)
            elif name == "found":
                number = ABSENT if row.found is None else signed(row.found, self._found_digits)
                text.append((number + " ").rjust(cells), quiet)
            elif name == "exact":
                text.append(*self._number(row.exact, stale_exact, cells, self.sweeping))
            elif name == "direct":
                number = ABSENT if row.direct is None else signed(row.direct, self._digits)
                text.append((number + " ").rjust(cells), quiet)
            elif name == "effect":
                half = (cells - 3) // 2
                drawn = bar(row.score, self._largest, half, estimate=row.exact is None)
                text.append("  " + drawn, quiet if row.exact is None else kept_style)
            elif name == "drop":
                wanted = self.costing and row.kept
                text.append(*self._number(row.drop_cost, stale_cost, cells, wanted))
            elif name == "role":
                text.append("  " + fit(one_line(row.role or ""), cells - 2))
        return text

    def _number(
        self, value: float | None, stale: float | None, cells: int, coming: bool
    ) -> tuple[str, str]:
        """A known number; while it is being computed the one before, dim; else a dot."""
        if value is not None:
            return (signed(value, self._digits) + " ").rjust(cells), ""
        if coming:
            before = "" if stale is None else signed(stale, self._digits)
            return (before + PENDING).rjust(cells), "dim"
        return (ABSENT + " ").rjust(cells), "dim"

    def clicked(self, row: Candidate | None, x: int) -> bool:
        self.at_work = row is not None
        column = next((name for name, at, cells in self._spans if at <= x < at + cells), None)
        if row is None:
            if column is not None:
                self.sort_by(column)
            return True
        if column == "kept" or x < 2:
            self.post_message(self.Marked(row))
            return True
        return False
