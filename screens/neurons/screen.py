"""The screen of an MLP's neurons: a list, and what is told of the one under the cursor.

The list comes with estimates at once; exact effects of the first ones follow in the background, and
of all on demand. Which neurons the circuit keeps is changed here, its faithfulness in the title.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import Action, keyed
from screens.base.numbers import PENDING, count, plain
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.neurons.ask import ask_faithfulness, ask_number, ask_tokens
from screens.neurons.keys import ACTIONS, BY_NAME, FOOTER
from screens.neurons.neuron_rows import DIRECT, NeuronRows
from screens.neurons.text import Told, describe, size_words, told_of
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.text_pane import TextPane
from screens.widgets.where import Looking, Where
from workbench.circuits.names import kind_of, mlp_name, parse_neuron
from workbench.engine.effect_settings import FULL, SETTINGS
from workbench.errors import Cancelled
from workbench.neurons.results import (
    ORDERS,
    FoundNeuron,
    NeuronList,
    NeuronRow,
    Sufficient,
    with_exact,
    without_exact,
)

if TYPE_CHECKING:
    from workbench.readouts.results import Position
    from workbench.session.session import Session
    from workbench.session.views import Status

WIDE = 100
"""Columns from which the list and what is told of a neuron stand side by side."""
EXACT = 20
"""Neurons whose exact effects follow by themselves."""
OF_A_ROLE = "At one role, effects are in the full model; {key:neurons.by_role} goes back to all."


class NeuronsScreen(Looking, PaneSearch, Screen[None]):
    """The neurons of one MLP after the other.

    Attributes:
        mlp: which.
        order: by what they are sorted, one of `ORDERS`.
        setting: of the exact effects.
        where: which prompt is looked at, and at which position direct attribution and activation
            are read; at a role, effects are of it alone.
        found: what a search found, in place of the MLP's neurons; None: no search.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "NeuronRows"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as the base class
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        *SEARCH_BINDINGS,
    ]

    def __init__(self, session: Session, node: str = "") -> None:
        """`node`: its MLP, or that of its layer, comes first."""
        super().__init__()
        self.session = session
        self.neurons = session.neurons
        graph = session.graph
        layer = min(max(graph.layer_of(node or mlp_name(0)), 0), graph.n_layers - 1)
        self.mlp = node if kind_of(node) == "mlp" else mlp_name(layer)
        self.order = next(iter(ORDERS))
        self.setting = FULL
        self.where = Where(session)
        self.found: tuple[FoundNeuron, ...] | None = None
        self._listed: NeuronList | None = None
        self._cancel = threading.Event()
        self._told: tuple[str, Position, int | None] | None = None
        self._go_to = ""
        self._doing = ""
        self._workers: tuple[Worker, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="neurons-title")
        with Container(id="neurons-body"):
            yield NeuronRows()
            with TextPane(id="told"):
                yield Static()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._loader = Worker(self, "neurons", owes=True)
        self._background = Worker(self, "neurons' effects")
        self._reader = Worker(self, "a neuron")
        self._commands = Worker(self, "neurons kept", owes=True)
        self._workers = (self._loader, self._background, self._reader, self._commands)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self.read()

    def on_unmount(self) -> None:
        self._cancel.set()
        for worker in self._workers:
            worker.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell_again)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#told", VerticalScroll)

    @property
    def rows(self) -> NeuronRows:
        return self.query_one(NeuronRows)

    @property
    def quiet(self) -> bool:
        """Nothing is computed or waited for."""
        return self.is_mounted and not any(worker.waiting for worker in self._workers)

    # Reading.

    def read(self) -> None:
        """Read the MLP's neurons anew."""
        self._stop()
        cancel = self._cancel
        self.found, self._listed = None, None
        self.rows.waiting = f"Reading {self.mlp}{PENDING}"
        self.rows.listed = None
        self.rows.clear()
        self.rows.refresh()
        self.entitle()

        def done(listed: NeuronList) -> None:
            if not cancel.is_set():
                self._listed = listed
                self.show()
                self._follow_up(EXACT)

        mlp, position, pair = self.mlp, self.where.at, self.where.pair

        def work() -> NeuronList:
            return self.neurons.list(mlp, position=position, pair=pair, cancel=cancel)

        self._put(work, done, cancel, self._loader)

    def _stop(self) -> None:
        self._cancel.set()
        self._cancel = threading.Event()
        self._doing = ""

    def _put(
        self,
        work: Callable[[], object],
        done: Callable[..., None],
        cancel: threading.Event,
        worker: Worker | None = None,
    ) -> None:
        def failed(error: BaseException) -> None:
            if not cancel.is_set() and not isinstance(error, Cancelled):
                self.rows.waiting = one_line(error_sentence(error))
                self.rows.refresh()
                self._refused(error)
            self._ended(cancel)

        (worker or self._background).put(work, done, failed)

    def _follow_up(self, n: int | None) -> None:
        """Compute the exact effects of the first so many that have none; None: of all."""
        listed, cancel = self._listed, self._cancel
        if listed is None or self.found is not None:
            return
        wanted = [row.neuron for row in self._ranked(listed)[:n] if row.exact is None]
        if not wanted:
            return
        left = len(wanted)

        def chunk(values: dict[int, float]) -> None:
            self._background.deliver(lambda: came(values))

        def came(values: dict[int, float]) -> None:
            nonlocal left
            if cancel.is_set() or self._listed is None:
                return
            left -= len(values)
            self._doing = f"{count(left)} exact to come{PENDING}" if left else ""
            self._listed = with_exact(self._listed, values, self.setting)
            self.show()

        self._doing = f"{count(left)} exact to come{PENDING}"
        self.entitle()
        setting = self.setting
        self._put(
            lambda: self.neurons.exact(
                listed, wanted, setting=setting, cancel=cancel, on_chunk=chunk
            ),
            lambda _: self._ended(cancel),
            cancel,
        )

    def _ended(self, cancel: threading.Event) -> None:
        if cancel is self._cancel:
            self._doing = ""
            self.entitle()

    # Showing.

    def show(self) -> None:
        """Show the list as it stands, the cursor on its neuron."""
        if self.found is not None:
            self.rows.show_found(self.found)
        elif self._listed is not None:
            self._listed = self.neurons.marked(self._listed)
            self.rows.show_neurons(self._listed, self._ranked(self._listed), self._go_to)
            self._go_to = ""
        self.entitle()
        self._tell()

    def _ranked(self, listed: NeuronList) -> list[NeuronRow]:
        """The rows in their order: by estimates until all exact effects are known.

        So no row moves under the cursor while these come in.
        """
        rough = listed
        if any(row.exact is None for row in listed.rows):
            rough = without_exact(listed)
        return [listed.rows[row.neuron] for row in rough.sorted_by(self.order, self.rows.run)]

    def entitle(self) -> None:
        words = [f"faithful {plain(self.session.status().faithfulness, 4)}"]
        if self.found is not None:
            words.insert(0, f"{count(len(self.found))} found")
        elif self._listed is not None:
            within = self.session.circuit.writes(self.mlp)
            order = DIRECT[self.rows.run] if self.order == "direct" else self.order
            how = f"by {order}, {self.setting}"
            words = [*size_words(self._listed, within), self.where.words, *words, how]
        what = "Neurons found" if self.found is not None else f"Neurons of {self.mlp}"
        said = f"{what}  {' · '.join(words + [self._doing] * bool(self._doing))}"
        put_text(self.query_one("#neurons-title", Static), Text(said))

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self._tell()

    def _tell_again(self) -> None:
        self._told = None
        self._tell()

    def _tell(self) -> None:
        """Tell of the neuron under the cursor, unless that stands there."""
        row = self.rows.highlighted
        if row is None:
            return
        wanted = self.rows.key(row), self.where.at, self.where.pair
        if self._told == wanted:
            return
        self._told = wanted

        def work() -> Told | None:
            gone = self._told != wanted  # the cursor went on
            return None if gone else told_of(self.neurons, *wanted)

        def done(told: Told | None) -> None:
            if told is not None and self._told == wanted:
                pane = self.search_pane()
                width = max(20, pane.scrollable_content_region.width - 1)
                lines = describe(told, width, self.rows.run)
                put_text(self.query_one("#told Static", Static), Text("\n").join(lines))
                pane.scroll_home(animate=False)

        self._reader.put(work, done, self._refused)

    def copies(self) -> Copies:
        return self.rows.copies()

    # Which neurons are kept.

    def _command(self, call: Callable[[], Status]) -> None:
        self._commands.put(call, self._changed, self._refused)

    def _changed(self, status: Status) -> None:
        if status.message:
            self.notify(one_line(status.message), markup=False, timeout=3)
        if self._listed is not None and self.setting != FULL:
            self._stop()
            self._listed = without_exact(self._listed)
            self._follow_up(EXACT)
        self.show()

    def action_keep_or_drop(self) -> None:
        row = self.rows.highlighted
        if row is not None:
            name = self.rows.key(row)
            self._command(lambda: self.neurons.toggle(name))

    def action_narrow(self) -> None:
        listed = self._listed
        if listed is None or self.found is not None:
            return

        def go(n: int) -> None:
            numbers = [row.neuron for row in self._ranked(listed)[:n]]
            chosen = f"the {n:,} first by {self.order}"
            self._command(lambda: self.neurons.narrow(listed.mlp, numbers, chosen=chosen))

        ask_number(self, listed, self.order, go)

    def action_suffice(self) -> None:
        listed = self._listed
        if listed is None or self.found is not None:
            return

        def go(share: float) -> None:
            cancel = self._begin("narrowing")
            self._put(
                lambda: self.neurons.sufficient(listed, share, cancel=cancel), self._enough, cancel
            )

        ask_faithfulness(self, listed.mlp, self.session.status().faithfulness, go)

    def _begin(self, doing: str) -> threading.Event:
        """Say that something is done from now on; what stops it."""
        self._doing = f"{doing}{PENDING}"
        self.entitle()
        return self._cancel

    def _enough(self, found: Sufficient) -> None:
        self._doing = ""
        chosen = f"enough for a faithfulness of {found.asked:.4g}"
        self._command(lambda: self.neurons.narrow(found.mlp, found.neurons, chosen=chosen))

    def action_clear(self) -> None:
        mlp = self.mlp
        self._command(lambda: self.neurons.widen(mlp))

    def action_undo(self) -> None:
        self._command(self.session.undo)

    def action_redo(self) -> None:
        self._command(self.session.redo)

    # What is looked at.

    def action_mlp(self, by: int) -> None:
        layer = self.session.graph.layer_of(self.mlp) + by
        if 0 <= layer < self.session.graph.n_layers:
            self.mlp = mlp_name(layer)
            self.read()

    def action_sort(self) -> None:
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + 1) % len(names)]
        self.show()
        self._follow_up(EXACT)

    def action_run(self, by: int) -> None:
        runs = list(DIRECT)
        self.rows.run = runs[(runs.index(self.rows.run) + by) % len(runs)]
        self.show()
        self._tell_again()
        self._follow_up(EXACT)

    def action_setting(self) -> None:
        if self.where.role is not None:
            self.notify(keyed(OF_A_ROLE), timeout=4)
            return
        self.setting = SETTINGS[(SETTINGS.index(self.setting) + 1) % len(SETTINGS)]
        if self._listed is not None:
            self._stop()
            self._listed = without_exact(self._listed)
            self.show()
            self._follow_up(EXACT)

    def action_run_all(self) -> None:
        self._stop()
        self._follow_up(None)

    def action_cancel(self) -> None:
        self._stop()
        self.entitle()

    def look_again(self) -> None:
        if self.where.role is not None:
            self.setting = FULL
        row = self.rows.highlighted
        self._go_to = "" if row is None else self.rows.key(row)
        self.read()

    def action_ask(self) -> None:
        def go(words: list[str]) -> None:
            self._stop()
            cancel = self._begin("searching")
            self._put(lambda: self.neurons.promoting(words), self._found, cancel)

        ask_tokens(self, go)

    def _found(self, found: tuple[FoundNeuron, ...]) -> None:
        self._doing = ""
        self.found = found
        self.show()

    def action_go_in(self) -> None:
        row = self.rows.highlighted
        if isinstance(row, FoundNeuron):
            place = parse_neuron(row.name)
            assert place is not None
            self.mlp, self._go_to = place[0], row.name
            self.read()
        elif isinstance(row, NeuronRow):
            self.query_one("#told").focus()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_go_in()

    # Leaving.

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def action_leave(self) -> None:
        if self.found is not None:
            self.read()
            return
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("neurons"))
