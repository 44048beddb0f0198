"""The history: the tree of states, a strip of the faithfulness, a preview of one state.

Reading the tree and comparing states goes on in threads; what comes late for another state than the
highlighted one is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import count
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.history.keys import ACTIONS, BY_NAME, FOOTER
from screens.history.preview import preview
from screens.history.state_list import StateList
from screens.history.strip import state_at, strip
from screens.widgets.changes import put_text
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.base.home import meant_path
from workbench.base.text import counted
from workbench.session.side_by_side import MOST
from workbench.session.state import Change
from workbench.session.state_graph import Drawn, draw
from workbench.session.state_rows import StateRow
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.session.session import Session

FILTERS = {"all": "", "line": "on the present line", "named": "with a name"}
"""Which states are listed, and how the title says so."""
LOOK_AGAIN = 0.5
"""Seconds between looks whether a command that was under way has made a state."""
REST = 0.1
"""Seconds that the cursor rests before the state is compared with the present one."""


class HistoryScreen(Screen[str | None]):
    """The screen. Answers an edge to go to, or None.

    Attributes:
        filter: which states are listed, one of `FILTERS`.
        by_loss: sorted by what each step cost, without the tree.
        marked: the numbers of the states picked for comparing, in the order in which they were.
        rows: all states, in the order in which they were made.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "StateList"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (130, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.filter = "all"
        self.by_loss = False
        self.marked: list[int] = []
        self.rows: list[StateRow] = []
        self._line: list[StateRow] = []  # from the start to the present state
        self._branches = 1
        self._entries = -1
        self._changes: dict[int, Change] = {}  # from the present state, by number
        self._resting: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="history-title")
        yield Static(id="strip")
        with Container(id="history-body"):
            yield StateList(id="states")
            yield Static(id="state")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "history", owes=True)
        self._comparing = Worker(self, "states")
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self.set_interval(LOOK_AGAIN, self._look)
        self.renew(to_present=True)

    def on_unmount(self) -> None:
        self._background.stop()
        self._comparing.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self._describe)

    @property
    def states(self) -> StateList:
        return self.query_one(StateList)

    @property
    def highlighted(self) -> StateRow | None:
        """The state under the cursor."""
        drawn = self.states.highlighted
        return None if drawn is None else drawn.row

    @property
    def quiet(self) -> bool:
        """Nothing is computed or waited for."""
        return self._resting is None and not (self._background.waiting or self._comparing.waiting)

    # Showing.

    def _look(self) -> None:
        if self.session.n_entries != self._entries and not self._background.waiting:
            self.renew()

    def renew(self, *, to_present: bool = False) -> None:
        """Read the tree as it stands now; `to_present`: put the cursor on the present state."""
        entries = self.session.n_entries
        which, by_loss = self.filter, self.by_loss

        def read() -> tuple[list[StateRow], list[Drawn]]:
            rows = self.session.history()
            return rows, listed(rows, which, by_loss=by_loss)

        def done(result: tuple[list[StateRow], list[Drawn]]) -> None:
            rows, drawn = result
            if entries != self._entries:
                self._changes.clear()
            self._entries, self.rows = entries, rows
            self._line = [row for row in rows if row.on_current_path]
            self._branches = max(row.branch for row in rows) + 1
            self.states.show_states(drawn, to=self._line[-1].n if to_present else None)
            self._describe()
            self._rest()

        self._background.put(read, done, self._failed)

    def _describe(self) -> None:
        """Bring the title, the strip and the preview up to date."""
        width = self.size.width - 2
        if width < 1 or not self.rows:
            return
        here = self._line[-1]
        words = [counted(len(self.rows), "state")]
        if self._branches > 1:
            words.append(f"{count(self._branches)} branches")
        if FILTERS[self.filter]:
            words.append(f"only those {FILTERS[self.filter]}")
        if self.by_loss:
            words.append("by what each step cost")
        if self.marked:
            words.append(f"{count(len(self.marked))} marked")
        words.append("at the start" if here.n == 0 else f"at state {here.n}")
        put_text(self.query_one("#history-title", Static), Text("History  " + " · ".join(words)))
        row = self.highlighted
        pointed = strip(self._line, row.n if row else None, width)
        put_text(self.query_one("#strip", Static), pointed)
        self._preview()

    def _preview(self) -> None:
        state, row = self.query_one("#state", Static), self.highlighted
        width, height = state.content_size.width, state.content_size.height
        if width < 1:
            return
        text = Text() if row is None else preview(row, self._changes.get(row.n), width, height)
        put_text(state, text, layout=False)

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self._describe()
        self._rest()

    def on_click(self, event: events.Click) -> None:
        """A click on the strip: the cursor goes to the step that stands there."""
        pointed = self.query_one("#strip", Static)
        if event.widget is pointed and (at := event.get_content_offset(pointed)) is not None:
            row = state_at(self._line, at.x, self.size.width - 2)
            if row is not None:
                self.states.move_to_key(str(row.n))

    def _rest(self) -> None:
        """Once the cursor rests, find out what going to the state would change."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(REST, self._compare)

    def _compare(self) -> None:
        self._resting = None
        row = self.highlighted
        if row is None or row.is_current or row.n in self._changes:
            self._preview()
            return
        n, present, entries = row.n, self._line[-1].n, self._entries

        def done(change: Change) -> None:
            if entries == self._entries:
                self._changes[n] = change
                self._preview()

        self._comparing.put(lambda: self.session.differences(present, n), done, self._failed)

    def _failed(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    # What the keys do.

    def _command(self, call: Callable[[], Status], *, to_present: bool = True) -> None:
        """Let the session do it; show the tree as it is then."""

        def done(status: Status) -> None:
            self.renew(to_present=to_present)
            if status.message:
                self.notify(one_line(status.message), markup=False, timeout=5)

        self._background.put(call, done, self._failed)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self._go_there()

    def action_go_in(self) -> None:
        if len(self.marked) == 2:
            self.action_beside()
        else:
            self._go_there()

    def _go_there(self) -> None:
        row = self.highlighted
        if row is not None:
            self._command(partial(self.session.go_to, row.n))

    def action_undo(self) -> None:
        self._command(self.session.undo)

    def action_redo(self) -> None:
        self._command(self.session.redo)

    def action_pick(self) -> None:
        row = self.highlighted
        if row is None:
            return
        if row.n in self.marked:
            self.marked.remove(row.n)
        elif len(self.marked) == MOST - 1:
            self.notify(f"Beside the present circuit there is room for {MOST - 1}.", timeout=4)
            return
        else:
            self.marked.append(row.n)
        self.states.marked = tuple(self.marked)
        self.states.redraw(self.states.index)
        self._describe()

    def _let_go(self) -> None:
        self.marked.clear()
        self.states.marked = ()
        self.states.refresh()
        self._describe()

    def action_beside(self) -> None:
        """Put states beside the present circuit, and show them."""
        row = self.highlighted
        chosen = list(self.marked) or ([row.n] if row is not None else [])
        beside = [n for n in chosen if not self._line or n != self._line[-1].n]
        if not beside:
            self.notify("This is the present state: choose another one to compare it with.")
            return

        def put() -> None:
            rack = self.session.side_by_side
            rack.renew()
            for n in beside:
                name, circuit = self.session.state_name(n), self.session.state_at(n)
                there = (place for place in rack.places if place.name == name)
                if not any(place.circuit == circuit for place in there):
                    rack.put(name, circuit)

        self._background.put(put, lambda _: self._show_beside(), self._failed)

    def _show_beside(self) -> None:
        from screens.side_by_side.screen import SideBySideScreen

        def back(edge: str | None) -> None:
            if edge is not None:
                self.dismiss(edge)

        self._let_go()
        self.app.push_screen(SideBySideScreen(self.session), back)

    def action_report(self) -> None:
        """Ask where to write the session as a page."""
        from screens.widgets.ask_path import AskPath
        from workbench.assessment.report.page import check_report
        from workbench.session.report import write_session_report

        def check(text: str) -> None:
            check_report(meant_path(text))

        def write(text: str | None) -> None:
            if text is not None:
                session = self.session
                self._comparing.put(
                    lambda: write_session_report(session.path, text, session.drawn()),
                    lambda paths: self.notify(f"Written: {paths[0]}", markup=False, timeout=8),
                    self._failed,
                )

        hint = "A page: .md, with its pictures beside it, or .html with all in it."
        self.app.push_screen(
            AskPath("Write the session to", "session.md", hint=hint, check=check), write
        )

    def action_name(self) -> None:
        from screens.widgets.dialogs import Ask

        row = self.highlighted
        if row is None:
            return

        def name(text: str | None) -> None:
            if text is not None:
                self._command(lambda: self.session.name_state(row.n, text), to_present=False)

        title = "Name of the start" if row.n == 0 else f"Name of state {row.n}"
        hint = "By it the state is found again. No name takes it away."
        self.app.push_screen(Ask(title, row.name, hint=hint), name)

    def action_filter(self) -> None:
        names = list(FILTERS)
        self.filter = names[(names.index(self.filter) + 1) % len(names)]
        self.renew()

    def action_sort(self) -> None:
        self.by_loss = not self.by_loss
        self.renew()

    def action_leave(self) -> None:
        if self.marked:
            self._let_go()
        else:
            self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())


def listed(rows: list[StateRow], which: str, *, by_loss: bool) -> list[Drawn]:
    """The states to list, in order; the start is always among them."""
    shown = None
    if which == "line":
        shown = {row.n for row in rows if row.on_current_path or row.is_ahead}
    elif which == "named":
        shown = {row.n for row in rows if row.name or row.is_current}
    drawn = draw(rows, shown)
    if not by_loss:
        return drawn
    alone = [Drawn(d.row, d.line[d.at], 0) for d in drawn]
    return sorted(alone, key=lambda d: d.row.change if d.row.change is not None else 0.0)
