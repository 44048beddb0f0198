"""PlaceKeeper: brings the bench back to where it was, and keeps where it is.

What changes while one works (a cursor, a filter, a view) tells nobody in one way, so it is looked
at now and then, and written by a thread if it changed. What is written is small, and at most one
file in a while.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from textual.css.query import NoMatches
from textual.screen import Screen

from screens.base.worker import Worker
from screens.bench.candidates import TITLES
from screens.bench.edges_panel import INPUTS
from screens.bench.panels import PANELS, Panels
from screens.bench.session_runner import EdgesView
from screens.bench.shown_edges import ShownEdges
from workbench.circuits.names import kind_of
from workbench.engine.effect_settings import DECIDING
from workbench.errors import WorkbenchError
from workbench.session.place import Place, PlaceFile

if TYPE_CHECKING:
    from screens.graph.screen import GraphScreen
    from workbench.session.session import Session

LOOK = 1.0
"""Seconds between two looks at where the user is."""


class PlaceKeeper:
    """Keeps the place of a bench.

    Attributes:
        keeps: False: nothing comes back, and nothing is kept.
    """

    def __init__(
        self, session: Session, screen: Screen[Any], panels: Panels, shown: ShownEdges
    ) -> None:
        """For a bench: its screen, its panels, and what chooses the edges that they show."""
        self.session = session
        self._screen = screen
        self._panels = panels
        self._shown = shown
        self.keeps = True
        self._graph: GraphScreen | None = None  # that was opened last
        self._file: PlaceFile = session.place_file
        self._worker: Worker | None = None
        self._groups = False
        self._seen = self._saved = Place()

    # Coming back.

    def _come_back(self) -> None:
        """Show what was shown when the session was left; what is not there any more is not."""
        try:
            place = self._file.load()
        except WorkbenchError as error:
            self._screen.notify(str(error), severity="warning", timeout=8, markup=False)
            return
        if place is None:
            return
        panels, graph = self._panels, self.session.graph
        table = panels.table
        absent = {
            "drop": not place.costs,
            "reference": not table.comparing,
            "found": not table.finder,
        }
        if place.sort in TITLES and not absent.get(place.sort):
            table.sort, table.descending = place.sort, place.descending
        node = place.node if graph.has_node(place.node) else "logits"
        inputs = place.inputs if place.inputs in INPUTS and kind_of(node) == "head" else "qkv"
        setting = place.setting if place.setting in DECIDING else "full"
        by_role = place.by_role and self.session.can_split
        self._shown.show_as(EdgesView(node, inputs, setting, place.costs, by_role))
        with suppress(ValueError):
            table.set_filter(place.filter)
        first, second = panels.both_readouts
        at = place.position, place.pair
        first.come_back(place.readout, *at, place.run, (place.target, place.distractor))
        asked = place.second_target, place.second_distractor
        second.come_back(place.second, *at, place.second_run, asked)
        self._groups = place.by_group
        if place.panel in PANELS:
            panels.show("readouts" if place.panel == "second" else place.panel)
            # What is not laid out yet cannot have the focus.
            self._screen.call_after_refresh(panels.go_to, place.panel)
        self._shown.want_edge(place.edge)
        self._seen = self._saved = place

    # Staying.

    def begin(self) -> None:
        """Come back to where the user was, and look at where the user is from now on."""
        if not self.keeps:
            return
        self._come_back()
        self._worker = Worker(self._screen, "place")
        self._screen.set_interval(LOOK, self._look)

    @property
    def by_group(self) -> bool:
        """Whether the graph shows groups."""
        if self._graph is not None:
            self._groups = self._graph.by_group
        return self._groups

    def graph_screen(self, node: str) -> GraphScreen:
        """The graph, with the cursor on a node, in the view that was shown last."""
        from screens.graph.screen import GraphScreen

        self._graph = GraphScreen(self.session, node, by_group=self.by_group)
        return self._graph

    def now(self) -> Place:
        """Where the user is."""
        panels, view = self._panels, self._shown.view
        table, (readouts, second) = panels.table, panels.both_readouts
        edge = table.highlighted
        return Place(
            panel=panels.panel,
            node=view.node,
            inputs=view.inputs,
            setting=view.setting,
            costs=view.costs,
            by_role=view.by_role,
            edge=edge.edge if edge is not None else "",
            filter=table.filter.words,
            sort=table.sort,
            descending=table.descending,
            readout=readouts.view.name,
            second=second.view.name,
            position=readouts.position,
            pair=readouts.pair,
            run=readouts.run,
            second_run=second.run,
            target=readouts.asked[0],
            distractor=readouts.asked[1],
            second_target=second.asked[0],
            second_distractor=second.asked[1],
            by_group=self.by_group,
        )

    def note(self) -> None:
        """Remember where the user is; before the widgets go, it is looked at for the last time."""
        with suppress(NoMatches):
            self._seen = self.now()

    def _look(self) -> None:
        before = self._seen
        self.note()
        if self._seen == before and self._seen != self._saved and self._worker:  # it rests
            place = self._saved = self._seen
            self._worker.put(lambda: self._save(place), lambda _: None, lambda _: None)

    def _save(self, place: Place) -> None:
        with suppress(WorkbenchError):  # a folder that cannot be written costs this only
            self._file.save(place)

    def close(self) -> None:
        """Write where the user is now, if that is not written yet."""
        if self._worker is None:
            return
        self._worker.stop()
        self.note()
        if self._seen != self._saved:
            self._saved = self._seen
            self._save(self._seen)
