"""The bench's three panels: the circuit, the edges into a node, the readouts.

One of them has the focus. Where there is no room for all of them side by side, a line names them
and one or two are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget

from screens.bench.candidates import Candidates
from screens.bench.circuit_tree import CircuitTree
from screens.bench.edges_panel import EdgesPanel
from screens.bench.frontier import Frontier
from screens.widgets.changes import put_title
from screens.widgets.panel_tabs import PanelTabs
from workbench.circuits.tree import TreeRow
from workbench.session.views import Candidate

if TYPE_CHECKING:
    from screens.readouts.panel import Readouts

PANELS = {"circuit": "#tree", "candidates": "#edges", "readouts": "#readouts"}
"""Each panel, and what in it takes the focus."""


class Panels(Vertical):
    """Holds the panels.

    Attributes:
        panel: the one that has, or had last, the focus.
    """

    DEFAULT_CSS = """
    Panels { height: 1fr; }
    """

    class Entered(Message):
        """Another panel is shown than before."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.panel = ""

    def compose(self) -> ComposeResult:
        from screens.readouts.panel import Readouts

        yield PanelTabs(id="tabs")
        with Horizontal(id="panels"):
            with Vertical(id="circuit", classes="panel"):
                yield CircuitTree(id="tree")
                yield Frontier(id="frontier", markup=False)
            yield EdgesPanel(id="candidates", classes="panel")
            yield Readouts(id="readouts", classes="panel")

    @property
    def tree_rows(self) -> CircuitTree:
        return self.query_one("#tree", CircuitTree)

    @property
    def frontier(self) -> Frontier:
        return self.query_one("#frontier", Frontier)

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

    def row_of(self, node: str) -> TreeRow | None:
        """The tree's row of a node, if it is in the circuit."""
        return self.tree_rows.laid_out.find(node)

    def candidate(self, edge: str) -> Candidate | None:
        """The table's row of an edge, if it has one."""
        return next((c for c in self.table.all if c.edge == edge), None)

    def show(self, panel: str) -> None:
        """Show a panel, wherever the focus is."""
        if self.panel and self.panel != panel:
            self.post_message(self.Entered())
        self.panel = panel
        for name in PANELS:
            self.set_class(name == panel, f"-show-{name}")

    def go_to(self, panel: str) -> None:
        """Show a panel and give it the focus."""
        self.show(panel)
        widget = self.query_one(PANELS[panel])
        if not widget.focusable:
            widget = next((w for w in widget.query("*") if w.focusable), widget)
        widget.focus()

    def entitle(self, titles: dict[str, str]) -> None:
        """Write the panels' titles, in the order of the panels."""
        for number, panel in enumerate(PANELS, 1):
            put_title(self.query_one(f"#{panel}"), f"{number} {titles[panel]}")
        self.query_one("#tabs", PanelTabs).update(titles, self.panel)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        widget: Widget | None = event.widget
        while widget is not None and widget.id not in PANELS:
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        if widget is not None and widget.id and widget.id != self.panel:
            self.show(widget.id)
