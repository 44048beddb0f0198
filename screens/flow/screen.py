"""The screen of the flow between tokens: two maps over layers, computed in the background.

What was found is the session's and stays when the screen is left.
"""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.screen import Screen
from textual.widgets import Input, Static

from screens.base.actions import Action
from screens.base.numbers import PENDING, count
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.discovery.fields import Refused
from screens.flow.flow_map import FlowMap
from screens.flow.keys import ACTIONS, BY_NAME, FOOTER
from screens.flow.settings import FlowFields, KnockoutFields, WaitSettings
from screens.flow.text import tell
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.text_pane import TextPane
from workbench.errors import Cancelled
from workbench.flow.files import tables_of
from workbench.session.flow import VIEWS, FlowAnswer, View

if TYPE_CHECKING:
    from workbench.pictures.figure import Drawing
    from workbench.session.session import Session

LOOK_AGAIN = 0.5
"""Seconds between looks at how far a computation is."""


class FlowScreen(PaneSearch, Screen[None]):
    """Two maps, one at a time.

    Attributes:
        view: which one is shown.
        running: which one is being computed.
        done: the fraction done of it.
        failed: the sentences with which the last computations failed.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "FlowMap"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (120, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        *SEARCH_BINDINGS,
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.flow = session.flow
        self.view: View = "all-for-one"
        self.running: View | None = None
        self.done = 0.0
        self.failed: dict[View, str] = {}
        self._cancel = threading.Event()
        self._shown: tuple[object, ...] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="flow-title")
        yield WaitSettings(self.flow)
        yield KnockoutFields(self.flow)
        with Container(id="flow-body"):
            yield FlowMap()
            with TextPane(id="told"):
                yield Static()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "flow")
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._put()
        self.set_interval(LOOK_AGAIN, self.redraw)

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#told", VerticalScroll)

    @property
    def map(self) -> FlowMap:
        return self.query_one(FlowMap)

    @property
    def held(self) -> FlowAnswer | None:
        """What was found for the map that is shown."""
        return self.flow.held.get(self.view)

    # Showing.

    def _put(self) -> None:
        """Show the map that is chosen."""
        for view in VIEWS:
            self._fields(view).display = self.view == view
        self.map.put(None if self.held is None else self.held.result)
        self.redraw()

    def redraw(self) -> None:
        """Show how far it is, and what was found unless it stands there already."""
        put_text(self.query_one("#flow-title", Static), Text(self._title()))
        if self.map.under_way != (self.running == self.view):
            self.map.under_way = not self.map.under_way
            self.map.refresh()
        pane, held = self.search_pane(), self.held
        width = pane.scrollable_content_region.width - 1
        old, row = self.flow.is_old(self.view), self.map.index
        wanted = (self.view, held, row, old, self.failed.get(self.view), width)
        if width < 1 or wanted == self._shown:
            return
        moved = self._shown is None or wanted[:3] != self._shown[:3]
        self._shown = wanted
        text = Text("\n").join(prose(self.failed.get(self.view, ""), width, "bold"))
        if held is not None:
            if old:
                said = "These are of other pairs, another metric or other settings: enter asks anew"
                text.append_text(Text("\n").join(prose(f"{said}.", width)))
            if text:
                text.append("\n\n")
            text.append_text(tell(held.result, row, width))
        put_text(pane.query_one(Static), text)
        if moved:
            pane.scroll_home(animate=False)

    def _title(self) -> str:
        name = f"Between tokens  {VIEWS[self.view]}"
        if self.running is not None:
            other = "" if self.running == self.view else f"{VIEWS[self.running]} "
            stop = BY_NAME["cancel"].shown
            return f"{name} · {other}{100 * self.done:.0f}%{PENDING} · {stop} stops"
        held = self.held
        took = "" if held is None else f" · {held.seconds:.1f} s"
        return f"{name} · {count(self.session.task.n_pairs)} pairs{took}"

    def copies(self) -> Copies:
        """The map: its values and its plot."""
        of_list, held = self.map.copies(), self.held
        if held is None:
            return of_list
        plots = ((VIEWS[self.view], partial(_draw, held)),)
        return Copies(of_list.names, tables_of(held.result), None, plots)

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_run()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_run()

    def _fields(self, view: View) -> FlowFields:
        return self.query_one(WaitSettings if view == "all-for-one" else KnockoutFields)

    def action_view(self) -> None:
        names: list[View] = list(VIEWS)
        self.view = names[(names.index(self.view) + 1) % len(names)]
        self.map.focus()
        self._put()

    def action_settings(self) -> None:
        self.query_one("#measure" if self.view == "all-for-one" else "#query Input").focus()

    # Asking.

    def action_run(self) -> None:
        view = self.view
        if self.running is not None:
            stops = f"{BY_NAME['cancel'].shown} stops that"
            self.notify(f"A map is being computed: {stops}.", timeout=4)
            return
        try:
            self._fields(view).read()
        except Refused as refused:
            self.notify(str(refused), severity="error", markup=False, timeout=6)
            return
        if self.held is not None and not self.flow.is_old(view) and view not in self.failed:
            self.notify("This is the map for these settings.", timeout=4)
            return
        self.failed.pop(view, None)
        self.running, self.done = view, 0.0
        self._cancel = cancel = threading.Event()
        self._background.put(
            lambda: self.flow.run(view, cancel=cancel, on_piece=self._moved),
            self._ended,
            partial(self._failed, view),
        )
        self.map.focus()
        self.redraw()

    def _moved(self, fraction: float) -> None:
        self.done = fraction

    def _ended(self, _: FlowAnswer) -> None:
        self.running = None
        self._put()

    def _failed(self, view: View, error: BaseException) -> None:
        self.running = None
        if not isinstance(error, Cancelled):
            self.failed[view] = one_line(error_sentence(error))
        self.redraw()

    def action_cancel(self) -> None:
        if self.running is not None:
            self._cancel.set()
            self.notify("Stopping after the piece under way.", timeout=3)

    # Leaving.

    @property
    def _in_fields(self) -> bool:
        focused = self.focused
        return focused is not None and self._fields(self.view) in focused.ancestors

    def action_other_side(self) -> None:
        if self._in_fields:
            self.focus_next()
            return
        pane = self.search_pane()
        (self.map if self.focused is pane else pane).focus()

    def action_leave(self) -> None:
        if self._in_fields:
            self.map.focus()
            return
        self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("between tokens"))


def _draw(held: FlowAnswer) -> Drawing:
    from workbench.flow.pictures import flow_pictures

    ((_, drawing, _),) = flow_pictures(held.result)
    return drawing
