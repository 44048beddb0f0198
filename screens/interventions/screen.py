"""The screen of interventions: what is done to components, and what that does.

A line is typed, done at once as a command of the session, and measured in the background. The
third view finds which components are sound and which faulty, and scales the sound ones up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Input, Label, Static

from screens.base.actions import Action
from screens.base.numbers import PENDING, count, plain, signed
from screens.base.prose import prose
from screens.base.tokens import one_line, short_role
from screens.base.worker import Worker, error_sentence
from screens.interventions.keys import ACTIONS, BY_NAME, FOOTER
from screens.interventions.list import InterventionList, InterventionRow
from screens.interventions.text import (
    NO_CURVE,
    NO_EFFECT,
    NO_RELIABILITY,
    OLD,
    curve_lines,
    draw_curve,
    effect_lines,
    reliability_lines,
)
from screens.widgets.changes import put_text
from screens.widgets.choice import Choice
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.panel_tabs import PanelTabs
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.text_pane import TextPane
from workbench.circuits.names import head_name
from workbench.errors import Cancelled, WorkbenchError
from workbench.reliability.results import OWN_RUNS, ReliabilitySettings

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

    from workbench.engine.intervention_results import AlphaCurve, InterventionEffect
    from workbench.session.session import Session
    from workbench.session.views import Status

VIEWS = ("effect", "curve", "reliability")
TITLES = {"effect": "effect", "curve": "curve", "reliability": "sound and faulty"}
MEASURING = "measuring"
ASKED = ("of", "place", "own-run")
"""The choices beside sound and faulty components."""
ON = dict(zip(OWN_RUNS, ("clean", "corrupted", "difference"), strict=True))


class InterventionsScreen(PaneSearch, Screen[None]):
    """Interventions, their effect, a curve over a factor, and sound and faulty components.

    Attributes:
        view: which of `VIEWS` is shown.
        failed: the sentence with which the last computation failed; "" if it did not.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "InterventionList"
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        *(
            Binding(str(i), f"panel('{view}')", f"Show: {TITLES[view]}", show=False)
            for i, view in enumerate(VIEWS, start=1)
        ),
        *SEARCH_BINDINGS,
    ]

    def __init__(
        self, session: Session, *, node: str = "", pair: int = 0, view: str = VIEWS[0]
    ) -> None:
        """Begin.

        Args:
            node: that is proposed to be scaled.
            pair: whose next tokens are shown.
            view: that is shown first.
        """
        super().__init__()
        self.session = session
        self.view = view
        self.failed = ""
        self._proposed = f"{node} * 2" if node and node != "logits" else ""
        graph = session.graph
        self._example = f"{head_name(graph.n_layers - 1, min(1, graph.n_heads - 1))} * 2"
        self._pair = min(pair, max(0, session.task.n_pairs - 1))
        self._amended: int | None = None
        self._effect: InterventionEffect | None = None
        self._curve: AlphaCurve | None = None
        self._under_way = ""
        self._done = 0.0
        self._next: Callable[[], None] | None = None
        self._cancel = threading.Event()
        self._plot: PlotextPlot | None = None
        self._shown: tuple[object, ...] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="interventions-title")
        with Horizontal(classes="asked"):
            yield Label("do")
            yield Input(self._proposed, placeholder=self._example, select_on_focus=False, id="line")
        yield Static(id="complaint")
        yield InterventionList(self._example)
        yield PanelTabs()
        with Horizontal(classes="asked", id="reliability-asked"):
            yield Choice("look at", [("", "heads"), ("neurons", "heads, neurons")], id="of")
            roles = [(role, short_role(role, 9)) for role in self.session.roles]
            yield Choice("at", [("", "last"), *roles], id="place")
            yield Choice("on", list(ON.items()), id="own-run")
            yield Label("2nd task")
            yield Input(placeholder="none", id="also")
        with TextPane(id="told"):
            yield Static()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "interventions")
        self._commands = Worker(self, "what is done to the model", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._list()
        self._measure()

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()
        self._commands.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#told", VerticalScroll)

    @property
    def chosen(self) -> InterventionRow | None:
        """The intervention under the cursor."""
        return self.query_one(InterventionList).highlighted

    @property
    def quiet(self) -> bool:
        """Nothing is computed or waited for."""
        return not self._under_way and not self._commands.waiting

    # Showing.

    def _list(self) -> None:
        present = self.session.interventions.present
        rows = [InterventionRow(i, one) for i, one in enumerate(present, start=1)]
        self.query_one(InterventionList).show(rows)
        self.redraw()

    def redraw(self) -> None:
        """Show how far the computation is, and what was found unless it stands there already."""
        put_text(self.query_one("#interventions-title", Static), Text(self._title()))
        self.query_one(PanelTabs).update(TITLES, self.view)
        self.set_class(self.view == "reliability", "-reliability")
        pane = self.query_one("#told", VerticalScroll)
        width = pane.scrollable_content_region.width - 1
        held = self.session.reliability.held
        wanted = (self.view, self._effect, self._curve, held, width, self.failed, self._under_way)
        if width < 1 or wanted == self._shown:
            return
        same = self._shown is not None and wanted[0] == self._shown[0]
        self._shown = wanted
        lines = [*prose(self.failed, width, "bold"), *self._told(width)]
        put_text(self.query_one("#told Static", Static), Text("\n").join(lines))
        self._draw()
        if not same:
            pane.scroll_home(animate=False)

    def _told(self, width: int) -> Iterable[Text]:
        if self.view == "effect":
            if self._effect is None:
                return prose("" if self._under_way else NO_EFFECT, width, "dim")
            return effect_lines(self._effect, width)
        if self.view == "curve":
            if self._curve is None:
                return prose(NO_CURVE, width, "dim")
            return curve_lines(self._curve, width)
        found = self.session.reliability
        if found.held is None:
            return prose(NO_RELIABILITY, width, "dim")
        old = prose(OLD, width, "bold") if found.is_old else []
        return [*old, *reliability_lines(found.held, width)]

    def _draw(self) -> None:
        seen = self.view == "curve" and self._curve is not None
        if self._plot is None:
            if not seen:
                return
            # Plotext is slow to import: not before there is something to draw.
            from textual_plotext import PlotextPlot

            self._plot = PlotextPlot()
            self.query_one("#told").mount(self._plot, before=0)
        self._plot.display = (
            seen and self._curve is not None and draw_curve(self._plot.plt, self._curve)
        )
        self._plot.refresh()

    def _title(self) -> str:
        if self._under_way:
            stop = BY_NAME["cancel"].shown
            far = f"{100 * self._done:.0f}%{PENDING}"
            return f"Interventions  {self._under_way} {far} · {stop} stops"
        # Short enough for 80 columns.
        status, n = self.session.status(), len(self.session.interventions.present)
        done = count(n) if n else "none"
        metric = f"{self.session.task.metric} {signed(status.model_metric, 3)}"
        return (
            f"Interventions: {done} · {metric} · "
            f"accuracy {plain(self.session.task.model_accuracy, 3)} · "
            f"faithful {plain(status.faithfulness, 4)}"
        )

    def copies(self) -> Copies:
        """The interventions, the curve, and the components."""
        of_list, held = self.query_one(InterventionList).copies(), self.session.reliability.held
        tables = list(of_list.tables)
        tables += [] if self._curve is None else [self._curve.table()]
        tables += [] if held is None else [held.map.table()]
        return replace(of_list, tables=tuple(tables))

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    def on_intervention_list_paged(self, event: InterventionList.Paged) -> None:
        pane = self.query_one("#told", VerticalScroll)
        (pane.scroll_page_down if event.by > 0 else pane.scroll_page_up)(animate=False)

    def action_view(self) -> None:
        self.action_panel(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])

    def action_panel(self, view: str) -> None:
        self.view = view
        self.redraw()

    # What is done.

    def action_settings(self) -> None:
        field = self.query_one("#line", Input)
        self._type(None, field.value)
        field.action_select_all()  # what is typed takes its place

    def action_amend(self) -> None:
        row = self.chosen
        if row is not None:
            self._type(row.number, row.one.text)

    def _type(self, number: int | None, line: str) -> None:
        self._amended = number
        field = self.query_one("#line", Input)
        field.value = line
        field.cursor_position = len(line)
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._complain("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "line":
            self._submit(event.value.strip())
        else:
            self.action_run()

    def _submit(self, line: str) -> None:
        number, done = self._amended, self.session.interventions
        try:
            done.parsed(line)
        except WorkbenchError as error:
            self._complain(str(error))
            return
        self._amended = None
        self.query_one(InterventionList).focus()
        if number is None:
            self._command(lambda: done.add(line))
        else:
            self._command(lambda: done.change(number, line))

    def _complain(self, sentence: str) -> None:
        complaint = self.query_one("#complaint", Static)
        put_text(complaint, Text(one_line(sentence)))
        complaint.set_class(bool(sentence), "-shown")

    def action_remove(self) -> None:
        row = self.chosen
        if row is not None:
            self._command(lambda: self.session.interventions.remove(row.number))

    def action_clear(self) -> None:
        self._command(self.session.interventions.clear)

    def action_undo(self) -> None:
        self._command(self.session.undo)

    def action_take(self) -> None:
        self._command(self.session.reliability.take)

    def _command(self, call: Callable[[], Status]) -> None:
        before = self.session.interventions.present

        def done(status: Status) -> None:
            # What the list shows needs no toast, which would lie over the numbers.
            if self.session.interventions.present == before:
                self.notify(one_line(status.message), markup=False, timeout=4)
            self._list()
            self._measure()

        self._commands.put(call, done, self._refused)

    def _refused(self, error: BaseException) -> None:
        self._complain(error_sentence(error))

    # What is computed.

    def _measure(self) -> None:
        """Measure anew what all of them do."""
        self._effect = None
        if self.session.interventions.present:
            pair = min(self._pair, max(0, self.session.task.n_pairs - 1))
            done = self.session.interventions
            self._compute(
                MEASURING, lambda **how: done.effect(pair, **how), self._measured, again=True
            )
        else:
            self.redraw()

    def _measured(self, found: InterventionEffect) -> None:
        self._effect = found

    def action_run(self) -> None:
        row, line = self.chosen, self.query_one("#line", Input).value.strip()
        if self.view == "reliability":
            self._find()
        elif row is not None:
            self._go_over(row.number)
        elif line:  # there is no curve to draw: what the line proposes is meant
            self._submit(line)
        else:
            self.action_settings()

    def _go_over(self, number: int) -> None:
        done = self.session.interventions
        self.action_panel("curve")
        self._compute("going over factors", lambda **how: done.curve(number, **how), self._drawn)

    def _drawn(self, found: AlphaCurve) -> None:
        self._curve = found

    def _find(self) -> None:
        neurons, place, run = (self.query_one(f"#{id}", Choice).value for id in ASKED)
        also = self.query_one("#also", Input).value.strip() or None
        settings = ReliabilitySettings(neurons=bool(neurons), position=place or -1, run=run)
        found = self.session.reliability
        self._compute(
            "looking at components",
            lambda **how: found.find(settings, also=also, **how),
            lambda _: None,
        )

    def _compute(
        self,
        what: str,
        call: Callable[..., Any],
        found: Callable[[Any], None],
        *,
        again: bool = False,
    ) -> None:
        """Compute something in the background; `again`: in place of what is computed now."""
        if self._under_way == MEASURING and not again:
            self._next = lambda: self._compute(what, call, found)
            return
        if self._under_way and not again:
            self.notify(f"{BY_NAME['cancel'].shown} stops what is being computed.", timeout=4)
            return
        self._cancel.set()
        self._cancel, self._next = threading.Event(), None
        cancel = self._cancel
        self.failed, self._done, self._under_way = "", 0.0, what

        def moved(fraction: float) -> None:
            self._background.deliver(lambda: self._moved(cancel, fraction))

        def done(value: Any) -> None:
            if cancel is self._cancel:
                self._under_way = ""
                found(value)
                self.redraw()
                self._go_on()

        def broke(error: BaseException) -> None:
            if cancel is self._cancel:
                self._under_way = ""
                told = "" if isinstance(error, Cancelled) else one_line(error_sentence(error))
                self.failed = told
                self.redraw()
                self._go_on()

        self._background.put(lambda: call(cancel=cancel, progress=moved), done, broke)
        self.redraw()

    def _go_on(self) -> None:
        """Begin what was asked for while something else was measured."""
        if self._next is not None:
            self._next()

    def _moved(self, cancel: threading.Event, fraction: float) -> None:
        if cancel is self._cancel and self._under_way:
            self._done = fraction
            put_text(self.query_one("#interventions-title", Static), Text(self._title()))

    def action_cancel(self) -> None:
        if self._under_way:
            self._next = None
            self._cancel.set()
            self.notify("Stopping after the piece under way.", timeout=3)

    # Leaving.

    def action_leave(self) -> None:
        if isinstance(self.focused, Input):
            self._amended = None
            self._complain("")
            self.query_one(InterventionList).focus()
            return
        self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("interventions"))
