"""What the keys of the bench do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.screen import Screen

from screens.base.numbers import digits_for, plain
from screens.base.tokens import one_line
from screens.bench.candidates import TITLES, Candidates
from screens.bench.circuit_tree import CircuitTree
from screens.bench.edges_panel import INPUTS, EdgesPanel
from screens.bench.session_runner import AT_ONCE, EdgesView, SessionRunner
from screens.bench.status_bar import StatusBar
from screens.navigation import ShowSetup
from workbench.circuits.names import edge_ends, kind_of
from workbench.circuits.tree import TreeRow
from workbench.engine.effect_settings import SETTINGS
from workbench.session.views import Candidate, Status

if TYPE_CHECKING:
    from screens.graph.screen import GraphScreen
    from screens.readouts.panel import Readouts
    from workbench.session.session import Session

STEP = 10 ** (1 / 8)
"""Factor of one press of a threshold key: eight of them are a power of ten."""


class BenchActions(Screen[None]):
    """The actions of `Bench`, which gives the attributes named here."""

    session: Session
    runner: SessionRunner
    view: EdgesView
    visited: list[str]
    threshold: float
    panel: str
    if TYPE_CHECKING:

        @property
        def tree_rows(self) -> CircuitTree: ...
        @property
        def readouts(self) -> Readouts: ...
        @property
        def edges(self) -> EdgesPanel: ...
        @property
        def table(self) -> Candidates: ...
        def choose(self, node: str, *, remember: bool = True) -> None: ...
        def refresh_all(self, *, anew: bool = False) -> None: ...
        def change_view(self, view: EdgesView) -> None: ...
        def toggle(self, edge: Candidate) -> None: ...
        def look(self, anew: bool = False) -> None: ...
        def describe(self) -> None: ...
        def show_panel(self, panel: str) -> None: ...
        def row_of(self, node: str) -> TreeRow | None: ...
        def leave(self) -> None: ...
        @property
        def keys_of(self) -> str: ...

    def command(self, call: Callable[[], Status]) -> None:
        """Queue a command of the session; the numbers that it will change look so from now on."""
        self.runner.command(call)
        self.query_one("#status", StatusBar).update(pending=True)

    # Stepping.

    def action_go_in(self) -> None:
        if self.panel == "candidates":
            edge = self.table.highlighted
            if edge is None:
                return
            if edge.source == "input":
                self.notify("These are the embeddings: nothing feeds them.", timeout=4)
                return
            self.choose(edge.source)
        elif self.panel == "circuit":
            row = self.tree_rows.highlighted
            if row is not None:
                self.choose(row.name)
            self.action_panel("candidates")

    def action_go_back(self) -> None:
        if self.visited:
            self.choose(self.visited.pop(), remember=False)

    def action_choose(self, node: str) -> None:
        self.choose(node)

    def action_expand(self) -> None:
        view = self.chosen()
        self.command(lambda: self.session.expand(view.node, view.inputs, setting=view.setting))

    def action_next_frontier(self) -> None:
        nodes = self.session.frontier()
        if not nodes:
            self.notify("Nothing is left to expand.", timeout=4)
            return
        at = nodes.index(self.view.node) if self.view.node in nodes else -1
        self.choose(nodes[(at + 1) % len(nodes)])

    def action_jump(self) -> None:
        from screens.widgets.node_jump import Jump

        def go(node: str | None) -> None:
            if node is not None:
                self.choose(node)
                if self.row_of(node) is None:
                    self.action_panel("candidates")  # it is in no row of the tree

        tree = self.tree_rows.laid_out
        known = {node: tree.rows[at] for node, at in tree.home.items()}
        words = {n: " ".join(filter(None, (row.state, row.role))) for n, row in known.items()}
        self.app.push_screen(Jump(self.session.graph.nodes, words), go)

    def node(self) -> str:
        """The chosen node; in the tree the one under the cursor, before the table has followed."""
        row = self.tree_rows.highlighted
        return row.name if self.panel == "circuit" and row is not None else self.view.node

    def chosen(self) -> EdgesView:
        """What a command on the chosen node is about."""
        node = self.node()
        return self.view if node == self.view.node else replace(self.view, node=node, inputs="qkv")

    # Editing.

    def action_keep_or_drop(self) -> None:
        if self.panel == "candidates":
            edge = self.table.highlighted
            if edge is not None:
                self.toggle(edge)
        elif self.panel == "circuit":
            row = self.tree_rows.highlighted
            if row is None or row.edge is None:
                self.notify("The logits are the root: there is no edge to drop.", timeout=4)
                return
            self.command(partial(self.session.toggle, row.edge, setting=self.view.setting))

    def action_keep_above(self) -> None:
        view = self.chosen()
        self.command(lambda: self.session.keep_above(view.node, view.inputs, view.setting))

    def action_drop_all(self) -> None:
        view = self.chosen()
        self.command(partial(self.session.drop_all, view.node, view.inputs))

    def action_keep_all(self) -> None:
        view = self.chosen()
        self.command(partial(self.session.keep_all, view.node, view.inputs))

    def action_toggle_node(self) -> None:
        edge = self.table.highlighted
        node = edge.source if self.panel == "candidates" and edge is not None else self.node()
        self.command(partial(self.session.toggle_node, node))

    def action_reopen(self) -> None:
        view = self.chosen()
        self.command(partial(self.session.reopen, view.node, view.inputs))

    def action_undo(self) -> None:
        self.command(self.session.undo)

    def action_redo(self) -> None:
        self.command(self.session.redo)

    def action_clear(self) -> None:
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self.command(self.session.clear)

        question = "Start over with only the logits, open? Undo brings the circuit back."
        self.app.push_screen(Confirm(question, "Start over"), go)

    # The threshold.

    def action_threshold_up(self) -> None:
        self.set_threshold((self.threshold or 1e-4) * STEP)

    def action_threshold_down(self) -> None:
        self.set_threshold(self.threshold / STEP)

    def set_threshold(self, value: float) -> None:
        """Show the new threshold at once; the preview follows when the session has it."""
        value = float(f"{value:.3g}")
        self.threshold = value
        self.command(lambda: self.session.set_threshold(value))
        self.set_timer(AT_ONCE, self.describe)

    def action_threshold_exactly(self) -> None:
        from screens.widgets.dialogs import Ask

        def check(text: str) -> str | None:
            try:
                value = float(text.replace("−", "-"))
            except ValueError:
                return "That is no number; type one such as 0.05."
            return (
                None if 0 <= value < float("inf") else "The threshold is 0 or larger, and finite."
            )

        def go(text: str | None) -> None:
            if text is not None:
                self.set_threshold(float(text))

        hint = f"An edge reaches it if |effect on {self.session.task.metric}| is at least this."
        value = plain(self.threshold, max(4, digits_for(self.threshold)))
        self.app.push_screen(Ask("Threshold", value, hint=hint, check=check), go)

    # Looking.

    def action_inputs(self, chosen: str = "") -> None:
        if kind_of(self.view.node) != "head":
            self.notify("Only attention heads read through q, k and v.", timeout=4)
            return
        self.change_view(replace(self.view, inputs=chosen or _next(INPUTS, self.view.inputs)))

    def action_setting(self) -> None:
        self.change_view(replace(self.view, setting=_next(SETTINGS, self.view.setting)))

    def action_drop_costs(self) -> None:
        self.change_view(replace(self.view, costs=not self.view.costs))

    def action_sort(self) -> None:
        self.table.next_sort()
        self.notify(f"Sorted by {TITLES[self.table.sort] or 'kept'}.", timeout=2)

    def action_filter(self) -> None:
        self.action_panel("candidates")
        self.edges.ask_filter()

    def action_cancel(self) -> None:
        coming = self.table.sweeping and any(edge.exact is None for edge in self.table.all)
        self.runner.stopped = self.runner.cancel() or coming
        self.look()

    def action_panel(self, panel: str) -> None:
        self.show_panel(panel)
        focus = {"circuit": "#tree", "candidates": "#edges", "readouts": "#readouts"}[panel]
        widget = self.query_one(focus)
        if not widget.focusable:
            widget = next((w for w in widget.query("*") if w.focusable), widget)
        widget.focus()
        self.describe()

    def action_readout(self, what: str) -> None:
        """What a click on a key of the readouts does."""
        readouts = self.readouts
        if what == "mean":
            readouts.action_mean()
        else:
            getattr(readouts, f"action_{what}")(1)

    def action_graph(self) -> None:
        def back(node: str | None) -> None:
            # Groups and history may have changed there.
            self.refresh_all()
            if node is not None:
                self.choose(node)

        self.app.push_screen(self.graph_screen(), back)

    def action_assess(self) -> None:
        from screens.assessment.screen import AssessmentScreen

        self.app.push_screen(AssessmentScreen(self.session), lambda _: self.refresh_all())

    def action_beside(self) -> None:
        from screens.side_by_side.screen import SideBySideScreen

        def back(edge: str | None) -> None:
            self.refresh_all()
            if edge is not None:
                self.go_to_edge(edge)

        self.app.push_screen(SideBySideScreen(self.session), back)

    def action_clusters(self) -> None:
        from screens.clusters.screen import ClustersScreen

        self.app.push_screen(ClustersScreen(self.session), lambda _: self.refresh_all())

    def graph_screen(self) -> GraphScreen:
        from screens.graph.screen import GraphScreen

        return GraphScreen(self.session, self.node())

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen(self.keys_of))

    def action_history(self) -> None:
        from screens.widgets.dialogs import TextDialog

        lines = self.session.commands()
        text = Text("\n".join(f"{i:>4}  {one_line(line)}" for i, line in enumerate(lines, 1)))
        title = "The commands that led here" if lines else "No commands yet"
        self.app.push_screen(TextDialog(title, text))

    # Session and files.

    def action_compare(self) -> None:
        """List where circuit and reference differ; without a reference, ask for one."""
        from screens.bench.differences import OFF, OTHER, Differences

        def go(answer: str | None) -> None:
            if answer == OFF:
                self.command(self.session.remove_reference)
            elif answer == OTHER:
                self.ask_reference()
            elif answer is not None:
                self.go_to_edge(answer)

        if self.session.reference is None:
            self.ask_reference()
        else:
            self.app.push_screen(Differences(self.session), go)

    def ask_reference(self) -> None:
        from screens.widgets.dialogs import Ask
        from screens.widgets.path_suggester import PathSuggester
        from workbench.models.bundled_circuits import find_reference

        def compare(text: str | None) -> None:
            if text and text.strip():
                name = text.strip()
                self.command(lambda: self.session.set_reference(find_reference(name)))

        reference, value = self.session.reference, ""
        hint = "A circuit.json of ours or EAP-IG's graph JSON."
        if reference is not None:
            value = reference.path
        elif self.session.truth is not None:
            value = self.session.model.name
            hint = f"{one_line(value)}: the true circuit of this model. Or name a circuit file."
        dialog = Ask("Compare the circuit with", value, hint=hint, suggester=PathSuggester())
        self.app.push_screen(dialog, compare)

    def go_to_edge(self, edge: str) -> None:
        """Go to the table in which an edge stands, with the cursor on it."""
        self.find_edge(edge)
        self.action_panel("candidates")

    def find_edge(self, edge: str) -> None:
        """Let the table show an edge under its cursor."""
        self.choose(self.session.graph.node_of(edge_ends(edge)[1]))
        if all(row.edge != edge for row in self.table.rows):  # another input, or filtered away
            self.table.set_filter("")
            self.change_view(replace(self.view, inputs="qkv"))
        self.table.move_to_key(edge)

    def action_prompts(self) -> None:
        from screens.widgets.prompts import PromptsDialog

        self.app.push_screen(PromptsDialog(self.session))

    def action_model(self) -> None:
        from screens.bench.model_panel import ModelPanel

        self.app.push_screen(ModelPanel(self.session))

    def action_export(self) -> None:
        from screens.widgets.dialogs import Export

        def write(answer: tuple[Path, str] | None) -> None:
            if answer is not None:
                path, form = answer
                said = f"Written: {path}"
                self.runner.other(
                    lambda: self.session.export(path, form),
                    lambda: self.notify(said, timeout=8, markup=False),
                )

        model = Path(self.session.model.name).stem
        task = Path(self.session.task.name).stem
        self.app.push_screen(Export(f"{one_line(model)}-{one_line(task)}.json"), write)

    def action_load(self) -> None:
        from screens.widgets.dialogs import Ask
        from screens.widgets.path_suggester import PathSuggester

        def load(text: str | None) -> None:
            if text and text.strip():
                path = Path(text.strip()).expanduser()
                self.command(lambda: self.session.load(path))

        hint = (
            "A circuit.json of ours or EAP-IG's graph JSON. Undo brings the present circuit back."
        )
        dialog = Ask("Load a circuit from", hint=hint, suggester=PathSuggester())
        self.app.push_screen(dialog, load)

    def action_note(self) -> None:
        from screens.widgets.dialogs import Ask

        edge = self.table.highlighted
        target = edge.edge if self.panel == "candidates" and edge is not None else self.node()

        def write(text: str | None) -> None:
            if text is not None:
                self.command(lambda: self.session.note(target, text.strip()))

        now = self.session.circuit.notes.get(target, "")
        hint = "It goes into the exported circuit. An empty note removes it."
        self.app.push_screen(Ask(f"Note on {target}", now, hint=hint), write)

    def action_new_session(self) -> None:
        self.post_message(ShowSetup())

    def action_quit(self) -> None:
        self.leave()


def _next(choices: tuple[str, ...], now: str) -> str:
    return choices[(choices.index(now) + 1) % len(choices)]
