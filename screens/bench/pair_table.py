"""The pairs one by one: what model and circuit make of each, sorted by any column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message

from screens.base.numbers import ABSENT, plain, signed
from screens.base.prose import prose
from screens.base.tokens import fit, one_line, show_token
from screens.base.worker import Worker, error_sentence
from screens.bench.pair_keys import PAIR_ACTIONS
from screens.widgets.line_list import POINTER, LineList
from screens.widgets.split_off import split_off
from workbench.base.table import Table
from workbench.engine.pair_row import PairRow, table_of_pairs
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.session.session import Session

MARKED = "●"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title, short: its heading, and where there is little room.
        wide, narrow: its cells, and where there is little room.
        value: what it is sorted by.
        text: how it is shown.
        falling: the largest comes first.
    """

    title: str
    short: str
    wide: int
    narrow: int
    value: Callable[[PairRow], Any]
    text: Callable[[PairRow], str]
    falling: bool = True

    def cells(self, *, wide: bool) -> int:
        """Its width in a wide table, or in a narrow one."""
        return self.wide if wide else self.narrow


def _share(value: float | None) -> str:
    return ABSENT if value is None else plain(value, 2)


COLUMNS = (
    Column("shortfall", "shortfall", 11, 10,
           lambda row: row.shortfall, lambda row: signed(row.shortfall, 3)),
    Column("pair", "pair", 6, 5,
           lambda row: row.index, lambda row: str(row.index + 1), falling=False),
    Column("faithful", "faithful", 10, 9,
           lambda row: -1e9 if row.faithfulness is None else row.faithfulness,
           lambda row: _share(row.faithfulness), falling=False),
    Column("model", "model", 8, 8, lambda row: row.clean, lambda row: signed(row.clean, 3)),
    Column("circuit", "circuit", 9, 8, lambda row: row.circuit, lambda row: signed(row.circuit, 3)),
    Column("rank", "rank", 7, 6,
           lambda row: row.model_rank, lambda row: str(row.model_rank or ABSENT)),
    Column("its rank", "its", 10, 5,
           lambda row: row.circuit_rank, lambda row: str(row.circuit_rank or ABSENT)),
)  # fmt: skip
TOKEN, SHORT_TOKEN = 12, 7
"""Cells of a likeliest token, and where there is little room."""
SAYS, SHORT_SAYS = ("model says", "circuit says"), ("says", "it says")
LEGEND = (
    "shortfall: how much worse the circuit's metric is than the model's on this pair; faithful: "
    "the faithfulness of the pair alone; model, circuit: the metric of each; rank: of the best "
    "answer in the model, 1 for the likeliest, and in the circuit; then the likeliest token of "
    "each, dim where it is no answer."
)
"""What the columns are, below the last row."""
ROOM = 80
"""Cells from which there is room."""
MARGIN = 2
"""Cells of the cursor's mark and of the pair's."""


def _token(width: int) -> int:
    return TOKEN if width >= ROOM else SHORT_TOKEN


