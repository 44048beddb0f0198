"""The states of a session as a list: their tree, what each did, and its numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text

from screens.base.actions import keyed
from screens.base.numbers import count, plain, seconds, signed
from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.session.state_graph import Drawn
from workbench.session.state_rows import StateRow

MARKED = "✓"
MOST_GRAPH = 16
"""Cells of the tree at most: what lies farther right is cut."""
LEAST_WORDS = 20
"""Cells that the words have before a further column is shown."""
WIDEST_WORDS = 64
"""Cells from the words to the numbers at most: the eye has to cross them."""
NUMBERS = (("edges", 8), ("faithful", 10), ("change", 9))
MORE = (("took", 9), ("when", 18))
"""Columns with their widths: always there, and where there is room."""


class StateList(LineList[Drawn]):
    """The list; its rows come drawn from the session.

    Attributes:
        marked: the numbers of the states that were picked.
    """

    HEADING: ClassVar[int] = 1
    HELP = """\
Every state that the session was in, the newest first: each command made it of the one below it on
its line. ◉ is the present one, ◆ has a name. The line of the present state runs on the left, with
what redo leads to above it; a branch begins where a command was given after an undo.

**edges** and **faithful** are the state's own, **change** is what its command did to the
faithfulness, **took** how long that was. A run of threshold steps is one state.

Going to a state loses nothing: the one that is left stays on its branch. Undo then takes back the
command that made the state, and redo goes along the branch that was left last.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "states--here",
        "states--line",
        "states--name",
        "states--aside",
    }
    DEFAULT_CSS = """
    StateList > .states--here { color: $text-accent; text-style: bold; }
    StateList > .states--line { color: $text-accent; }
    StateList > .states--name { color: $text-success; text-style: bold; }
    StateList > .states--aside { color: $text-muted; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.marked: Collection[int] = ()
        self._graph = 1
        self._digits = 1

    def show_states(self, rows: Sequence[Drawn], *, to: int | None = None) -> None:
        """List these; the cursor goes to the state of that number, else stays on its own."""
        self._graph = min(MOST_GRAPH, max((len(d.line) for d in rows), default=1))
        self._digits = max((len(str(d.row.n)) for d in rows), default=1)
        self.show(rows, to=None if to is None else str(to))

    def key(self, row: Drawn) -> str:
        return str(row.row.n)

    def names(self, row: Drawn) -> tuple[tuple[str, str], ...]:
        named = (("name", row.row.name),) if row.row.name else ()
        return (("state", str(row.row.n)), *named)

    def table(self) -> Table:
        columns = ("state", "parent", "what", "edges", "faithfulness", "change", "seconds", "when")
        states = [drawn.row for drawn in self.rows]
        values = tuple(
            (
                *(state.n, state.parent, state.did, state.edges, state.faithfulness),
                *(state.change, state.seconds, state.when, state.name or None),
            )
            for state in states
        )
        return Table("states of the session", (*columns, "name"), values)

    def empty(self) -> str:
        return keyed("No state has a name yet: {key:history.name} names one.")

    def words(self, row: Drawn) -> str:
        state = row.row
        return f"{state.n} {state.name} {state.did} {local(state.when)}"

    def _columns(self, width: int) -> tuple[int, list[tuple[str, int]]]:
        """The cells that the words have, and the columns of numbers after them."""
        columns = list(NUMBERS)
        room = width - 3 - self._graph - 1 - self._digits - 2 - sum(w for _, w in columns)
        for name, cells in MORE:
            if room - cells >= LEAST_WORDS:
                columns.append((name, cells))
                room -= cells
        return max(1, min(room, WIDEST_WORDS)), columns

    def heading(self, width: int) -> Text:
        words, columns = self._columns(width)
        text = " " * (3 + self._graph + 1) + fit("n", self._digits, "right") + "  "
        text += fit("what was done", words)
        return Text(fit(text + "".join(f"{name:>{cells}}" for name, cells in columns), width))

    def line(self, row: Drawn, width: int, under_cursor: bool) -> Text:
        state = row.row
        words, columns = self._columns(width)
        style = self.ink("states--line" if state.on_current_path else "states--aside")
        text = Text(POINTER if under_cursor else " ")
        text.append(f"{MARKED if state.n in self.marked else ' '} ")
        graph = Text(fit(row.line, self._graph))
        graph.stylize(self.ink("states--aside"))
        if row.at < self._graph:
            here = "states--here" if state.is_current else "states--name" if state.name else ""
            graph.stylize(self.ink(here) if here else style, row.at, row.at + 1)
        text.append_text(graph)
        text.append(f" {state.n:>{self._digits}}  ", style)
        text.append_text(self._words(state, words))
        for name, cells in columns:
            text.append(number(state, name).rjust(cells))
        return text

    def _words(self, state: StateRow, cells: int) -> Text:
        did = one_line(state.did)
        if not state.name:
            return Text(fit(did, cells), "" if state.on_current_path or state.is_ahead else "dim")
        name = fit(one_line(state.name), max(1, min(len(one_line(state.name)), cells - 3)))
        text = Text(name, self.ink("states--name"))
        rest = cells - text.cell_len
        text.append(fit("  " + did, rest) if rest > 0 else "", "dim")
        return text


def number(state: StateRow, column: str) -> str:
    """What stands in a column."""
    if column == "edges":
        return count(state.edges)
    if column == "faithful":
        return plain(state.faithfulness, 3)
    if column == "change":
        return "" if state.change is None else signed(state.change, 3)
    if column == "took":
        return "" if state.seconds is None else seconds(state.seconds)
    return local(state.when)


def local(when: str) -> str:
    """A time of the journal on the clock of this machine; what is none stands as it is."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return one_line(when)
