"""The edges that the bench shows, into which node, and the sweep for their effects.

The tree's cursor leads and the table follows once it rests; what is not known of the edges is then
computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from textual.timer import Timer

from screens.bench.candidates import TITLES
from screens.bench.edges_panel import INPUTS
from screens.bench.panels import Panels
from screens.bench.repair_note import RepairNote
from screens.bench.row_order import RowOrder
from screens.bench.session_runner import AT_ONCE, EdgesView, SessionRunner, Sweep
from screens.bench.tree_layout import TreeLayout
from workbench.circuits.names import LOGITS, TOGETHER, edge_ends, kind_of
from workbench.circuits.parts import edge_of
from workbench.config.config import config
from workbench.engine.effect_settings import DECIDING

if TYPE_CHECKING:
    from workbench.session.session import Session

SETTLE = 0.12
"""Seconds the cursor rests before what depends on it is looked up: held arrow keys stay smooth."""
STATES = {
    "open": "open: reads the clean residual",
    "partly": "partly expanded",
    "expanded": "expanded: reads its kept edges",
    "dead": "dead: nothing live feeds it",
    "input": "the embeddings: nothing feeds them",
}
ONE_FRAME = 2 * AT_ONCE
"""Seconds that a node which the cursor came to is held back at most, until its readouts are there:
then all of it is one frame."""
GLANCE = 0.02
"""Seconds between two glances whether all of it is there."""
FIRST_LOOK = 2.0
"""Seconds until the values of a sweep that is not over by then are shown for the first time: all
that are in sight in one frame, after the table with its estimates has passed a slow line."""
READABLE = 1.0
"""Seconds between two looks at a sweep under way after that."""
REST = 4
"""How many times as long as a look took nothing is looked at: of a long list less often."""


class ShownEdges:
    """Chooses what the tree's cursor and the table of edges show, and keeps them together.

    Attributes:
        view: the chosen node, which of its inputs, and the setting of the exact effects.
        visited: the nodes chosen before, oldest first.
        repair: says where a total effect hides a direct one.
        row_order: when what has come puts rows in another order.
    """

    def __init__(
        self,
        session: Session,
        runner: SessionRunner,
        panels: Panels,
        *,
        changed: Callable[[], None],
    ) -> None:
        """`changed`: something else is shown, so that the words around it have to follow."""
        self.session = session
        self.runner = runner
        self.view = EdgesView("logits", setting=config()["effects"])
        self.visited: list[str] = []
        self._panels = panels
        self._tree = panels.tree_rows
        self._table = panels.table
        self._changed = changed
        self.repair = RepairNote(session, runner.repairs, changed=self._warned)
        self.row_order = RowOrder(
            session, panels.screen, self._table, ready=self._all_came, changed=self._ordered
        )
        self._table.ranked = lambda: self.view.candidates(session, ranked=True)
        self._settling: Timer | None = None
        # Until when what is read of the node under the cursor is waited for, to be shown with it.
        self._held_until: float | None = None
        self._wanted = ""  # edge to put the cursor on, once there are rows
        self._looked = 0.0
        self._pause = FIRST_LOOK  # until the next look at a sweep
        self._look_later: Timer | None = None
        self._follow = False  # the tree's cursor moved: show the node that it came to
        self._came = ""  # where the last key left that cursor

    @property
    def quiet(self) -> bool:
        """The cursor rests, and no look is due."""
        came = self._settling is None and self._look_later is None
        return came and self.row_order.quiet

    # Looking.

    def read_tree(self) -> None:
        """Lay out the tree anew, away from the screen, and show it."""
        self.runner.read_tree(self._show_tree)

    def _show_tree(self, layout: TreeLayout) -> None:
        """Show the circuit; the cursor stays with the chosen node unless it is being moved."""
        self._tree.show_tree(layout)
        self._tree.choose(self.view.node)
        if not self._follow:
            self._tree.go_to(self.view.node)
        self._changed()

    def look(self, anew: bool = False) -> None:
        """Show the edges as they stand now; once the cursor rests, compute what is not known.

        Args:
            anew: the view changed, so sort the table again.
        """
        self._looked = monotonic()
        self._look_no_more()
        edges = self.view.candidates(self.session)
        table = self._table
        coming = self._settling is not None
        if not coming:
            self.runner.look_at(self.view, edges)
        sweep = self._own_sweep()
        wanted = coming and not self.runner.stopped
        table.sweeping = wanted or (sweep is not None and sweep.what == "exact")
        table.costing = wanted or (sweep is not None and sweep.what == "drop costs")
        table.show_edges(edges, anew=anew)
        if edges and self._wanted:
            table.move_to_edge(self._wanted)
            self._wanted = ""
        self.row_order.look()
        self._changed()
        begins = sweep is None or not sweep.done
        rest = FIRST_LOOK if begins else READABLE
        self._pause = max(rest, REST * (monotonic() - self._looked))

    def moved(self) -> None:
        """A sweep moved on: show it, but not more often than can be read."""
        if self._held_until is not None:
            self._come_whole()
        elif self.runner.sweep is None:
            self.look()
        elif self._look_later is None:
            left = self._pause - (monotonic() - self._looked)
            self._look_later = self._panels.screen.set_timer(max(0.0, left), self._look_again)

    def _look_no_more(self) -> None:
        if self._look_later is not None:
            self._look_later.stop()
            self._look_later = None

    def _look_again(self) -> None:
        self._look_later = None
        if not self._leaving:  # else that table is seen no more
            self.look()

    @property
    def _leaving(self) -> bool:
        """The tree's cursor stands on another node, which is shown as soon as it rests."""
        row = self._tree.highlighted
        return self._follow and row is not None and row.name != self.view.node

    def _warned(self) -> None:
        """There is something to warn of: said with the values of a sweep under way, or at once."""
        if self._own_sweep() is None:
            self._changed()

    def follow_tree(self) -> None:
        """The tree's cursor moved: show the node that it comes to."""
        self._follow = True

    def catch_up(self) -> None:
        """Let all follow the tree's cursor at once: what comes now is about its node."""
        row = self._tree.highlighted
        if self._follow and row is not None:
            self.choose(row.name)
        if self._panels.reading:
            self.read_component()

    def heard(self) -> None:
        """A key has had its effect: unless it moved the tree's cursor, as others may, follow that.

        Else what was chosen on the way would depend on how fast the keys come.
        """
        came, row = self._came, self._tree.highlighted
        self._came = "" if row is None else row.name
        if self._leaving and self._came == came:
            self.catch_up()
        self.row_order.heard()

    def settle(self) -> None:
        """After a moment without another move: start the sweep and the readouts.

        The timer is the screen's: when it closes, the panels may outlive what stands beside them.
        """
        self._stop_settling()
        self._settling = self._panels.screen.set_timer(SETTLE, self._settled)

    def _stop_settling(self) -> None:
        self._held_until = None
        if self._settling is not None:
            self._settling.stop()
            self._settling = None

    def _settled(self) -> None:
        """Show the node that the cursor rests on, with what is read of it if that comes at once."""
        self._settling = None
        row = self._tree.highlighted
        if not self._leaving or row is None:
            self._come()
            return
        coming = self._view_of(row.name)
        self._panels.prepare(self.session, row.name)
        self.runner.leave(coming)
        self.runner.look_at(coming, coming.candidates(self.session))
        self._held_until = monotonic() + ONE_FRAME
        self._come_whole()

    def _come_whole(self) -> None:
        """Show the node that the cursor has come to, once all of it is there or time is up."""
        if self._held_until is None:
            return  # the glance was in the queue already when a key stopped its timer
        left = self._held_until - monotonic()
        swept = self.runner.sweep is None or left <= ONE_FRAME - AT_ONCE
        if left <= 0 or (swept and not self._panels.preparing):
            self._come()
        else:
            if self._settling is not None:
                self._settling.stop()
            self._settling = self._panels.screen.set_timer(GLANCE, self._come_whole)

    def _come(self) -> None:
        """Show the node that the cursor has come to, and what of it is to be read."""
        held = self._held_until is not None
        self._stop_settling()
        if held and self._all_came():
            self.row_order.count()  # before it is shown: then it is in order at once
        row = self._tree.highlighted
        follow, self._follow = self._follow, False
        if follow and row is not None and row.name != self.view.node:
            self.choose(row.name)
            self._stop_settling()  # the cursor has rested already
            self.look()
        elif self._own_sweep() is None:  # else its next look is soon enough
            self.look()
        self.read_component()

    def _all_came(self) -> bool:
        """Nothing is computed or carried out by which rows will be put in order."""
        runner = self.runner
        return runner.sweep is None and not runner.busy and self._settling is None

    def _ordered(self) -> None:
        """Rows have another order: the tree and what is to be expanded next follow."""
        self.read_tree()
        self._panels.frontier.show_nodes(
            self.session.frontier(ranked=True), closed=self.session.status().closed
        )

    def _own_sweep(self) -> Sweep | None:
        """The sweep under way, if it is for the edges that are shown."""
        sweep = self.runner.sweep
        return sweep if sweep is not None and sweep.view == self.view else None

    def _view_of(self, node: str) -> EdgesView:
        # q, k and v together are a way to look at edges, one of them is a part of a node.
        inputs = TOGETHER if self.view.inputs == TOGETHER else "qkv"
        return replace(self.view, node=node, inputs=inputs)

    def describe(self, threshold: float) -> None:
        """Bring the words around the table up to date."""
        node = self.view.node
        row = self._panels.row_of(node)
        nothing = "The embeddings: nothing feeds them." if node == "input" else "No edges."
        if self.view.by_role and not self.session.estimated_by_role and node != "input":
            nothing = "Estimating the effects of edges at roles…"
        self._tree.mark_notes(self.session.circuit.notes)
        self._tree.mark_interventions(self.session.interventions.marks)
        self._table.mark_notes(self.session.circuit.notes)
        self._table.nothing = nothing
        self._panels.edges.warning = self._warning()
        self._panels.edges.old = self.session.effects_are_old
        self._panels.edges.describe(
            self.view,
            state=STATES[row.state] if row is not None else "not in the circuit",
            metric=self.session.task.metric,
            threshold=threshold,
            note=self._note(),
            sweep=self._own_sweep(),
            stopped=self.runner.stopped,
        )

    def _note(self) -> str:
        """The note on the edge under the table's cursor, else on the node."""
        notes = self.session.circuit.notes
        edge = self._table.highlighted
        whole = "" if edge is None else edge_of(edge.edge)
        if whole in notes and whole:
            return f"{whole}: {notes[whole]}"
        return notes.get(self.view.node, "")

    def _warning(self) -> str:
        """Of the node whose direct effect is in view, that its total effect hides it."""
        edge = self._table.highlighted
        if self._panels.panel == "circuit":
            return self.repair.look(self.view.node)
        if self.view.node == LOGITS and edge is not None:
            return self.repair.look(edge.source)
        return ""

    def read_component(self) -> None:
        """Let the readouts show the component under the cursor."""
        node = self.view.node
        edge = self._table.highlighted
        if self._panels.panel == "candidates" and edge is not None:
            node = edge.source
        if self._panels.read(self.session, node):
            self._changed()

    # Choosing.

    def choose(self, node: str, *, remember: bool = True) -> None:
        """Show the candidate edges into a node."""
        if node == self.view.node:
            return
        if remember:
            self.visited.append(self.view.node)
            del self.visited[:-200]
        self.change_view(self._view_of(node))
        self._tree.go_to(node)

    def change_view(self, view: EdgesView) -> None:
        """Show these edges, and compute nothing any more for those shown before."""
        other_node = view.node != self.view.node
        self._follow = False
        self.runner.leave(view)
        self.view = view
        table = self._table
        table.costs_shown = view.costs
        table.sweeping = table.costing = False
        self._tree.choose(view.node)
        if other_node and table.filter:
            table.filter = type(table.filter)("")
        if other_node:
            table.clear()
        self.settle()
        self.look(anew=True)

    def find_edge(self, edge: str) -> None:
        """Let the table show an edge under its cursor."""
        self.choose(self.session.graph.node_of(edge_ends(edge_of(edge))[1]))
        table = self._table
        if not table.move_to_edge(edge):  # another input, or filtered away
            table.set_filter("")
            self.change_view(replace(self.view, inputs="qkv"))
            table.move_to_edge(edge)

    def go_back(self) -> None:
        """To the node chosen before."""
        if self.visited:
            self.choose(self.visited.pop(), remember=False)

    def next_frontier(self) -> None:
        """To the next node that can be expanded."""
        nodes = self.session.frontier(ranked=True)
        if not nodes:
            self._panels.screen.notify("Nothing is left to expand.", timeout=4)
            return
        at = nodes.index(self.view.node) if self.view.node in nodes else -1
        self.choose(nodes[(at + 1) % len(nodes)])

    def inputs(self, chosen: str = "") -> None:
        """Show the edges into these inputs of the node, or into the next ones."""
        if kind_of(self.view.node) != "head":
            self._panels.screen.notify("Only attention heads read through q, k and v.", timeout=4)
            return
        chosen = chosen or _next(INPUTS, self.view.inputs)
        if chosen == TOGETHER and self.view.by_role:
            chosen = INPUTS[0]
        self.change_view(replace(self.view, inputs=chosen))

    def split_by_role(self) -> None:
        """Tell edges apart by token roles, in the table and the tree, or no more."""
        if not self.view.by_role and not self.session.can_split:
            words = "The prompts differ at one role alone: there is nothing to split by."
            self._panels.screen.notify(words, timeout=4)
            return
        edge = self._table.highlighted
        self._wanted = "" if edge is None else edge.edge
        inputs = INPUTS[0] if self.view.inputs == TOGETHER else self.view.inputs
        self.show_as(replace(self.view, by_role=not self.view.by_role, inputs=inputs))

    def show_as(self, view: EdgesView) -> None:
        """Show these edges; the tree by role as they are."""
        self.change_view(view)
        if self.runner.by_role != view.by_role:
            self.runner.by_role = view.by_role
            self.read_tree()

    def want_edge(self, edge: str) -> None:
        """Put the table's cursor on an edge, at once or when the edges are there."""
        if edge and not self._table.move_to_key(edge) and not self._table.all:
            self._wanted = edge

    def estimate(self, done: Callable[[], None]) -> None:
        """Have the estimates that the view needs, in the background; `done`: they are there."""
        by_role = self.view.by_role
        if self.session.effects_are_old or (by_role and not self.session.estimated_by_role):
            self.runner.estimate(done, by_role=by_role)

    def next_setting(self) -> None:
        """Show exact effects in the next of the settings, or go by the estimates alone."""
        self.change_view(replace(self.view, setting=_next(DECIDING, self.view.setting)))

    def drop_costs(self) -> None:
        """Show drop costs, or hide them."""
        self.change_view(replace(self.view, costs=not self.view.costs))

    def sort(self) -> None:
        """Sort anew where other values are known by now, else by the next column."""
        if self._table.behind:
            self._table.sort_anew()
        else:
            self._table.next_sort()
        self._panels.screen.notify(f"Sorted by {TITLES[self._table.sort] or 'kept'}.", timeout=2)

    def cancel(self) -> None:
        """Stop the sweep, or let it go on."""
        coming = self._table.sweeping and any(edge.exact is None for edge in self._table.all)
        self.runner.stopped = self.runner.cancel() or coming
        self.look()


def _next(choices: tuple[str, ...], now: str) -> str:
    return choices[(choices.index(now) + 1) % len(choices)]
