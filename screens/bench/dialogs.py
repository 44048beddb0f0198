"""Dialogs and other screens that the bench opens, and what it does with their answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from screens.base.tokens import one_line
from screens.bench.session_runner import SessionRunner
from screens.bench.tree_layout import TreeLayout
from workbench.session.views import Status

if TYPE_CHECKING:
    from screens.bench.panels import Panels
    from screens.graph.screen import GraphScreen
    from workbench.session.session import Session


class BenchDialogs:
    """Opens what lies above the bench for a while."""

    def __init__(
        self,
        session: Session,
        runner: SessionRunner,
        screen: Screen[Any],
        *,
        command: Callable[[Callable[[], Status]], None],
        refresh: Callable[[], None],
        choose: Callable[[str], None],
        go_to_edge: Callable[[str], None],
    ) -> None:
        """For a bench.

        Args:
            screen: above which they lie.
            command: queues a command.
            refresh: shows the session as it stands, after another screen may have changed it.
            choose: shows the edges into a node.
            go_to_edge: shows an edge in its table.
        """
        self.session = session
        self.runner = runner
        self._screen = screen
        self._command = command
        self._refresh = refresh
        self._choose = choose
        self._go_to_edge = go_to_edge

    # Other screens.

    def assess(self) -> None:
        from screens.assessment.screen import AssessmentScreen

        self._screen.app.push_screen(AssessmentScreen(self.session), lambda _: self._refresh())

    def effects(self, node: str) -> None:
        """Show what ablating each node does, the cursor on this one."""
        from screens.effects.screen import EffectsScreen

        self._screen.app.push_screen(EffectsScreen(self.session, node), self._back_to_node)

    def beside(self) -> None:
        from screens.side_by_side.screen import SideBySideScreen

        self._screen.app.push_screen(SideBySideScreen(self.session), self._back_to_edge)

    def _back_to_edge(self, edge: str | None) -> None:
        self._refresh()
        if edge is not None:
            self._go_to_edge(edge)

    def neurons(self, node: str) -> None:
        from screens.neurons.screen import NeuronsScreen

        self._screen.app.push_screen(NeuronsScreen(self.session, node), lambda _: self._refresh())

    def clusters(self) -> None:
        from screens.clusters.screen import ClustersScreen

        self._screen.app.push_screen(ClustersScreen(self.session), lambda _: self._refresh())

    def flow(self) -> None:
        from screens.flow.screen import FlowScreen

        self._screen.app.push_screen(FlowScreen(self.session), lambda _: self._refresh())

    def interventions(self, node: str, panels: Panels) -> None:
        """What is done to the model; the node that the cursor is at is proposed."""
        from screens.interventions.screen import InterventionsScreen

        pair = panels.readouts.pair or 0
        screen = InterventionsScreen(self.session, node=node, pair=pair)
        self._screen.app.push_screen(screen, lambda _: self._refresh())

    def reliability(self) -> None:
        from screens.interventions.screen import InterventionsScreen

        screen = InterventionsScreen(self.session, view="reliability")
        self._screen.app.push_screen(screen, lambda _: self._refresh())

    def graph(self, graph: GraphScreen) -> None:
        self._screen.app.push_screen(graph, self._back_to_node)

    def _back_to_node(self, node: str | None) -> None:
        self._refresh()
        if node is not None:
            self._choose(node)

    def heads(self, node: str, read: Callable[[str], None]) -> None:
        """List all heads, the cursor at this one; `read` shows a readout of the one chosen."""
        from screens.heads.screen import HeadsScreen

        def back(head: str | None) -> None:
            self._back_to_node(head)
            if head is not None:
                read("ov")

        self._screen.app.push_screen(HeadsScreen(self.session, node), back)

    # Looking.

    def jump(self, laid_out: TreeLayout, go: Callable[[str | None], None]) -> None:
        """Ask for a node; `laid_out`: the circuit, in whose words to search."""
        from screens.widgets.node_jump import Jump

        known = {node: laid_out.rows[at] for node, at in laid_out.home.items()}
        words = {n: " ".join(filter(None, (row.state, row.role))) for n, row in known.items()}
        self._screen.app.push_screen(Jump(self.session.graph.nodes, words), go)

    def help(self, of: str) -> None:
        from screens.help.screen import HelpScreen

        self._screen.app.push_screen(HelpScreen(of))

    def history(self) -> None:
        from screens.history.screen import HistoryScreen

        self._screen.app.push_screen(HistoryScreen(self.session), self._back_to_edge)

    def prompts(self) -> None:
        from screens.widgets.prompts import PromptsDialog

        self._screen.app.push_screen(PromptsDialog(self.session))

    def go_on(self, pair: int) -> None:
        """Show what model and circuit go on with from a pair's prompt."""
        from screens.bench.continuation import ContinuationDialog

        self._screen.app.push_screen(ContinuationDialog(self.session, pair))

    def metric(self) -> None:
        """Ask for the metric to measure by."""
        from screens.bench.metric_dialog import MetricDialog

        def go(name: str | None) -> None:
            if name is not None:
                self._command(lambda: self.session.metric.set(name))

        present = self.session.metric.name
        self._screen.app.push_screen(MetricDialog(present), go)

    def model(self) -> None:
        from screens.bench.model_panel import ModelPanel

        self._screen.app.push_screen(ModelPanel(self.session))

    # Files.

    def compare(self) -> None:
        """List where circuit and reference differ; without a reference, ask for one."""
        from screens.bench.differences import OFF, OTHER, Differences

        def go(answer: str | None) -> None:
            if answer == OFF:
                self._command(self.session.remove_reference)
            elif answer == OTHER:
                self.ask_reference()
            elif answer is not None:
                self._go_to_edge(answer)

        if self.session.reference is None:
            self.ask_reference()
        else:
            self._screen.app.push_screen(Differences(self.session), go)

    def ask_reference(self) -> None:
        from screens.widgets.ask_path import AskPath
        from workbench.formats.chosen import load_chosen
        from workbench.models.bundled_circuits import find_reference

        def check(name: str) -> object:
            return load_chosen(find_reference(name), self.session.graph)

        def compare(name: str | None) -> None:
            if name is not None:
                self._command(lambda: self.session.set_reference(find_reference(name)))

        reference, value = self.session.reference, ""
        hint = "A circuit file of any format."
        if reference is not None:
            value = reference.path
        elif self.session.truth is not None:
            value = self.session.model.name
            hint = f"{one_line(value)}: the true circuit of this model. Or name a circuit file."
        dialog = AskPath("Compare the circuit with", value, hint=hint, check=check)
        self._screen.app.push_screen(dialog, compare)

    def export(self) -> None:
        from screens.widgets.dialogs import Export

        def write(answer: tuple[Path, str] | None) -> None:
            if answer is not None:
                path, form = answer
                said = f"Written: {path}"
                self.runner.other(
                    lambda: self.session.export(path, form),
                    lambda: self._screen.notify(said, timeout=8, markup=False),
                )

        model = Path(self.session.model.name).stem
        task = Path(self.session.task.name).stem
        self._screen.app.push_screen(Export(f"{one_line(model)}-{one_line(task)}.json"), write)
