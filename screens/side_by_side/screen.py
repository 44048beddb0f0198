"""Circuits side by side: two to four, what each scores, what they share, and edge by edge.

The first is the session's own as it stands. The others come from files and from results of
discoveries, and are only looked at.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import PENDING, count, percent, plain
from screens.base.prose import prose
from screens.base.tokens import fit, one_line
from screens.base.worker import Worker, error_sentence
from screens.side_by_side.edge_table import LETTERS, EdgeTable
from screens.side_by_side.keys import ACTIONS, BY_NAME, FOOTER
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.base.home import meant_path
from workbench.base.table import Cell, Table
from workbench.errors import WorkbenchError
from workbench.session.side_by_side import MOST, EdgeRow, Entry

if TYPE_CHECKING:
    from workbench.assessment.results.overlap import Overlap, Shared
    from workbench.session.session import Session
    from workbench.session.session_engine import Scores

FILTERS = ("all", "differing", "shared")
SCORE_OF = (
    "Score of an edge: its EAP estimate.",
    "Score of an edge: in A its EAP estimate, in others what came with them.",
)
"""What the numbers beside an edge are: of one circuit, and of several."""
BY_CHANCE = (
    "p by chance: how probable so many shared edges are, or more, if one circuit's edges were "
    "drawn at random from all that the model has."
)


class SideBySideScreen(Screen[str | None]):
    """The screen. Answers the edge to go to, or None.

    Attributes:
        filter: which edges are listed, one of `FILTERS`.
        by_difference: sorted by |A − B|.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "EdgeTable"
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.side_by_side = session.side_by_side
        self.filter = "all"
        self.by_difference = False
        self._rows: list[EdgeRow] = []
        self._overlap: Overlap | None = None
        self._no_overlap = ""  # why there is none

    def compose(self) -> ComposeResult:
        yield Static(id="beside-title")
        yield Static(id="circuits")
        yield EdgeTable()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "beside")
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self.side_by_side.renew()
        self._renew()

    def on_unmount(self) -> None:
        self._background.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    # Showing.

    def _renew(self) -> None:
        """Look at the circuits anew, and compute what is not known of them."""
        self._rows = self.side_by_side.rows()
        self._overlap, self._no_overlap = None, ""
        self.redraw()

        def work() -> tuple[Overlap | None, str]:
            self.side_by_side.evaluate()
            try:
                return self.side_by_side.overlap(), ""
            except WorkbenchError as error:  # one of them is open: all else is known
                return None, str(error)

        def done(result: tuple[Overlap | None, str]) -> None:
            self._overlap, self._no_overlap = result
            self.redraw()

        def failed(error: BaseException) -> None:
            self.notify(error_sentence(error), severity="error", markup=False, timeout=10)
            self.redraw()

        self._background.put(work, done, failed)

    def listed(self) -> list[EdgeRow]:
        rows = self._rows
        if self.filter == "differing":
            rows = [row for row in rows if row.differs]
        elif self.filter == "shared":
            rows = [row for row in rows if all(row.kept)]
        if self.by_difference:
            rows = sorted(rows, key=lambda row: -abs(row.difference or 0.0))
        return rows

    def redraw(self) -> None:
        width = self.size.width - 2
        if width < 1:
            return
        places, rows = self.side_by_side.places, self.listed()
        order = "by |A − B|" if self.by_difference else "from the logits backward"
        which = "" if self.filter == "all" else f"{self.filter} "
        circuits = "1 circuit" if len(places) == 1 else f"{len(places)} circuits"
        self.query_one("#beside-title", Static).update(
            Text(f"Side by side  {circuits} · {count(len(rows))} {which}edges, {order}")
        )
        lines = [*self._places(places, width), *self._shares(width)]
        if len(places) == 1:
            file, found = BY_NAME["add_file"].shown, BY_NAME["add_found"].shown
            words = f"{file} puts a file's circuit beside it, {found} that of a discovery."
            lines.append(Text(words, "dim"))
        lines.append(Text(fit(SCORE_OF[len(places) > 1], width), "dim"))
        put_text(self.query_one("#circuits", Static), Text("\n").join(lines))
        kept = any(place.circuit.edges for place in places)
        self.query_one(EdgeTable).show_edges(rows, len(places), kept=kept)

    def _places(self, places: tuple[Entry, ...], width: int) -> list[Text]:
        metric = self.session.task.metric
        numbers = 46
        name = max(12, min(40, width - numbers - 2))
        lines = [
            Text(
                f"  {'':<{name}}{'edges':>7}{'nodes':>7}{metric:>12}{'faithful':>10}{'KL':>10}",
                "dim",
            )
        ]
        for letter, place in zip(LETTERS, places, strict=False):
            text = Text.assemble((letter, "bold"), " ", fit(one_line(place.name), name))
            text.append(f"{count(place.circuit.n_edges):>7}{count(place.nodes):>7}")
            if place.scores is None:
                text.append(PENDING)
            else:
                text.append(f"{plain(place.scores.metric, 3):>12}")
                text.append(f"{plain(place.scores.faithfulness, 3):>10}", "bold")
                text.append(f"{plain(place.scores.kl, 3):>10}")
            lines.append(text)
        return lines

    def _shares(self, width: int) -> list[Text]:
        if self._no_overlap:
            told = "What they share is not counted while one of them is open."
            return [Text(fit(told, width), "dim")]
        if self._overlap is None or not self._overlap.pairs:
            return []
        lines = [Text(f"  {'':<8}{'Jaccard':>9}{'shared':>8}{'of first':>10}{'of second':>11}"
                      f"{'p by chance':>13}", "dim")]  # fmt: skip
        for pair in self._overlap.pairs:
            letters = f"{LETTERS[pair.first]} & {LETTERS[pair.second]}"
            lines.append(Text(f"  {letters:<8}") + _shared(pair.edges))
        return lines + prose(BY_CHANCE, width - 2, "dim")

    def copies(self) -> Copies:
        """The edges, and what each circuit scores."""
        of_edges = self.query_one(EdgeTable).copies()
        places = tuple(
            (letter, place.name, place.circuit.n_edges, place.nodes, *_numbers(place.scores))
            for letter, place in zip(LETTERS, self.side_by_side.places, strict=False)
        )
        columns = ("letter", "circuit", "edges", "nodes", "metric", "faithfulness", "kl")
        table = Table("circuits side by side", columns, places)
        return replace(of_edges, tables=(*of_edges.tables, table))

    # Keys.

    def action_add_file(self) -> None:
        from screens.widgets.ask_path import AskPath
        from workbench.formats.chosen import load_chosen

        if self._full():
            return

        def check(text: str) -> object:
            return load_chosen(meant_path(text), self.session.graph)

        def put(text: str | None) -> None:
            if text is not None:
                path = meant_path(text)
                self._background.put(
                    lambda: self.side_by_side.put_file(path), self._put, self._refused
                )

        hint = "A circuit file of any format."
        self.app.push_screen(AskPath("Put beside the circuit of", hint=hint, check=check), put)

    def _full(self) -> bool:
        if len(self.side_by_side.places) < MOST:
            return False
        self.notify(f"There are {MOST} circuits already: take one away first.", timeout=5)
        return True

    def _put(self, _: object) -> None:
        self._renew()

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def action_add_found(self) -> None:
        if not self.session.discoveries.results:
            self.notify(
                "No discovery has found anything yet: {key:bench.discover} on the bench begins one."
            )
            return
        if self._full():
            return
        names = [place.name for place in self.side_by_side.places]
        fresh = [held for held in self.session.discoveries.results if held.name not in names]
        held = (fresh or list(self.session.discoveries.results))[-1]
        self._background.put(
            lambda: self.side_by_side.put(held.name, held.circuit), self._put, self._refused
        )

    def action_take_away(self) -> None:
        if len(self.side_by_side.places) > 1:
            self.side_by_side.take_away(len(self.side_by_side.places) - 1)
            self._renew()

    def action_filter(self) -> None:
        self.filter = FILTERS[(FILTERS.index(self.filter) + 1) % len(FILTERS)]
        self.redraw()

    def action_sort(self) -> None:
        self.by_difference = not self.by_difference
        self.redraw()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.dismiss(event.row.edge)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())


def _numbers(scores: Scores | None) -> tuple[Cell, ...]:
    if scores is None:
        return (None, None, None)
    return (scores.metric, scores.faithfulness, scores.kl)


def _probability(p: float) -> str:
    """A probability; one that is too small for a number is no zero."""
    return "< 1e-300" if p < 1e-300 else f"{p:.2g}"


def _shared(shared: Shared) -> Text:
    def share(value: float | None) -> str:
        return "·" if value is None else percent(value)

    text = Text(f"{plain(shared.jaccard, 3):>9}{count(shared.both):>8}")
    text.append(f"{share(shared.recall_first):>10}{share(shared.recall_second):>11}")
    text.append(f"{_probability(shared.p):>13}")
    return text
