"""The bench: the circuit as a tree, the edges into the chosen node, readouts, and the status bar.

It shows a session and hears keys and clicks. What computes goes through its `SessionRunner`; what
the keys do stands in `BenchActions` and `DiscoveryActions`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget

from screens.base.actions import Action
from screens.base.numbers import count, plain, signed
from screens.bench.candidates import Candidates
from screens.bench.circuit_tree import CircuitTree
from screens.bench.discovery_actions import DiscoveryActions
from screens.bench.edges_panel import EdgesPanel
from screens.bench.frontier import Frontier
from screens.bench.keys import ACTIONS, BY_NAME, FOOTERS
from screens.bench.session_runner import AT_ONCE, EdgesView, SessionRunner, Sweep
from screens.bench.status_bar import StatusBar
from screens.bench.tree_layout import TreeLayout
from screens.discovery.proposal_strip import ProposalStrip
from screens.discovery.runner import DiscoveryLine
from screens.widgets.changes import put_title
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.panel_tabs import PanelTabs
from workbench.circuits.tree import TreeRow
from workbench.discovery.catalogue import METHODS
from workbench.session.views import Candidate, Status

if TYPE_CHECKING:
    from screens.readouts.panel import Readouts
    from workbench.session.session import Session

PANELS = ("circuit", "candidates", "readouts")
SETTLE = 0.12
"""Seconds the cursor rests before what depends on it is looked up: held arrow keys stay smooth."""
READABLE = 0.1
"""Seconds between two looks at a sweep under way."""
STATES = {
    "open": "open: reads the clean residual",
    "partly": "partly expanded",
    "expanded": "expanded: reads its kept edges",
    "dead": "dead: nothing live feeds it",
    "input": "the embeddings: nothing feeds them",
}


class BenchScreen(DiscoveryActions):
    """The main screen.

    Attributes:
        session: what is shown.
        runner: runs its commands and sweeps.
        view: the chosen node, which of its inputs, and the setting of the exact effects.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "#tree"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (100, "-mid"),
        (140, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        Binding("escape", "app.clear_notifications", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.view = EdgesView("logits")
        self.visited: list[str] = []
        self.threshold = session.threshold
        self._last = session.status()
        self._settling: Timer | None = None
        self._read: str | None = None
        self._leaving = False
        self._sweep: Sweep | None = None  # whose values came into the table last
        self._looked = 0.0
        self._look_later = False
        self._follow = False  # the tree's cursor moved: show the node that it came to

    def compose(self) -> ComposeResult:
        from screens.readouts.panel import Readouts

        yield PanelTabs(id="tabs")
        with Horizontal(id="panels"):
            with Vertical(id="circuit", classes="panel"):
                yield CircuitTree(id="tree")
                yield Frontier(id="frontier", markup=False)
            yield EdgesPanel(id="candidates", classes="panel")
            yield Readouts(id="readouts", classes="panel")
        yield ProposalStrip(id="proposal")
        yield DiscoveryLine(id="discovery")
        yield StatusBar(self.session.model, self.session.task, self._last, id="status")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self.runner = SessionRunner(
            self.session, self, done=self.command_done, failed=self.failed, progress=self._moved
        )
        self.begin_discoveries()
        self.table.order = self.session.graph.source_index
        self.show_panel("circuit")
        self.refresh_all(anew=True)
        self._read_component()
        if warnings := self.session.task.warnings:
            more = f" p shows all {len(warnings)} warnings." if len(warnings) > 1 else ""
            said = warnings[0] + more
            self.notify(said, title="Warning", severity="warning", timeout=12, markup=False)
        if self.session.truth is not None and not self.session.commands():
            said = "The model's true circuit comes along: C compares yours with it."
            self.notify(said, timeout=12, markup=False)

    def on_unmount(self) -> None:
        self.end_discoveries()
        self.runner.stop(self.session.close)

    def leave(self) -> None:
        """End the app once all commands that wait are done; the second time at once."""
        if not self._leaving and self.discoverer.run is not None:
            self.confirm_leaving()
            return
        if self._leaving or not self.runner.busy:
            self.app.exit()
            return
        self._leaving = True
        self.runner.cancel()
        self.runner.other(lambda: None, self.app.exit)
        self.notify("Finishing what was asked for; q again leaves at once.", timeout=30)

    def palette_commands(self) -> list[tuple[str, str, Any]]:
        """Every action, for the command palette."""
        return [
            (action.in_palette, action.help, partial(self.run_action, action.call))
            for action in ACTIONS
        ]

    # Widgets.

    @property
    def tree_rows(self) -> CircuitTree:
        return self.query_one("#tree", CircuitTree)

    @property
    def edges(self) -> EdgesPanel:
        return self.query_one("#candidates", EdgesPanel)

    @property
    def table(self) -> Candidates:
        return self.edges.table

    @property
    def readouts(self) -> Readouts:
        from screens.readouts.panel import Readouts

        return self.query_one("#readouts", Readouts)

    # Showing.

    def refresh_all(self, *, anew: bool = False) -> None:
        """Show the session as it stands now; `anew`: the view changed, so sort the table again."""
        status = self.session.status()
        bar = self.query_one("#status", StatusBar)
        bar.update(status, pending=self.runner.busy)
        reference = self.session.reference
        bar.show_comparison(self.session.comparison, reference.name if reference else "")
        self.table.compare(reference is not None)
        held = self.session.discoveries.shown
        scored = held is not None and METHODS[held.method].kind != "nodes"
        self.table.find_by(held.name if held is not None and scored else "")
        self.runner.read_tree(self.show_tree)
        self.query_one("#frontier", Frontier).show_nodes(
            self.session.frontier(), closed=status.closed
        )
        self.threshold = self.session.threshold
        self._settle()
        self.look(anew=anew)

    def show_tree(self, layout: TreeLayout) -> None:
        """Show the circuit; the cursor stays with the chosen node unless it is being moved."""
        self.tree_rows.show_tree(layout)
        self.tree_rows.choose(self.view.node)
        if not self._follow:
            self.tree_rows.go_to(self.view.node)
        self.describe()

    def look(self, anew: bool = False) -> None:
        """Show the edges as they stand now; once the cursor rests, compute what is not known."""
        self._looked = monotonic()
        edges = self.view.candidates(self.session)
        table = self.table
        coming = self._settling is not None
        if not coming:
            self.runner.look_at(self.view, edges)
        sweep = self.runner.sweep
        wanted = coming and not self.runner.stopped
        table.sweeping = wanted or (sweep is not None and sweep.what == "exact")
        table.costing = wanted or (sweep is not None and sweep.what == "drop costs")
        table.show_edges(edges, anew=anew)
        if self._sweep is not None and self._sweep is not sweep:
            table.resort()  # once, at the end: rows do not jump while they are read
            self.runner.read_tree(self.show_tree)  # which orders by what is known best
        self._sweep = sweep if sweep is not None and sweep.what == "exact" else None
        self.describe()

    def _moved(self) -> None:
        """A sweep moved on: show it, but not more often than can be read."""
        if self.runner.sweep is None or monotonic() - self._looked >= READABLE:
            self.look()
        elif not self._look_later:
            self._look_later = True
            self.set_timer(READABLE, self._look_again)

    def _look_again(self) -> None:
        self._look_later = False
        self.look()

    def on_screen_resume(self) -> None:
        """Back from another screen, on which groups or the circuit may have changed."""
        if self.is_mounted and not self.runner.busy:
            self.refresh_all()

    def describe(self) -> None:
        """Bring titles, headings and the footer up to date."""
        status = self.session.status()
        row = self.row_of(self.view.node)
        state = STATES[row.state] if row is not None else "not in the circuit"
        self.table.nothing = (
            "The embeddings: nothing feeds them." if self.view.node == "input" else "No edges."
        )
        self.edges.describe(
            self.view,
            state=state,
            metric=self.session.task.metric,
            threshold=self.threshold,
            sweep=self.runner.sweep,
            stopped=self.runner.stopped,
        )
        titles = {
            "circuit": f"Circuit: {count(status.edges)} edges",
            "candidates": f"Edges into {self.view.node}",
            "readouts": f"Readouts{f' of {self._read}' if self._read else ''}",
        }
        for number, panel in enumerate(PANELS, 1):
            put_title(self.query_one(f"#{panel}"), f"{number} {titles[panel]}")
        self.query_one("#tabs", PanelTabs).update(titles, self.panel)
        self.show_step()
        first, *others = FOOTERS[self.keys_of]
        compared = self.session.reference is not None and self.keys_of in PANELS
        names = [first, *(["compare"] if compared else []), *others]
        self.query_one("#keys", KeyBar).offer([BY_NAME[name] for name in names])

    @property
    def keys_of(self) -> str:
        """What has the focus: a panel, or the strip with the proposal."""
        return "proposal" if isinstance(self.focused, ProposalStrip) else self.panel

    def row_of(self, node: str) -> TreeRow | None:
        return self.tree_rows.laid_out.find(node)

    # Choosing.

    def choose(self, node: str, *, remember: bool = True) -> None:
        """Show the candidate edges into a node."""
        if node == self.view.node:
            return
        if remember:
            self.visited.append(self.view.node)
            del self.visited[:-200]
        self.change_view(EdgesView(node, "qkv", self.view.setting, self.view.costs))
        self.tree_rows.go_to(node)

    def change_view(self, view: EdgesView) -> None:
        other_node = view.node != self.view.node
        self._follow = False
        self.runner.leave()
        self.view = view
        table = self.table
        table.costs_shown = view.costs
        table.sweeping = table.costing = False
        self.tree_rows.choose(view.node)
        if other_node and table.filter:
            table.filter = type(table.filter)("")
        self._sweep = None
        if other_node:
            table.clear()
        self._settle()
        self.look(anew=True)

    def _settle(self) -> None:
        """After a moment without another move: start the sweep and the readouts."""
        self._stop_settling()
        self._settling = self.set_timer(SETTLE, self._settled)

    def _stop_settling(self) -> None:
        if self._settling is not None:
            self._settling.stop()
            self._settling = None

    def _settled(self) -> None:
        self._settling = None
        row = self.tree_rows.highlighted
        follow, self._follow = self._follow, False
        if follow and row is not None and row.name != self.view.node:
            self.choose(row.name)
            self._stop_settling()  # the cursor has rested already
        self.look()
        self._read_component()

    def _read_component(self) -> None:
        """Let the readouts show the component under the cursor."""
        node = self.view.node
        edge = self.table.highlighted
        if self.panel == "candidates" and edge is not None:
            node = edge.source
        if node != self._read:
            self._read = node
            self.readouts.show(self.session, node)
            self.describe()

    @property
    def quiet(self) -> bool:
        """Nothing is computed, queued or waited for."""
        waiting = self._settling is not None or self._look_later
        return not waiting and self.runner.idle and not self.what_ifs.waiting

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if event.rows is self.tree_rows and self.panel == "circuit":
            self._follow = True
        self._settle()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_go_in()

    def on_readouts_node_chosen(self, event: Readouts.NodeChosen) -> None:
        self.choose(event.node)

    def on_candidates_marked(self, event: Candidates.Marked) -> None:
        self.toggle(event.row)

    def on_candidates_sorted(self) -> None:
        self.describe()

    # Commands coming back.

    def toggle(self, edge: Candidate) -> None:
        """Keep or drop an edge; the mark changes at once, the numbers when they are computed."""
        table = self.table
        table.in_flight[edge.edge] = not table.in_flight.get(
            edge.edge, edge.kept or (edge.open and edge.preview)
        )
        self.set_timer(AT_ONCE, table.mark_in_flight)
        setting = self.view.setting
        self.command(lambda: self.session.toggle(edge.edge, setting=setting))

    def command_done(self, status: Status) -> None:
        if self.runner.busy:
            self.query_one("#status", StatusBar).update(status, pending=True)
        else:
            self._caught_up()
        self._announce(status)
        self._last = status

    def failed(self, sentence: str) -> None:
        self.notify(sentence, severity="error", timeout=10, markup=False)
        if not self.runner.busy:
            self._caught_up()

    def _caught_up(self) -> None:
        self.table.in_flight.clear()
        self.decisions_came()
        self.table.refresh()
        self.refresh_all()

    def _announce(self, status: Status) -> None:
        """Say it when the circuit reaches the embeddings, and when nothing is open any more."""
        if not status.edges or self.stepping:  # there it would stand over the strip, edge by edge
            return
        closes = status.closed and not self._last.closed and status.reached_input
        if not closes and not (status.reached_input and not self._last.reached_input):
            return
        faithfulness = "undefined" if status.faithfulness is None else plain(status.faithfulness, 3)
        edges = f"{count(status.edges)} of {count(status.all_edges)} edges"
        nodes = f"{count(status.nodes)} of {count(status.all_nodes)} nodes"
        metric = self.session.task.metric
        circuit, model = signed(status.circuit_metric, 3), signed(status.model_metric, 3)
        words = (
            f"{edges} and {nodes} carry {metric} {circuit} of the model's {model}: "
            f"faithfulness {faithfulness}. "
        )
        if status.closed:
            words += "Nothing is open: this is the circuit's own number. o exports it."
        else:
            still = count(status.open_destinations)
            words += f"{still} inputs are still open; . goes to the next node to expand."
        title = "The circuit is closed" if closes else "The embeddings are reached"
        self.notify(words, title=title, timeout=15 if closes else 8, markup=False)

    # Panels.

    def show_panel(self, panel: str) -> None:
        self.panel = panel
        for name in PANELS:
            self.set_class(name == panel, f"-show-{name}")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        widget: Widget | None = event.widget
        while widget is not None and widget.id not in PANELS:
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        if widget is not None and widget.id and widget.id != self.panel:
            self.show_panel(widget.id)
            self._settle()
        self.describe()
