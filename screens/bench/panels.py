"""The bench's panels: the circuit, the edges into a node, the readouts, perhaps twice.

One of them has the focus. Where there is no room for all of them side by side, a line names them
and one or two are shown. Borders between them can be dragged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from screens.bench.candidates import Candidates
from screens.bench.circuit_tree import CircuitTree
from screens.bench.edges_panel import EdgesPanel
from screens.bench.frontier import Frontier
from screens.bench.keys import BY_NAME
from screens.bench.pair_table import PairTable
from screens.widgets.changes import put_title
from screens.widgets.overlay import Target
from screens.widgets.panel_tabs import PanelTabs
from workbench.circuits.tree import TreeRow
from workbench.config.layout import Layout
from workbench.session.views import Candidate

if TYPE_CHECKING:
    from screens.readouts.panel import Readouts
    from workbench.session.session import Session

PANELS = {
    "circuit": "#tree",
    "candidates": "#edges",
    "readouts": "#readouts",
    "second": "#second",
    "pairs": "#pairs-table",
}
"""Each panel, and what in it takes the focus."""
BORDERS = ("circuit", "candidates")
"""The panels at whose right border one can pull, by the number of the border."""
_READING = ("readouts", "second")


class Panels(Vertical):
    """Holds the panels.

    Attributes:
        panel: the one that has, or had last, the focus.
        arrangement: how they share the screen.
    """

    DEFAULT_CSS = """
    Panels {
        height: 1fr;
        & #left { width: 2fr; height: 1fr; layout: horizontal; }
        & #right { width: 1fr; height: 1fr; }
    }
    """

    class Entered(Message):
        """Another panel is shown than before."""

    class Rearranged(Message):
        """The panels share the screen otherwise than before."""

        def __init__(self, arrangement: Layout) -> None:
            super().__init__()
            self.arrangement = arrangement

    def __init__(self, arrangement: Layout, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.panel = ""
        self.arrangement = arrangement
        self._dragged: tuple[int, Widget] | None = None

    def compose(self) -> ComposeResult:
        from screens.readouts.panel import Readouts

        yield PanelTabs(id="tabs")
        with Horizontal(id="panels"):
            with Container(id="left"):
                with Vertical(id="circuit", classes="panel"):
                    yield CircuitTree(id="tree")
                    yield Frontier(id="frontier", markup=False)
                yield EdgesPanel(id="candidates", classes="panel")
                with Vertical(id="pairs", classes="panel"):
                    yield PairTable(id="pairs-table")
            with Vertical(id="right"):
                yield Readouts(id="readouts", classes="panel")
                yield Readouts(id="second", classes="panel")

    def on_mount(self) -> None:
        self._arrange()

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
    def pairs(self) -> PairTable:
        return self.query_one("#pairs-table", PairTable)

    def on_pair_table_pair_chosen(self, event: PairTable.PairChosen) -> None:
        for readouts in self.both_readouts:
            readouts.go_to_pair(event.index)

    @property
    def readouts(self) -> Readouts:
        """The readouts that have, or had last, the focus."""
        from screens.readouts.panel import Readouts

        return self.query_one("#second" if self.panel == "second" else "#readouts", Readouts)

    @property
    def both_readouts(self) -> tuple[Readouts, Readouts]:
        """The readouts and the second ones, which are seen where there is room."""
        from screens.readouts.panel import Readouts

        return self.query_one("#readouts", Readouts), self.query_one("#second", Readouts)

    @property
    def reading(self) -> bool:
        """Whether readouts have, or had last, the focus."""
        return self.panel in _READING

    def read(self, session: Session, node: str) -> bool:
        """Let the readouts show a component; whether they showed another one before."""
        from screens.readouts.panel import Readouts

        other = self.readouts.node != node
        for readouts in self.query(Readouts):
            readouts.show(session, node)
        return other

    def prepare(self, session: Session, node: str) -> None:
        """Let the readouts begin to read a component that they are about to show."""
        for readouts in self.both_readouts:
            readouts.prepare(session, node)

    @property
    def preparing(self) -> bool:
        """Whether readouts in sight compute what they are about to show."""
        return any(readouts.preparing for readouts in self.both_readouts)

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
        if panel in ("candidates", "pairs"):  # one stands in the place of the other
            self.set_class(panel == "pairs", "-pairs")
        for name in PANELS:
            self.set_class(name == panel, f"-show-{name}")
        self._arrange()

    def go_to(self, panel: str) -> None:
        """Show a panel and give it the focus."""
        if panel == "second" and not self.arrangement.more:
            panel = "readouts"
        self.show(panel)
        widget = self.query_one(PANELS[panel])
        if not widget.focusable:
            widget = next((w for w in widget.query("*") if w.focusable), widget)
        widget.focus()

    def entitle(self, titles: Sequence[str]) -> None:
        """Write the panels' titles, in the order of the panels."""
        named = dict(zip(PANELS, titles, strict=True))
        for number, (panel, title) in enumerate(named.items(), 1):
            put_title(self.query_one(f"#{panel}"), f"{number} {title}")
        numbers = {panel: number for number, panel in enumerate(named, 1)}
        del named["second"]
        del named["candidates" if self.has_class("-pairs") else "pairs"]
        shown = "readouts" if self.panel == "second" else self.panel
        self.query_one("#tabs", PanelTabs).update(named, shown, numbers)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        widget: Widget | None = event.widget
        while widget is not None and widget.id not in PANELS:
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        if widget is not None and widget.id and widget.id != self.panel:
            self.show(widget.id)

    def more_targets(self) -> list[Target]:
        """The panels that are hidden, at their names in the line of names."""
        tabs = self.query_one("#tabs", PanelTabs)
        places = tabs.places() if tabs.display else {}
        hidden = [name for name in PANELS if not self.query_one(f"#{name}").is_on_screen]
        corner = Region(max(0, self.region.right - 4), self.region.y, 3, 1)
        return [
            (places.get(name, corner), lambda name=name: self.go_to(name))  # type: ignore[misc]
            for name in hidden
            if name not in ("second", "pairs")
        ]

    # How they share the screen.

    def rearrange(self, arrangement: Layout) -> None:
        """Let the panels share the screen so."""
        if arrangement == self.arrangement:
            return
        self.arrangement = arrangement
        self._arrange()
        if self.panel == "second" and not arrangement.more:
            self.go_to("readouts")
        self.post_message(self.Rearranged(arrangement))

    def _arrange(self) -> None:
        arrangement = self.arrangement
        self.set_class(arrangement.more and not arrangement.full, "-more")
        self.set_class(arrangement.full, "-full")
        circuit, edges, readouts = arrangement.widths
        # Where they stand above one another, each has the whole width.
        stacked = arrangement.more and not self.screen.has_class("-wide")
        alone = not stacked and self.screen.has_class("-mid") and self.reading
        self.query_one("#left").styles.width = _share(circuit if alone else circuit + edges)
        self.query_one("#right").styles.width = _share(readouts)
        for name, share in (("circuit", circuit), ("candidates", edges), ("pairs", edges)):
            self.query_one(f"#{name}").styles.width = "100%" if stacked else _share(share)

    def on_resize(self) -> None:
        self._arrange()

    def turn_full(self) -> None:
        """Let the chosen panel fill the screen, or give the others their places back."""
        if self._one_at_a_time and not self.arrangement.more:
            more = BY_NAME["more"].shown
            words = f"Each panel has the whole screen here; {more} shows the circuit and its edges."
            self.notify(words, timeout=4)
            return
        self.rearrange(replace(self.arrangement, full=not self.arrangement.full))

    def turn_more(self) -> None:
        """Show more at once, or less."""
        self.rearrange(replace(self.arrangement, more=not self.arrangement.more, full=False))
        if self._one_at_a_time and self.reading:
            how = "stands above its edges" if self.arrangement.more else "and its edges take turns"
            self.notify(f"The circuit {how} now.", timeout=4)

    @property
    def _one_at_a_time(self) -> bool:
        """The screen has no room for panels side by side."""
        return self.screen.has_class("-narrow")

    def move_border(self, cells: int) -> None:
        """Move the right border of the chosen panel; of the readouts, the left one."""
        border = BORDERS.index(self.panel) if self.panel in BORDERS else 1
        self._move(border, cells)

    def _move(self, border: int, cells: int) -> None:
        width = max(1, self.size.width)
        self.rearrange(self.arrangement.moved(border, cells / width))

    def _border_at(self, x: int) -> tuple[int, Widget] | None:
        """The border in this column of the screen, and the panel whose right edge it is."""
        if self.arrangement.full:
            return None
        outer = self.query_one("#left").region.right
        for border, name in enumerate(BORDERS):
            panel = self.query_one(f"#{name}")
            right = panel.region.right
            if panel.is_on_screen and right < self.region.right and x in (right - 1, right):
                return 1 if right == outer and name == "candidates" else border, panel
        return None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        below_titles = event.screen_y > self.query_one("#panels").region.y
        self._dragged = self._border_at(event.screen_x) if below_titles else None
        if self._dragged is not None:
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragged is not None:
            border, panel = self._dragged
            by = event.screen_x - (panel.region.right - 1)
            if by:
                self._move(border, by)

    def on_mouse_up(self) -> None:
        if self._dragged is not None:
            self._dragged = None
            self.release_mouse()


def _share(share: float) -> str:
    return f"{1000 * share:.0f}fr"
