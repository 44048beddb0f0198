"""The question for a discovery: which method, what it is told, and how edges are selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from screens.base.actions import keyed
from screens.discovery.fields import OptionFields, SelectionFields
from screens.widgets.dialogs import Dialog
from screens.widgets.line_list import LineList
from screens.widgets.name_list import NameList
from workbench.discovery.catalogue import METHODS, Method
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.session.session import Session

FIRST_SHARE, FIRST_LEAST, FIRST_MOST = 0.05, 10, 200
"""How many edges are proposed to be selected: a share of all, within limits."""
SHARE_OF_NODES, LEAST_NODES = 0.25, 3
"""The same of nodes; each brings all edges between those that are selected."""

LEAST_LISTED = 4
BESIDE = 20  # lines of the screen that the list of methods leaves to the rest of the box


@dataclass(frozen=True)
class DiscoveryRequest:
    """What is to be run."""

    method: str
    options: Options
    selection: Selection | None


class DiscoverDialog(Dialog[DiscoveryRequest]):
    """Answers what to run, checked against the session."""

    DEFAULT_CSS = """
    DiscoverDialog NameList { background: $surface; margin-bottom: 1; }
    DiscoverDialog #definition { height: 4; color: $text-muted; margin-bottom: 1; }
    DiscoverDialog .error { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "start", show=False, priority=True),
    ]

    def __init__(
        self,
        session: Session,
        before: DiscoveryRequest | None = None,
        *,
        detached: bool = False,
    ) -> None:
        """For a session.

        Args:
            before: what was asked for last, to begin with.
            detached: it will go on by itself, as a job.
        """
        super().__init__()
        self.detached = detached
        self.session = session
        self.before = before
        edges = session.graph.n_edges
        self.n = min(FIRST_MOST, max(FIRST_LEAST, int(edges * FIRST_SHARE)), edges)
        # So many edges would take in every node: of nodes the share is another.
        self.nodes = max(LEAST_NODES, int(session.graph.n_sources * SHARE_OF_NODES))

    def compose(self) -> ComposeResult:
        threshold = self.session.threshold
        with Vertical(classes="box wide"):
            title = "as a job" if self.detached else "the method"
            yield Static(Text(f"Discover a circuit: {title}"), classes="title")
            yield NameList(id="methods", choosing=True)
            yield Static(id="definition")
            roles = self.session.can_split
            yield OptionFields(self.n, threshold, roles=roles)
            before = self.before.selection if self.before is not None else None
            yield SelectionFields(self.n, threshold, before, nodes=self.nodes, roles=roles)
            yield Static(classes="error")
            keys = keyed(
                "enter start · tab fields · "
                "{key:choice.previous} {key:choice.next} change · esc cancel"
            )
            with Horizontal(classes="foot"):
                yield Static(Text(keys), classes="keys")
                yield Button("Start", id="start", compact=True)

    def on_mount(self) -> None:
        methods = self.query_one(NameList)
        rows = [(method.name, method.title) for method in METHODS.values()]
        methods.styles.height = min(len(rows), max(LEAST_LISTED, self.app.size.height - BESIDE))
        methods.show(rows, to=self.before.method if self.before is not None else None)
        methods.focus()
        self._show_method()

    @property
    def method(self) -> Method:
        row = self.query_one(NameList).highlighted
        assert row is not None, "the catalogue is not empty"
        return METHODS[row[0]]

    @on(LineList.Highlighted)
    def _show_method(self) -> None:
        method = self.method
        definition = method.definition[:1].upper() + method.definition[1:]
        self.query_one("#definition", Static).update(Text(f"{definition}."))
        self.query_one(OptionFields).offer(method)
        self.query_one(SelectionFields).offer(method)
        self.complain("")

    @on(SelectionFields.Changed)
    @on(Input.Changed)
    def _changed(self) -> None:
        self.complain("")

    def action_start(self) -> None:
        method = self.method
        try:
            options = self.query_one(OptionFields).options(method)
            fields = self.query_one(SelectionFields)
            selection = fields.selection() if fields.display else None
            self.session.discoveries.check(method.name, options, selection)
        except (ValueError, WorkbenchError) as error:
            self.complain(str(error))
            return
        self.dismiss(DiscoveryRequest(method.name, options, selection))

    @on(NameList.Chosen)
    @on(Button.Pressed)
    def _double_clicked(self) -> None:
        self.action_start()
