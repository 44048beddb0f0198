"""The screen of effects: a map of all nodes, and direct against total effects.

What is asked for is computed in the background and kept by the session; a map's estimates are there
at once and its exact values follow. The ablation is this screen's own: the session keeps its.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import PENDING
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.effects.detail import (
    definitions,
    of_map,
    of_repair,
    title_of_map,
    title_of_repair,
)
from screens.effects.keys import ACTIONS, BY_NAME, FOOTER
from screens.effects.node_grid import NodeGrid
from screens.effects.repair_list import RepairList
from screens.effects.scatter import draw_scatter
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.panel_tabs import PanelTabs
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from workbench.circuits.names import LOGITS
from workbench.effects.definitions import DEFINITIONS, METRIC
from workbench.effects.requests import MapRequest, RepairRequest
from workbench.errors import Cancelled
from workbench.experiment.ablations import ABLATIONS

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

    from workbench.effects.map_results import NodeMap
    from workbench.effects.repair_results import SelfRepair
    from workbench.session.session import Session
    from workbench.session.views import Status

MAP, TABLE, PLOT = VIEWS = ("map", "table", "plot")
TITLES = {MAP: "Map", TABLE: "Direct and total", PLOT: "Plot"}
WIDE = 120
"""Columns from which what is said of a node stands beside the map."""


class EffectsScreen(PaneSearch, Screen[str | None]):
    """Effects of nodes; answers with the node to go to.

    Attributes:
        view: one of `VIEWS`.
        asked, compared: which map, and which table and plot.
        node: under the cursor.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "NodeGrid"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (WIDE, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        *(
            Binding(str(i), f"panel('{view}')", f"Show: {view}", show=False)
            for i, view in enumerate(VIEWS, start=1)
        ),
        *SEARCH_BINDINGS,
    ]

    def __init__(self, session: Session, node: str | None = None) -> None:
        super().__init__()
        self.session = session
        self.effects = session.node_effects
        self.view = MAP
        self.asked = MapRequest()
        self.compared = RepairRequest()
        self.node = None if node == LOGITS else node
        self.failed = ""
        self._stopped = False
        self._done: float | None = None  # of what is computed; None: nothing is
        self._cancel = threading.Event()
        self._under_way: object = None
        self._plot: PlotextPlot | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="effects-title")
        yield PanelTabs()
        with Container(id="effects-body"):
            with Vertical(id="effects-shown"):
                yield NodeGrid()
                yield RepairList()
            with VerticalScroll(id="effects-detail"):
                yield Static()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "effects")
        self._commands = Worker(self, "effects' commands", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._ask()

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()
        self._commands.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    # Widgets.

    @property
    def grid(self) -> NodeGrid:
        return self.query_one(NodeGrid)

    @property
    def table(self) -> RepairList:
        return self.query_one(RepairList)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#effects-detail", VerticalScroll)

    # What is known, and computing what is not.

    @property
    def known(self) -> NodeMap | SelfRepair | None:
        """What the view shows, as far as it is known."""
        return self._map() if self.view == MAP else self._repair()

    def _map(self) -> NodeMap | None:
        return self.effects.known_map(self.asked)

    def _repair(self) -> SelfRepair | None:
        return self.effects.known_repair(self.compared)

    def _ask(self) -> None:
        """Something else is to be shown: compute it unless it is known."""
        self.failed, self._stopped = "", False
        self._compute()
        self.redraw()

    def _compute(self) -> None:
        wanted = self.asked if self.view == MAP else self.compared
        known = self.known
        whole = known is not None and (self.view != MAP or getattr(known, "complete", True))
        if self._under_way == wanted or (whole and self._under_way is None):
            return
        self._cancel.set()
        self._under_way, self._done = None, None
        if whole:
            return
        self._under_way, self._done, self._cancel = wanted, 0.0, threading.Event()
        cancel = self._cancel

        def moved(fraction: float) -> None:
            self._background.deliver(lambda: self._moved(wanted, fraction))

        def on_map(found: NodeMap) -> None:
            moved(found.n_exact / max(1, int(found.reaches.sum())))

        def work() -> Any:
            if cancel.is_set():
                raise Cancelled
            if isinstance(wanted, MapRequest):
                return self.effects.map(wanted, cancel=cancel, on_map=on_map)
            return self.effects.repair(wanted, cancel=cancel, on_piece=moved)

        self._background.put(
            work, lambda _: self._ended(wanted), lambda error: self._broke(wanted, error)
        )

    def _moved(self, request: object, fraction: float) -> None:
        if request == self._under_way:
            self._done = fraction
            self.redraw()

    def _ended(self, request: object) -> None:
        if request == self._under_way:
            self._under_way, self._done = None, None
        self.redraw()

    def _broke(self, request: object, error: BaseException) -> None:
        if request == self._under_way:
            self._under_way, self._done = None, None
            if not isinstance(error, Cancelled):
                self.failed = one_line(error_sentence(error))
        self.redraw()

    # Showing.

    def redraw(self) -> None:
        """Show what is known now."""
        put_text(self.query_one("#effects-title", Static), Text(self._title()))
        self.query_one(PanelTabs).update(TITLES, self.view)
        grid, table = self.grid, self.table
        grid.display, table.display = self.view == MAP, self.view == TABLE
        first = grid.map is None
        grid.show_map(self._map())
        if first and grid.map is not None:
            # Nobody has moved yet: on the node that was asked about, or the most promising.
            grid.go_to(self.node or grid.map.promising)
        repair = self._repair()
        done = f" {100 * self._done:.0f}%" if self._done is not None else ""
        table.waiting = self.failed or f"Every node is ablated in turn:{done}{PENDING}"
        if table.found is not repair:
            table.show_found(repair, to=self.node)
        table.refresh()
        self._draw(repair)
        self.describe()

    def _title(self) -> str:
        asked = self.asked if self.view == MAP else self.compared
        ablation = asked.ablation or self.effects.ablation
        of = "mean" if asked.pair is None else f"prompt {asked.pair + 1}"
        what = (
            title_of_map(self._map(), self.asked.into)
            if self.view == MAP
            else title_of_repair(self.compared.definition)
        )
        done = ""
        if self._done is not None:
            done = f" · {100 * self._done:.0f}%{PENDING} {BY_NAME['cancel'].shown} stops"
        elif self._stopped:
            done = f" · stopped, {BY_NAME['cancel'].shown} goes on"
        return f"Effects  {ablation} · {asked.run} · {of} · {what}{done}"

    def _draw(self, found: SelfRepair | None) -> None:
        if self.view != PLOT or found is None:
            if self._plot is not None:
                self._plot.display = False
            return
        if self._plot is None:
            # Plotext is slow to import: not before there is something to draw.
            from textual_plotext import PlotextPlot

            self._plot = PlotextPlot()
            self.query_one("#effects-shown").mount(self._plot)
        self._plot.display = True
        draw_scatter(self._plot.plt, found, self.node)
        self._plot.refresh()

    def describe(self) -> None:
        """Say what there is to say of the node under the cursor."""
        pane = self.query_one("#effects-detail", VerticalScroll)
        width = pane.scrollable_content_region.width - 1
        if width < 1:
            return
        lines = [Text(self.failed, "bold")] if self.failed else []
        if self.view == MAP:
            lines += of_map(self._map(), self.node, width)
        lines += of_repair(self._repair(), self.node, width)
        if self.view == PLOT and self._repair() is None and not self.failed:
            lines.append(Text(self.table.waiting))
        lines += [Text(), *definitions(self.known, width)]
        put_text(pane.query_one(Static), Text("\n").join(lines))

    def copies(self) -> Copies:
        """What the view shows, as a table and a picture."""
        return self.grid.copies() if self.view == MAP else self.table.copies()

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if event.rows is self.grid and self.view == MAP:
            self.node = self.grid.node
        elif event.rows is self.table and self.view == TABLE and self.table.highlighted is not None:
            self.node = self.table.highlighted.node
        self.describe()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_go_in()

    # What the keys do.

    def action_view(self) -> None:
        self.action_panel(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])

    def action_panel(self, view: str) -> None:
        self.view = view
        self._ask()
        if view == MAP and self.node is not None:
            self.grid.go_to(self.node)
        elif view == TABLE and self.node is not None:
            self.table.move_to_key(self.node)
        places: dict[str, Widget] = {MAP: self.grid, TABLE: self.table, PLOT: self.search_pane()}
        places[view].focus()

    def action_into(self) -> None:
        """Into the node under the cursor, or if that is shown, the metric."""
        if self.node is None or self.node == "input":
            self.notify("Nothing feeds the embeddings; choose another node.", timeout=4)
            return
        self._change(into=METRIC if self.asked.into == self.node else self.node)

    def action_type_into(self) -> None:
        from screens.widgets.node_jump import Jump

        graph = self.session.graph
        readers = [node for node in reversed(graph.nodes) if node != "input"]
        every = (METRIC, *readers, *(d for d in graph.destinations if d not in readers))

        def go(into: str | None) -> None:
            if into is not None:
                self._change(into=into)

        self.app.push_screen(Jump(every, {METRIC: "all that comes later"}), go)

    def _change(self, **changes: Any) -> None:
        """Ask for something else: of both, what both have."""
        shared = {name: value for name, value in changes.items() if name != "into"}
        self.asked = replace(self.asked, **changes)
        self.compared = replace(self.compared, **shared)
        if "into" in changes and self.view != MAP:
            self.action_panel(MAP)
        self._ask()

    def action_ablation(self) -> None:
        names = list(ABLATIONS)
        now = self.asked.ablation or self.effects.ablation
        chosen = names[(names.index(now) + 1) % len(names)]
        self._change(ablation=None if chosen == self.effects.ablation else chosen)

    def action_run(self, by: int) -> None:
        self._change(run="corrupted" if self.asked.run == "clean" else "clean")

    def action_pair(self, by: int) -> None:
        n, pair = self.session.task.n_pairs, self.asked.pair
        start = 0 if by > 0 else n - 1
        self._change(pair=start if pair is None else (pair + by) % n)

    def action_mean(self) -> None:
        self._change(pair=None)

    def action_definition(self) -> None:
        names = list(DEFINITIONS)
        after = names[(names.index(self.compared.definition) + 1) % len(names)]
        self.compared = replace(self.compared, definition=after)
        self.action_panel(TABLE if self.view == MAP else self.view)

    def action_sort(self) -> None:
        self.table.next_sort()
        if self.view == TABLE:
            self.notify(f"Sorted by {self.table.sort}.", timeout=2)

    def action_jump(self) -> None:
        from screens.widgets.node_jump import Jump

        def go(node: str | None) -> None:
            if node is not None:
                self.node = node
                self.grid.go_to(node)
                self.table.move_to_key(node)
                self.redraw()

        self.app.push_screen(Jump(self.session.graph.sources, {}), go)

    def action_cancel(self) -> None:
        if self._under_way is not None:
            self._cancel.set()
            self._under_way, self._done, self._stopped = None, None, True
            self.redraw()
        else:
            self._ask()

    def action_together(self) -> None:
        """Drop the node with its repairers, as one command."""
        found = self._repair()
        if self.node is None or found is None:
            self.notify("Direct and total effects come first: 2 shows them.", timeout=5)
            return
        nodes = found.together(self.node)

        def done(status: Status) -> None:
            said = status.message or "Nothing to change."
            self.notify(
                f"{said} {{key:bench.undo}} on the bench takes it back.", markup=False, timeout=6
            )

        self._commands.put(lambda: self.session.drop_together(nodes), done, self._refused)

    def action_write(self) -> None:
        from screens.widgets.ask_path import AskPath
        from workbench.effects.files import write_effects
        from workbench.readouts.files import check_readout_file

        found = self.known
        if found is None:
            self.notify("Nothing is known yet that could be written.", timeout=4)
            return

        def check(text: str) -> None:
            check_readout_file(Path(text).expanduser())

        def write(text: str | None) -> None:
            if text is not None:
                path = Path(text).expanduser()
                self._commands.put(
                    lambda: write_effects(found, path, sort=self.table.sort),
                    lambda _: self.notify(f"Written: {path}", markup=False, timeout=6),
                    self._refused,
                )

        hint = "A picture (.svg, .pdf, .png), or every value (.csv, .tsv, .md, .tex)."
        name = "effects.svg" if self.view == MAP else "repair.svg"
        self.app.push_screen(AskPath("Write the effects to", name, hint=hint, check=check), write)

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    # Leaving.

    def action_go_in(self) -> None:
        self._cancel.set()
        self.dismiss(self.node)

    def action_leave(self) -> None:
        self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())
