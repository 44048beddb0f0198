"""The screen of clusters: prompts that need the same edges together, a circuit for each.

Settings stand above the list; what was found of the chosen cluster and of all, beside it where
there is room, else below it, view by view. They are found in the background; the result is the
session's and stays when the screen is left.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from screens.base.actions import Action
from screens.base.numbers import PENDING, count, seconds
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.clusters.cluster_list import ClusterList, ClusterRow, cluster_rows
from screens.clusters.keys import ACTIONS, BY_NAME, FOOTER
from screens.clusters.settings import ClusterSettings
from screens.clusters.tables import cluster_tables
from screens.clusters.text import VIEWS, describe, number_words, purity_words
from screens.discovery.fields import Refused
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.detaching import detach
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.panel_tabs import PanelTabs
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from screens.widgets.split_off import split_off
from screens.widgets.text_pane import TextPane
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.discovery.clusters.request import ClusterRequest
    from workbench.session.prompt_clusters import ClusterResult
    from workbench.session.session import Session
    from workbench.session.views import Status

LOOK_AGAIN = 0.5
"""Seconds between looks at how far the search is."""
WIDE = 144
"""Columns from which list and findings stand side by side, and all views at once."""
LIST = 62
"""Columns of the list there."""
BELOW = "number"
"""The view that then stands below the list."""
BESIDE = tuple(view for view in VIEWS if view != BELOW)
NOTHING = (
    "Not found yet: enter finds them. Each pair scores all edges by itself; pairs with like scores "
    "make a cluster, and the mean of its scores selects a circuit. The same is done with random "
    "clusters of the same sizes: what those reach is chance."
)


class ClustersScreen(PaneSearch, Screen[None]):
    """Clusters of the task's prompts.

    Attributes:
        running: clusters are being found.
        done: the fraction done.
        failed: the sentence with which the last search failed; "" if it did not.
        view: which of `VIEWS` is shown where there is room for one.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "ClusterList"
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

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.clusterer = session.clusterer
        self.running = False
        self.done = 0.0
        self.failed = ""
        self.view = VIEWS[0]
        self._cancel = threading.Event()
        self._shown: tuple[object, ...] | None = None
        self._listed: ClusterResult | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="clusters-title")
        yield ClusterSettings(self.session)
        with Container(id="clusters-body"):
            with Vertical(id="left"):
                yield ClusterList()
                yield Static(id="criteria")
            yield PanelTabs()
            with TextPane(id="found"):
                yield Static()
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "clusters")
        self._commands = Worker(self, "clusters' circuits", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._list()
        self.set_interval(LOOK_AGAIN, self.redraw)

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()
        self._commands.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#found", VerticalScroll)

    @property
    def chosen(self) -> ClusterRow | None:
        return self.query_one(ClusterList).highlighted

    # Showing.

    def _list(self) -> None:
        self._listed = held = self.clusterer.held
        self.query_one(ClusterList).show([] if held is None else cluster_rows(held.clusters))
        self.redraw()

    def redraw(self) -> None:
        """Show how far the search is, and what was found unless it stands there already."""
        held = self.clusterer.held
        if held is not self._listed:  # a job of this session has found them
            self._listed = held
            self.query_one(ClusterList).show([] if held is None else cluster_rows(held.clusters))
        row = self.chosen
        put_text(self.query_one("#clusters-title", Static), Text(self._title(held)))
        self.query_one(PanelTabs).update({view: view for view in VIEWS}, self.view)
        body = self.query_one("#found")
        width = body.scrollable_content_region.width - 1
        changed = held is not None and self._request() != held.request
        wide = self.size.width >= WIDE
        wanted = (held, row, self.view, wide, width, changed, self.failed)
        if width < 1 or wanted == self._shown:
            return
        same = self._shown is not None and wanted[:4] == self._shown[:4]
        self._shown = wanted
        lines = prose(self.failed, width, "bold")
        if held is None or row is None:
            lines += prose(NOTHING, width, "dim")
        else:
            if changed:
                lines += prose("These are of other settings: enter finds clusters anew.", width)
            for view in BESIDE if wide else (self.view,):
                lines += [Text()] if lines else []
                lines += describe(view, held, row.number, width, held.prompts)
            criteria = describe(BELOW, held, row.number, LIST - 4, held.prompts)
            put_text(self.query_one("#criteria", Static), Text("\n").join(criteria))
        put_text(self.query_one("#found Static", Static), Text("\n").join(lines))
        if not same:
            body.scroll_home(animate=False)

    def _title(self, held: ClusterResult | None) -> str:
        if self.running:
            stop = BY_NAME["cancel"].shown
            return f"Clusters  finding them {100 * self.done:.0f}%{PENDING} · {stop} stops"
        if held is None:
            return f"Clusters  {count(self.session.task.n_pairs)} pairs"
        found, asked = held.clusters, held.request
        return (
            f"Clusters  {len(found.clusters)} {number_words(found)}, {found.algorithm} · "
            f"{purity_words(held.result)}{asked.method}, {count(asked.edges)} edges · "
            f"{seconds(held.seconds)}"
            f"{' · of other pairs or metric' if self.clusterer.is_old else ''}"
        )

    def copies(self) -> Copies:
        """The clusters, which pair is in which, and their circuits on one another's pairs."""
        of_list, held = self.query_one(ClusterList).copies(), self.clusterer.held
        if held is None:
            return of_list
        tables = cluster_tables(held, held.prompts)
        return replace(of_list, tables=(*of_list.tables, *tables))

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    def action_view(self) -> None:
        self.action_panel(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])

    def action_panel(self, view: str) -> None:
        self.view = view
        self.redraw()

    # Finding.

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_run()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_run()

    def action_run(self) -> None:
        request, held = self._request(), self.clusterer.held
        if self.running:
            stops = f"{BY_NAME['cancel'].shown} stops that"
            self.notify(f"Clusters are being found: {stops}.", timeout=4)
        elif isinstance(request, str):
            self.notify(request, severity="error", timeout=6)
        elif held is not None and held.request == request and not self.failed:
            self.notify("These are the clusters for these settings.", timeout=4)
        else:
            self.failed, self.done, self.running = "", 0.0, True
            self._cancel = cancel = threading.Event()
            self._background.put(
                lambda: self.clusterer.run(request, cancel=cancel, on_piece=self._moved),
                self._ended,
                self._failed,
            )
            self.redraw()

    def action_detach(self) -> None:
        from workbench.jobs.detach import detach_clusters

        request = self._request()
        if isinstance(request, str):
            self.notify(request, severity="error", timeout=6)
            return
        asked, cancel, session = request, self._cancel, self.session
        detach(self, self._commands, lambda: detach_clusters(session, asked), cancel.set)

    def _request(self) -> ClusterRequest | str:
        """What the fields ask for, or the sentence that says why they cannot be read."""
        try:
            return self.query_one(ClusterSettings).request()
        except Refused as refused:
            return str(refused)

    def _moved(self, fraction: float) -> None:
        self.done = fraction

    def _ended(self, _: ClusterResult) -> None:
        self.running = False
        self._list()

    def _failed(self, error: BaseException) -> None:
        self.running = False
        self.failed = "" if isinstance(error, Cancelled) else one_line(error_sentence(error))
        self.redraw()

    def action_cancel(self) -> None:
        if self.running:
            self._cancel.set()
            self.notify("Stopping after the piece under way.", timeout=3)

    def action_settings(self) -> None:
        self.query_one("#method").focus()

    # What is done with a cluster's circuit.

    def _number(self) -> int | None:
        row = self.chosen
        if row is None:
            self.notify("No clusters were found yet: enter finds some.", timeout=4)
            return None
        return row.number

    def action_beside(self) -> None:
        number = self._number()
        if number is None:
            return
        found = self.clusterer.found()
        name = found.name(number)

        def put(_: None) -> None:
            self.notify(
                f"The circuit of {name} stands beside: {{key:bench.beside}} on the bench.",
                timeout=6,
            )

        self._commands.put(
            lambda: self.session.side_by_side.put(name, found.circuit(number)), put, self._refused
        )

    def action_take(self) -> None:
        number = self._number()
        if number is None:
            return

        def taken(status: Status) -> None:
            said = (
                status.message
                or "Taken; {key:bench.undo} on the bench brings the circuit before back."
            )
            self.notify(one_line(said), markup=False, timeout=6)

        self._commands.put(lambda: self.session.clusterer.take(number), taken, self._refused)

    def action_export(self) -> None:
        from screens.widgets.dialogs import Export

        number = self._number()
        if number is None:
            return

        def write(answer: tuple[Path, str] | None) -> None:
            if answer is not None:
                path, form = answer
                self._commands.put(
                    lambda: self.session.clusterer.export(number, path, form),
                    lambda _: self.notify(f"Written: {path}", timeout=8, markup=False),
                    self._refused,
                )

        self.app.push_screen(Export(f"cluster-{number}.json"), write)

    def action_split(self) -> None:
        """The cluster's pairs as a task of their own."""
        number = self._number()
        if number is None:
            return
        held = self.clusterer.found()
        every = held.batch.task.pairs
        pairs = [every[index] for index in held.clusters.clusters[number - 1].pairs]
        split_off(self, self._commands, self.session, pairs, f"cluster-{number}")

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    # Leaving.

    def action_leave(self) -> None:
        self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())
