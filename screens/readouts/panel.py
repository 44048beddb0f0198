"""Readouts: what the chosen component does, in words and numbers.

One widget with the views of a component that the catalogue of readouts lists. It owns which view,
position and prompt are looked at; the numbers are the session's, computed in the background. Only
the latest wish is computed next, and a result is shown only if it is still wished for.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import ScrollableContainer
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from screens.base.worker import Worker, error_sentence
from screens.readouts.ask_tokens import found_target
from screens.readouts.copies import readout_copies
from screens.readouts.curve_plot import has_scale, plot_curve
from screens.readouts.head import draw_head
from screens.readouts.keys import HELP, MOVES
from screens.readouts.lens_choice import LensChoice
from screens.readouts.requests import Prompts, ReadoutRequest, ReadoutResult, compute
from screens.readouts.result import draw_result
from screens.readouts.text import curve_heading, lines, quiet
from screens.readouts.wish import answers_of, longest, reading_of, stepped, way_of, wish_of
from screens.widgets.changes import put_content
from screens.widgets.copying import Copies
from screens.widgets.keys import COPYING
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch, look_anew
from workbench.errors import Cancelled, WorkbenchError
from workbench.readouts.catalogue import READOUTS, Readout
from workbench.readouts.results import AnswerCurve, AttentionPattern
from workbench.readouts.runs import RUNS
from workbench.readouts.shapes import Grid

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

    from workbench.readouts.target import Target
    from workbench.session.session import Session

DEBOUNCE = 0.08
"""Seconds that a selection must stand still before it is computed: a held key skips some."""
HOLD = 0.25
"""Seconds after which the head says that newer values are computed. The older ones stand undimmed,
below the name of what they are of: to dim them would write them all again."""
PATIENCE = 1.0
"""Seconds after which older values make way for the word that newer ones are being computed."""
LOOK_AGAIN = 0.25
"""Seconds between looks whether hidden readouts with something to compute have come into sight."""
REMEMBERED = 256
"""Results kept, so that going back and forth is instant."""


class Readouts(PaneSearch, LensChoice, Widget, can_focus=True):
    """The readouts of one component; `show` says of which."""

    ALLOW_SELECT = False
    HELP = HELP
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in MOVES),
        *(action.binding() for action in COPYING),
        *SEARCH_BINDINGS,
    ]
    DEFAULT_CSS = """
    Readouts {
        & > #readout-head { height: auto; }
        & > #readout-body {
            height: 1fr;
            overflow: hidden auto;
            scrollbar-size: 1 1;
            &.-map { overflow-x: auto; }
            & > Static { width: auto; min-width: 100%; height: auto; }
            & > PlotextPlot { height: 1fr; min-height: 10; }
        }
    }
    """

    class NodeChosen(Message):
        """A component's name was clicked in a readout."""

        def __init__(self, node: str) -> None:
            super().__init__()
            self.node = node

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.session: Session | None = None
        self._pairs = ""  # by what the set of pairs is known that it reads
        self.node: str | None = None
        self.position = -1
        self.role: str | None = None  # read at it in place of the position
        self.pair: int | None = None
        self.run = "clean"
        self.target: Target | None = None
        self.ways: dict[str, str] = {}  # by the name of a view, which of its ways
        self.asked = ("", "")  # the texts that the target was named by
        self._views = tuple(READOUTS.values())
        self._view = 0
        self._pending = self._waits = False
        self.prompts: Prompts | None = None
        self._prompts_of: dict[str, Prompts] = {}  # by the digest of the pairs
        self._results: OrderedDict[ReadoutRequest, ReadoutResult | str] = OrderedDict()
        self._shown: ReadoutResult | str | None = None
        self._computing: ReadoutRequest | None = None
        self._wished: ReadoutRequest | str | None = None
        self._background: Worker | None = None
        self._debounce: Timer | None = None
        self._hold: Timer | None = None
        self._patience: Timer | None = None
        self._plot: PlotextPlot | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="readout-head")
        with ScrollableContainer(id="readout-body", can_focus=False):
            yield Static(id="readout-text")
            yield Static(id="readout-note")

    def on_mount(self) -> None:
        self._background = Worker(self, "readouts")
        self._want()

    def on_unmount(self) -> None:
        if self._background is not None:
            self._background.stop()

    @property
    def result(self) -> ReadoutResult | None:
        """What is shown of the present wish; None while it is computed, or if there is none."""
        shown = self._shown
        return None if self.pending or isinstance(shown, str) else shown

    @property
    def view(self) -> Readout:
        return self._views[self._view]

    @property
    def pending(self) -> bool:
        """What is shown is not yet what was chosen."""
        return self._pending

    @property
    def preparing(self) -> bool:
        """Whether something is computed that is not wished for yet."""
        return self._computing is not None and self._computing != self.wish()

    def prepare(self, session: Session, node: str) -> None:
        """Compute what will be read of a component about to be shown, to come in one frame."""
        if session is not self.session or not self.is_on_screen or self.pending:
            return
        shown, self.node = self.node, node
        wish = self.wish()
        self.node = shown
        self._begin(wish)

    def show(self, session: Session, node: str | None) -> None:
        """Read this component, as soon as the selection stands still."""
        wish = self.wish()  # another one than before, if it is of a circuit that has changed
        if session is not self.session:
            self.session, self.prompts, self.pair, self.position = session, None, None, -1
            self.role, self.target, self.asked = None, None, ("", "")
            self._results.clear()
            self._prompts_of.clear()
        elif self._pairs != session.pairs_digest:
            self.prompts = self._prompts_of.get(session.pairs_digest)
            if self.pair is not None and self.pair >= session.task.n_pairs:
                self.pair = None
        elif node == self.node and (isinstance(wish, str) or self._wished == wish):
            return
        self._pairs = session.pairs_digest
        self.node = node
        self._want()

    def come_back(
        self, view: str, position: int, pair: int | None, run: str, asked: tuple[str, str]
    ) -> None:
        """Show and ask what was shown and asked before, as far as it is there."""
        if view in (names := [readout.name for readout in self._views]):
            self._view = names.index(view)
        self.run = run if run in RUNS else self.run
        if self.session is not None:
            n_pairs = self.session.task.n_pairs
            self.pair = pair if pair is not None and 0 <= pair < n_pairs else None
            if position < -1:
                self.prompts = self.prompts or Prompts.of(self.session)
            self.position = max(-longest(self), min(-1, position))
            with suppress(WorkbenchError):  # another tokenizer may have no such token
                self.target, self.asked = found_target(self.session, asked, self.pair), asked
        self._want()

    def wish(self) -> ReadoutRequest | str:
        """What is to be read, or why there is nothing to read."""
        return wish_of(self)

    def _want(self) -> None:
        """Show what is known of the wish; see to it that the rest is computed."""
        if not self.is_mounted:
            return
        for timer in (self._debounce, self._patience):
            if timer is not None:
                timer.stop()
        wish = self._wished = self.wish()
        known = wish if isinstance(wish, str) else self._results.get(wish)
        if known is not None:
            self._came(known)
        else:
            self._pending = True
            self._draw_head()
            if self._hold is None:
                self._hold = self.set_timer(HOLD, self._wait)
            self._debounce = self.set_timer(DEBOUNCE, self.hasten)
            nothing = self._shown is None or isinstance(self._shown, str)
            self._patience = self.set_timer(HOLD if nothing else PATIENCE, self._make_way)

    def on_show(self) -> None:
        self._want()

    def hasten(self) -> None:
        """Start to compute the wish, unless something is being computed: then it is next."""
        if self.is_on_screen:
            self._begin(self.wish())
        else:
            # What cannot be seen is not computed. Not every way to come into sight sends a `Show`.
            self._debounce = self.set_timer(LOOK_AGAIN, self.hasten)

    def _begin(self, wish: ReadoutRequest | str) -> None:
        session, background = self.session, self._background
        if isinstance(wish, str) or session is None or background is None:
            return
        if self._computing is not None or wish in self._results:
            return
        self._computing = wish
        known_prompts = self.prompts

        def work() -> tuple[Prompts, ReadoutResult]:
            return known_prompts or Prompts.of(session), compute(session, wish)

        def done(result: tuple[Prompts, ReadoutResult]) -> None:
            if session is self.session and wish.pairs == session.pairs_digest:
                self.prompts = self._prompts_of[wish.pairs] = result[0]
            self._finished(session, wish, result[1])

        def failed(error: BaseException) -> None:
            self._finished(
                session, wish, None if isinstance(error, Cancelled) else error_sentence(error)
            )

        background.put(work, done, failed)

    def _finished(
        self, session: Session, wish: ReadoutRequest, result: ReadoutResult | str | None
    ) -> None:
        self._computing = None
        if session is self.session and result is not None:
            # What failed is said but not remembered: memory may be free again the next time.
            if not isinstance(result, str):
                self._results[wish] = result
                if len(self._results) > REMEMBERED:
                    self._results.popitem(last=False)
            if wish == self.wish():
                if self._patience is not None:
                    self._patience.stop()
                self._came(result)
                return
        self._want()

    def _wait(self) -> None:
        """Say that what is shown is not what was chosen."""
        self._hold = None
        self._waits = self._pending
        self._draw_head()

    def _came(self, result: ReadoutResult | str) -> None:
        """Show what was chosen."""
        self._pending = self._waits = False
        if self._hold is not None:
            self._hold.stop()
            self._hold = None
        self._draw_head()
        self._show(result)
        look_anew(self)

    def _make_way(self) -> None:
        """Older values have stood long enough."""
        if self.pending and self.is_on_screen:
            name = self.view.names[0].lower()
            self._show(f"Computing the {name}{f' of {self.node}' if self.view.by_node else ''} …")

    # Drawing.

    @property
    def _body(self) -> ScrollableContainer:
        return self.query_one("#readout-body", ScrollableContainer)

    def _width(self) -> int:
        body = self._body
        # One cell is left for the scrollbar, whether it shows or not: lines must not jump.
        return max(20, (body.size.width or self.size.width) - 1)

    def on_resize(self) -> None:
        self._draw_head()
        if self._shown is not None:
            self._show(self._shown)
        if self.pending:
            self._want()

    def _draw_head(self) -> None:
        reading = reading_of(self)
        width = max(20, self.size.width)
        head = draw_head(self._views, self._view, reading, self._waits, width)
        put_content(self.query_one("#readout-head", Static), head)

    def _show(self, result: ReadoutResult | str) -> None:
        """Draw a result, or a sentence in its place."""
        other_kind, self._shown = type(result) is not type(self._shown), result
        width = self._width()
        text = self.query_one("#readout-text", Static)
        note = self.query_one("#readout-note", Static)
        plotted = isinstance(result, AnswerCurve) and has_scale(result)
        self._body.set_class(isinstance(result, AttentionPattern | Grid), "-map")
        if plotted:
            assert isinstance(result, AnswerCurve)
            put_content(text, lines(curve_heading(result, width)))
            put_content(note, lines([Content(), *quiet(result.definition, width)]))
            self._show_plot(result, width)
        else:
            asked = partial(answers_of, self)
            put_content(text, draw_result(result, width, self.node, self.position, asked))
        note.display = plotted
        if self._plot is not None:
            self._plot.display = plotted
        if other_kind:
            self._body.scroll_home(animate=False)

    def _show_plot(self, curve: AnswerCurve, width: int) -> None:
        if self._plot is None:
            # Plotext is needed for this view only, and slow to import: not before the first paint.
            from textual_plotext import PlotextPlot

            self._plot = PlotextPlot()
            self._body.mount(self._plot, before="#readout-note")
        plot_curve(self._plot.plt, curve, width)
        self._plot.refresh()

    def copies(self) -> Copies:
        """The values and the plot of what is shown; nothing while it is computed."""
        return Copies() if self.result is None else readout_copies(self.result, self.node)

    # Keys and mouse.

    def action_view(self, by: int) -> None:
        self._go(view=(self._view + by) % len(self._views))

    def show_view(self, name: str) -> None:
        """Show the readout of this name."""
        self._go([view.name for view in self._views].index(name))

    def _go(self, view: int) -> None:
        if view != self._view:
            self._view = view
            self._want()

    def action_position(self, by: int) -> None:
        if self.session is None or (not self.view.by_position and self.view.name != "attention"):
            return
        if self.role is not None and self.view.by_position:
            self._at_role(stepped(self, by))
            return
        position = max(-longest(self), min(-1, self.position + by))
        if position != self.position:
            self.position = position
            self._want()

    def action_by_role(self) -> None:
        """Step from role to role in place of single positions, and back."""
        if self.view.by_position:
            self._at_role(stepped(self, 0) if self.role is None else None)

    def _at_role(self, role: str | None) -> None:
        if role != self.role:
            self.role = role
            self._want()

    def action_pair(self, by: int) -> None:
        if self.session is None:
            return
        n_pairs = self.session.task.n_pairs
        if self.pair is None:
            self.go_to_pair(0 if by > 0 else n_pairs - 1)
        else:
            self.go_to_pair((self.pair + by) % n_pairs)

    def action_run(self, by: int) -> None:
        runs = self.view.runs
        if len(runs) > 1:
            at = runs.index(self.run) if self.run in runs else 0
            self.run = runs[(at + by) % len(runs)]
            self._want()

    def action_way(self, by: int) -> None:
        """Give the head something else for a token, or colour by something else."""
        ways, now = self.view.ways, way_of(self)
        if now is not None:
            self.ways[self.view.name] = ways[(ways.index(now) + by) % len(ways)]
        elif len(self.view.by) > 1:
            self.by += by
        else:
            return
        self._want()

    def action_mean(self) -> None:
        self.go_to_pair(None)

    def go_to_pair(self, pair: int | None) -> None:
        """Read one prompt, counted from 0; None: the mean over all."""
        if self.session is None or pair == self.pair:
            return
        self.pair = pair
        self.position = max(-longest(self), self.position)
        self._want()

    def search_pane(self) -> ScrollableContainer:
        return self._body

    def action_scroll(self, where: str) -> None:
        getattr(self._body, f"scroll_{where}")(animate=False)

    def on_click(self, event: events.Click) -> None:
        action, argument = event.style.meta.get("readout", (None, None))
        given = {"position": argument, "pair": argument, "run": 1, "way": 1}
        if action == "view":
            self._go(int(argument))
        elif action in given:
            getattr(self, f"action_{action}")(int(given[action]))
        elif action in ("ask", "mean", "through"):
            getattr(self, f"action_{action}")()
        elif action == "query":
            self.action_position(int(argument) - self.position)
        elif action == "node" and self.session and self.session.graph.has_node(str(argument)):
            self.post_message(self.NodeChosen(str(argument)))