class PairTable(LineList[PairRow]):
    """The table; its rows are computed anew when it is seen and something changed."""

    HEADING: ClassVar[int] = 1
    HELP = """\
What the model and the circuit make of each pair.

- **shortfall**: how much worse the circuit's metric is than the model's on this pair
- **faithful**: faithfulness of this pair alone
- **model**, **circuit**: the metric of each
- **rank**, **its rank**: of the best answer in the model and in the circuit, 1 for the likeliest
- then the likeliest token of the model, and of the circuit

**{key:pairs.choose}** turns the readouts to the pair, **{key:pairs.only}** everything: all others
are put aside, which undo takes back.
"""
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in PAIR_ACTIONS]

    class PairChosen(Message):
        """A pair was chosen, None: the mean over all."""

        def __init__(self, index: int | None) -> None:
            super().__init__()
            self.index = index

    class Only(Message):
        """All pairs but one are to be put aside; `index` is its place in the session's set."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.session: Session | None = None
        self.marked: set[int] = set()
        self.read: int | None = None  # the pair that the readouts show
        self.failed = ""
        self._by = 0
        self._falling = COLUMNS[0].falling
        self._of: tuple[str, int] | None = None  # pairs and circuit that the rows are of
        self._asked: tuple[str, int] | None = None

    def on_mount(self) -> None:
        self._background = Worker(self, "pairs", owes=True)

    def on_unmount(self) -> None:
        self._background.stop()

    # What it is of.

    def follow(self, session: Session) -> None:
        """Show this session as it stands, as soon as the table is seen."""
        if session is not self.session:
            self.session, self._of, self.marked = session, None, set()
        self._renew()

    def on_show(self) -> None:
        self._renew()

    @property
    def pending(self) -> bool:
        """What is shown is not of the present circuit and pairs."""
        return self._of != self._wanted()

    def _wanted(self) -> tuple[str, int] | None:
        session = self.session
        return None if session is None else (session.pairs_digest, session.status().revision)

    def _renew(self) -> None:
        session, wanted = self.session, self._wanted()
        if session is None or not self.is_on_screen or wanted in (self._of, self._asked):
            return
        self._asked = wanted

        def done(rows: Sequence[PairRow]) -> None:
            if self._asked == wanted and session is self.session:
                if self._of is not None and wanted is not None and self._of[0] != wanted[0]:
                    self.marked, self.read = set(), None
                self._of, self._asked, self.failed = wanted, None, ""
                self._put(rows)

        def failed(error: BaseException) -> None:
            self._asked = None
            if not isinstance(error, Cancelled):
                self.failed = one_line(error_sentence(error))
                self.refresh()

        self._background.put(session.by_pair.rows, done, failed)

    def _put(self, rows: Sequence[PairRow]) -> None:
        value = COLUMNS[self._by].value
        self.show(sorted(rows, key=value, reverse=self._falling))

    # What a line says.

    def key(self, row: PairRow) -> str:
        return str(row.index)

    def names(self, row: PairRow) -> tuple[tuple[str, str], ...]:
        return (("prompt", row.clean_prompt),)

    def table(self) -> Table | None:
        return table_of_pairs(self.rows)

    def empty(self) -> str:
        return self.failed or "Computing …"

    def heading(self, width: int) -> Text:
        text = Text(" " * MARGIN)
        wide, token = width >= ROOM, _token(width)
        for i, column in enumerate(COLUMNS):
            arrow = ("▾" if self._falling else "▴") if i == self._by else ""
            title = (column.title if wide else column.short) + arrow
            text.append(title.rjust(column.cells(wide=wide)))
        model, circuit = SAYS if wide else SHORT_SAYS
        text.append(f"  {fit(model, token)} {fit(circuit, token)} prompt")
        text.truncate(width)
        return text

    def line(self, row: PairRow, width: int, under_cursor: bool) -> Text:
        text = Text(POINTER if under_cursor else " ")
        text.append(MARKED if row.index in self.marked else " ")
        for column in COLUMNS:
            cells = column.cells(wide=width >= ROOM)
            text.append(column.text(row).rjust(cells), "bold" if column.title == "pair" else "")
        text.append("◂ " if row.index == self.read else "  ", "bold")
        token = _token(width)
        for top, rank in ((row.model_top, row.model_rank), (row.circuit_top, row.circuit_rank)):
            text.append(fit(show_token(top.text, token), token), "" if rank == 1 else "dim")
            text.append(" ")
        text.append(fit(one_line(row.clean_prompt), max(0, width - text.cell_len)), "dim")
        return text

    def below(self, width: int) -> list[Text]:
        return [Text(" ") + line for line in prose(LEGEND, width - 2)]

    # Keys and mouse.

    def clicked(self, row: PairRow | None, x: int) -> bool:
        if row is not None:
            return False
        end = MARGIN
        for i, column in enumerate(COLUMNS):
            end += column.cells(wide=self.scrollable_content_region.width >= ROOM)
            if x < end:
                self._sort_by(i)
                break
        return True

    def action_sort(self) -> None:
        self._sort_by((self._by + 1) % len(COLUMNS))

    def _sort_by(self, column: int) -> None:
        """Sort by a column; by the same one again, the other way round."""
        self._falling = not self._falling if column == self._by else COLUMNS[column].falling
        self._by = column
        self._put(self.rows)
        self.refresh()

    def action_choose(self) -> None:
        row = self.highlighted
        if row is not None:
            self.read = None if self.read == row.index else row.index
            self.post_message(self.PairChosen(self.read).set_sender(self))
            self.refresh()

    def action_pick(self) -> None:
        row = self.highlighted
        if row is not None:
            self.marked ^= {row.index}
            self.redraw(self.index)

    def action_only(self) -> None:
        row, session = self.highlighted, self.session
        if row is None or session is None:
            return
        pairs = session.pairs
        for index in range(len(pairs.all)):
            if pairs.row(index) == row.index:
                self.post_message(self.Only(index).set_sender(self))
                return

    def action_split(self) -> None:
        session, row = self.session, self.highlighted
        if session is None or row is None:
            return
        marked = sorted(self.marked) or [row.index]
        suffix = f"pair-{row.index + 1}" if len(marked) == 1 else f"{len(marked)}-pairs"
        pairs = [session.by_pair.pairs[index] for index in marked]
        split_off(self, self._background, session, pairs, suffix)
