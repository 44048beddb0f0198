"""The screen of effects: maps of nodes and by role, and direct against total effects.

What is asked for is computed in the background and kept by the session; a map's estimates are there
at once and its exact values follow. The ablation is this screen's own: the session keeps its.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import PENDING
from screens.base.worker import Worker, error_sentence
from screens.effects.computing import Computing, Found, Request
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
from screens.effects.role_grid import RoleGrid, of_roles, title_of_roles
from screens.effects.scatter import draw_scatter
from screens.effects.writing import ask_and_write
from screens.readouts.ask_tokens import ask_tokens
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.decisions import Decides, DecisionLine
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.panel_tabs import PanelTabs
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.text_pane import TextPane
from workbench.circuits.names import LOGITS, kind_of
from workbench.effects.definitions import DEFINITIONS, METRIC
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.engine.patch_points import KINDS
from workbench.experiment.ablations import ABLATIONS

if TYPE_CHECKING:
    from textual_plotext import PlotextPlot

    from workbench.effects.map_results import NodeMap
    from workbench.effects.repair_results import SelfRepair
    from workbench.effects.role_map_results import RoleMap
    from workbench.readouts.target import Target
    from workbench.session.session import Session
    from workbench.session.views import Status

MAP, TABLE, PLOT, ROLES = VIEWS = ("map", "table", "plot", "roles")
TITLES = {MAP: "Map", TABLE: "Direct and total", PLOT: "Plot", ROLES: "By role"}
NO_NODE = f"No head or MLP is here: {BY_NAME['kind'].shown} goes on to what else can be patched."
WIDE = 120
"""Columns from which what is said of a node stands beside the map."""


class EffectsScreen(PaneSearch, Decides):
    """Effects of nodes; answers with the node to go to.

    Attributes:
        view: one of `VIEWS`.
        asked, compared, by_role: which map, which table and plot, and which map by role.
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
        self.by_role = RoleRequest()
        self.node = None if node == LOGITS else node
        self._tokens = ("", "")
        self._plot: PlotextPlot | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="effects-title")
        yield PanelTabs()
        with Container(id="effects-body"):
            with Vertical(id="effects-shown"):
                yield NodeGrid(id="effects-map")
                yield RepairList()
                yield RoleGrid(id="effects-roles")
            with TextPane(id="effects-detail"):
                yield Static()
        yield DecisionLine(self.decisions)
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "effects")
        self.computing = Computing(self.effects, self._background, self.redraw)
        self._commands = Worker(self, "effects' commands", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._ask()

    def on_unmount(self) -> None:
        self.decisions.drop_all()
        self.computing.cancel()
        self._background.stop()
        self._commands.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    # Widgets.

    @property
    def grid(self) -> NodeGrid:
        return self.query_one("#effects-map", NodeGrid)

    @property
    def roles(self) -> RoleGrid:
        return self.query_one(RoleGrid)

    @property
    def table(self) -> RepairList:
        return self.query_one(RepairList)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#effects-detail", VerticalScroll)

    # What is known, and computing what is not.

    @property
    def request(self) -> Request:
        """What the view is to show."""
        if self.view == MAP:
            return self.asked
        return self.by_role if self.view == ROLES else self.compared

    @property
    def known(self) -> Found | None:
        """What the view shows, as far as it is known."""
        return self.computing.known(self.request)

    def _map(self) -> NodeMap | None:
        return self.effects.known_map(self.asked)

    def _repair(self) -> SelfRepair | None:
        return self.effects.known_repair(self.compared)

    def _by_role(self) -> RoleMap | None:
        return self.effects.known_roles(self.by_role)

    def _ask(self) -> None:
        """Something else is to be shown: compute it unless it is known."""
        self.computing.ask(self.request)
        self.redraw()

    # Showing.

    def redraw(self) -> None:
        """Show what is known now."""
        put_text(self.query_one("#effects-title", Static), Text(self._title()))
        self.query_one(PanelTabs).update(TITLES, self.view)
        grid, table, roles = self.grid, self.table, self.roles
        for view, widget in ((MAP, grid), (TABLE, table), (ROLES, roles)):
            widget.display = self.view == view
        first = grid.map is None
        found = self._map()
        grid.show_map(found)
        if first and found is not None:
            # Nobody has moved yet: on the node that was asked about, or the most promising.
            grid.go_to(self.node or found.promising)
        roles.show_roles(self._by_role())
        repair, share = self._repair(), self.computing.done
        done = f" {100 * share:.0f}%" if share is not None else ""
        table.waiting = self.computing.failed or f"Every node is ablated in turn:{done}{PENDING}"
        if table.found is not repair:
            table.show_found(repair, to=self.node)
        table.refresh()
        self._draw(repair)
        self.describe()

    def _title(self) -> str:
        asked = self.request
        ablation = asked.ablation or self.effects.ablation
        of = "mean" if asked.pair is None else f"prompt {asked.pair + 1}"
        if self.view == MAP:
            what = title_of_map(self._map(), self.asked.into)
        elif self.view == ROLES:
            what = title_of_roles(self._by_role(), self.by_role.kind)
        else:
            what = title_of_repair(self.compared.definition, self.compared.target)
        done, share = "", self.computing.done
        if share is not None:
            done = f"{100 * share:.0f}%{PENDING} {BY_NAME['cancel'].shown} stops · "
        elif self.computing.stopped:
            done = f"stopped, {BY_NAME['cancel'].shown} goes on · "
        # First what moves: on a narrow screen the end is cut.
        return f"Effects  {done}{ablation} · {asked.run} · {of} · {what}"

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
        failed, node = self.computing.failed, self._node_here()
        lines = [Text(failed, "bold")] if failed else []
        if self.view == MAP:
            lines += of_map(self._map(), node, width)
        elif self.view == ROLES:
            lines += of_roles(self._by_role(), self.roles.cell, width)
        lines += of_repair(self._repair(), node, width)
        if self.view == PLOT and self._repair() is None and not failed:
            lines.append(Text(self.table.waiting))
        lines += [Text(), *definitions(self.known, width)]
        put_text(pane.query_one(Static), Text("\n").join(lines))

    def copies(self) -> Copies:
        """What the view shows, as a table and a picture."""
        if self.view == ROLES:
            return self.roles.copies()
        return self.grid.copies() if self.view == MAP else self.table.copies()

    def _node_here(self) -> str | None:
        """The node under the cursor; in the map by role there need be none."""
        return self.roles.node if self.view == ROLES else self.node

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if event.rows is self.grid and self.view == MAP:
            # While nothing is known of what is asked for, the node stays what it was.
            self.node = self.node if self.grid.map is None else self.grid.node
        elif event.rows is self.table and self.view == TABLE and self.table.highlighted is not None:
            self.node = self.table.highlighted.node
        elif event.rows is self.roles and self.view == ROLES:
            self.node = self.roles.node or self.node
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
        places: dict[str, Widget] = {MAP: self.grid, TABLE: self.table, ROLES: self.roles}
        places.get(view, self.search_pane()).focus()

    def action_kind(self) -> None:
        """Patch the next kind of activation."""
        kinds = list(KINDS)
        if self.view == ROLES:
            after = kinds[(kinds.index(self.by_role.kind) + 1) % len(kinds)]
            self.by_role = replace(self.by_role, kind=after)
        self.action_panel(ROLES)

    def action_into(self) -> None:
        """Into the node under the cursor, or if that is shown, the metric."""
        node = self._node_here()
        if node is None and self.view == ROLES:
            self.notify(NO_NODE, timeout=5)
            return
        if node is None or node == "input":
            self.notify("Nothing feeds the embeddings; choose another node.", timeout=4)
            return
        self._change(into=METRIC if self.asked.into == node else node)

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
        self.by_role = replace(self.by_role, **shared)
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
        self.action_panel(TABLE if self.view in (MAP, ROLES) else self.view)

    def action_ask(self) -> None:
        """Another target of direct and total effects: any token, or again the answers."""

        def go(target: Target | None, texts: tuple[str, str]) -> None:
            self._tokens = texts
            self.compared = replace(self.compared, target=target)
            self.action_panel(TABLE if self.view in (MAP, ROLES) else self.view)

        ask_tokens(self.app, self.session, self._tokens, self.compared.pair, go)

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
                if self.view == ROLES and (kind := kind_of(node)) in KINDS:
                    self.roles.go_to(node)
                    self.by_role = replace(self.by_role, kind=kind)
                    self._ask()
                self.redraw()

        self.app.push_screen(Jump(self.session.graph.sources, {}), go)

    def action_cancel(self) -> None:
        if self.computing.under_way is not None:
            self.computing.stop()
            self.redraw()
        else:
            self._ask()

    def action_together(self) -> None:
        """Drop the node with its repairers, as one command."""
        found, node = self._repair(), self._node_here()
        if node is None or found is None:
            self.notify("Direct and total effects come first: 2 shows them.", timeout=5)
            return
        nodes = found.together(node)

        def done(status: Status) -> None:
            said = status.message or "Nothing to change."
            self.notify(
                f"{said} {{key:bench.undo}} on the bench takes it back.", markup=False, timeout=6
            )

        drop = partial(self.session.drop_together, nodes)
        self.decide(self._commands, drop, done, self._refused)

    def action_write(self) -> None:
        ask_and_write(self, self.known, self.table.sort, self._commands)

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    # Leaving.

    def action_go_in(self) -> None:
        node = self._node_here()
        if node is None and self.view == ROLES:
            self.notify(NO_NODE, timeout=5)
            return
        self.computing.cancel()
        self.dismiss(node)

    def action_leave(self) -> None:
        self.computing.cancel()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())
