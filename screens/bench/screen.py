"""The bench: the circuit as a tree, edges into the chosen node, readouts, status bar.

It shows a session and hears keys and clicks. What computes goes through its `SessionRunner`; what
the keys do is done by its parts: the edges that it shows, its edits, its discoveries, its dialogs.

Glossary: docs/glossary.md#bench.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from screens.base.actions import Action
from screens.base.numbers import count
from screens.bench.announcement import announcement, tell, welcome
from screens.bench.candidates import Candidates
from screens.bench.cursor import Cursor
from screens.bench.dialogs import BenchDialogs
from screens.bench.discovery_actions import DiscoveryActions
from screens.bench.edit_actions import EditActions
from screens.bench.keys import ACTIONS, BY_NAME, footer
from screens.bench.layout_keeper import LayoutKeeper
from screens.bench.one_of_several import OneOfSeveral
from screens.bench.pair_table import PairTable
from screens.bench.panels import Panels
from screens.bench.part_action import by, told
from screens.bench.place_keeper import PlaceKeeper
from screens.bench.rule_strips import RuleStrips
from screens.bench.session_runner import EdgesView, SessionRunner
from screens.bench.shown_edges import ShownEdges
from screens.bench.status_bar import StatusBar
from screens.bench.training_strip import TrainingStrip
from screens.discovery.discovery_line import DiscoveryLine
from screens.discovery.proposal_strip import ProposalStrip
from screens.navigation import ShowSetup
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.session.views import Status

if TYPE_CHECKING:
    from screens.graph.screen import GraphScreen
    from screens.readouts.panel import Readouts
    from workbench.session.session import Session


class BenchScreen(OneOfSeveral):
    """The main screen.

    Attributes:
        session, runner: what is shown; runs its commands and sweeps.
        shown: which edges it shows; it follows the cursor.
        edits, discovering: what the keys that edit, and those of discoveries, do.
        dialogs, place: opens dialogs and other screens; keeps where the user is.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "#tree"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-mid"), (140, "-wide")]  # noqa: RUF012
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
        Binding("escape", "app.clear_notifications", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._last = session.status()

    def compose(self) -> ComposeResult:
        panels = Panels(LayoutKeeper.kept(), id="main")
        yield panels
        yield ProposalStrip(
            self.session, candidate=panels.candidate, busy=lambda: self.runner.busy, id="proposal"
        )
        yield RuleStrips(self.session, command=self.command, done=self.command_done, id="rules")
        yield DiscoveryLine(self.session, id="discovery")
        yield StatusBar(self.session.model, self.session.task, self._last, id="status")
        yield TrainingStrip(self.session, id="training")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._make_parts()
        self.table.order = self.session.graph.source_index
        self.panels.show("circuit")
        self.show_title()
        self.refresh_all(anew=True)
        self.shown.read_component()
        self.place.begin()
        self.runner.agree(self._last)  # a script's session may not have been asked for it
        self.shown.estimate(self.refresh_all)
        for news in welcome(self.session):
            tell(self, news)

    def _make_parts(self) -> None:
        session, table = self.session, self.table
        runner = self.runner = SessionRunner(
            session,
            self,
            done=self.command_done,
            failed=self.failed,
            progress=lambda: self.shown.moved(),
            agreed=lambda: self.query_one("#status", StatusBar).agreed(),
            decisions=self.rules.decisions,
        )
        self.shown = ShownEdges(session, runner, self.panels, changed=self.describe)
        self.place = PlaceKeeper(session, self, self.panels, self.shown)
        self.layout_keeper = LayoutKeeper(self)
        self.edits = EditActions(
            session, self, table, command=self.command, cursor=self.cursor, describe=self.describe
        )
        how: dict[str, Any] = {"command": self.command, "refresh": self.refresh_all}
        strips: dict[str, Any] = {"line": self.discovery, "strip": self.strip}
        self.discovering = DiscoveryActions(session, runner, self, **strips, **how)
        self.dialogs = BenchDialogs(
            *(session, runner, self), **how, choose=self.shown.choose, go_to_edge=self.go_to_edge
        )

    def on_unmount(self) -> None:
        self.place.close()
        self.layout_keeper.close()
        self.runner.stop(self.session.close)

    # Widgets.

    @property
    def panels(self) -> Panels:
        return self.query_one(Panels)

    @property
    def table(self) -> Candidates:
        return self.panels.table

    @property
    def strip(self) -> ProposalStrip:
        return self.query_one(ProposalStrip)

    @property
    def discovery(self) -> DiscoveryLine:
        return self.query_one(DiscoveryLine)

    @property
    def rules(self) -> RuleStrips:
        return self.query_one(RuleStrips)

    # Where the user is.

    @property
    def panel(self) -> str:
        """The panel that has, or had last, the focus."""
        return self.panels.panel

    @property
    def view(self) -> EdgesView:
        """The chosen node, which of its inputs, and the setting of the exact effects."""
        return self.shown.view

    @property
    def threshold(self) -> float:
        """As the user wants it, before the session has it."""
        return self.edits.threshold

    def cursor(self) -> Cursor:
        return Cursor(
            self.panel, self.view, self.panels.tree_rows.highlighted, self.table.highlighted
        )

    # Showing.

    def refresh_all(self, *, anew: bool = False) -> None:
        """Show the session as it stands now; `anew`: the view changed, so sort the table again."""
        status = self.session.status()
        bar = self.query_one("#status", StatusBar)
        self.runner.settle(bar.settled)
        bar.update(status, pending=self.runner.busy, task=self.session.task)
        self.query_one(TrainingStrip).follow()
        self.shown.estimate(self.refresh_all)
        reference = self.session.reference
        bar.show_comparison(self.session.comparison, reference.name if reference else "")
        self.table.compare(reference is not None)
        held = self.session.discoveries.shown
        found_by = "" if held is None else held.name
        old = held is not None and found_by and self.session.discoveries.is_old(held)
        self.table.find_by(f"{found_by}, other pairs" if old else found_by)
        self.table.roles = self.panels.tree_rows.roles = self.session.roles
        self.table.mark_heads(self.session.heads.marks())
        self.shown.read_tree()
        self.panels.pairs.follow(self.session)
        self.panels.frontier.show_nodes(self.session.frontier(ranked=True), closed=status.closed)
        self.edits.threshold = self.session.threshold
        self.shown.settle()
        self.shown.look(anew=anew)

    def on_screen_suspend(self) -> None:
        self.place.note()

    def on_screen_resume(self) -> None:
        """Back from another screen, on which groups or the circuit may have changed."""
        if self.is_mounted and not self.runner.busy:
            self.refresh_all()

    def describe(self) -> None:
        """Bring titles, headings and the footer up to date."""
        self.shown.describe(self.threshold)
        read = self.panels.readouts.node
        reading = f"Readouts{f' of {read}' if read else ''}"
        edges = f"Circuit: {count(self.session.status().edges)} edges"
        titles = [edges, f"Edges into {self.view.node}", reading, reading, "Pairs one by one"]
        self.panels.entitle(titles)
        self.strip.renew()
        self.rules.strip.look(by_role=self.view.by_role)
        compares = self.session.reference is not None
        self.query_one("#keys", KeyBar).offer(footer(self.keys_of, compares=compares))

    @property
    def keys_of(self) -> str:
        """What has the focus: a panel, or the strip with the proposal."""
        return getattr(self.focused, "KEYS_OF", self.panel)

    # Choosing.

    @property
    def quiet(self) -> bool:
        """Nothing is computed, queued or waited for."""
        return self.shown.quiet and self.runner.idle and self.strip.idle and self.rules.idle

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        if event.rows is self.panels.tree_rows and self.panel == "circuit":
            self.shown.follow_tree()
        self.shown.settle()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_go_in()

    def on_readouts_node_chosen(self, event: Readouts.NodeChosen) -> None:
        self.shown.choose(event.node)

    def on_candidates_marked(self, event: Candidates.Marked) -> None:
        self.edits.toggle(event.row)

    def on_pair_table_only(self, event: PairTable.Only) -> None:
        self.command(lambda: self.session.pairs.only(event.index))

    def on_candidates_sorted(self) -> None:
        self.describe()

    # Commands, and what comes of them.

    def command(self, call: Callable[[], Status], **how: bool) -> None:
        """As the runner does; what it will change looks so from now on."""
        self.runner.command(call, **how)
        self.query_one("#status", StatusBar).update(pending=True)

    def command_done(self, status: Status) -> None:
        if self.runner.busy:
            self.query_one("#status", StatusBar).update(status, pending=True)
        else:
            self._caught_up()
        self.runner.agree(status)
        self._announce(status)
        self._last = status

    def failed(self, sentence: str) -> None:
        self.notify(sentence, severity="error", timeout=10, markup=False)
        if not self.runner.busy:
            self._caught_up()

    def _caught_up(self) -> None:
        self.table.in_flight.clear()
        self.strip.decisions_came()
        self.table.refresh()
        self.refresh_all()

    def _announce(self, status: Status) -> None:
        """Say what the circuit has come to."""
        if self.strip.stepping:  # there it would stand over the strip, edge by edge
            return
        tell(self, announcement(status, self._last, self.session.task.metric))

    # Discoveries and their proposals.

    def on_discovery_line_found(self, event: DiscoveryLine.Found) -> None:
        self.discovering.found(event.result)

    def on_discovery_line_found_nothing(self, event: DiscoveryLine.FoundNothing) -> None:
        self.discovering.found_nothing(event.error)

    def on_proposal_strip_stepped(self, event: ProposalStrip.Stepped) -> None:
        self.shown.find_edge(event.edge)
        self.panels.show("candidates")
        self.describe()

    def on_proposal_strip_decided(self, event: ProposalStrip.Decided) -> None:
        self.discovering.decide(event.edges, event.accept)

    def on_proposal_strip_taken_back(self, event: ProposalStrip.TakenBack) -> None:
        self.discovering.take_back(event.edge, event.accepted)

    def on_proposal_strip_ended(self, event: ProposalStrip.Ended) -> None:
        if event.focused:
            self.action_panel("candidates")

    # Panels.

    def on_panels_rearranged(self, event: Panels.Rearranged) -> None:
        self.layout_keeper.changed(event.arrangement)

    def on_panels_entered(self) -> None:
        self.shown.catch_up()
        self.shown.settle()

    def on_descendant_focus(self) -> None:
        self.describe()

    # What the keys do.

    action_drop_decision = by(lambda bench: bench.rules.decisions.drop)
    action_expand = by(lambda bench: bench.edits.expand)
    action_keep_or_drop = by(lambda bench: bench.edits.keep_or_drop)
    action_keep_above = by(lambda bench: bench.edits.keep_above)
    action_drop_all = by(lambda bench: bench.edits.drop_all)
    action_keep_all = by(lambda bench: bench.edits.keep_all)
    action_toggle_node = by(lambda bench: bench.edits.toggle_node)
    action_reopen = by(lambda bench: bench.edits.reopen)
    action_undo = by(lambda bench: bench.edits.undo)
    action_redo = by(lambda bench: bench.edits.redo)
    action_clear = by(lambda bench: bench.edits.clear)
    action_threshold_up = by(lambda bench: bench.edits.threshold_up)
    action_threshold_down = by(lambda bench: bench.edits.threshold_down)
    action_threshold_exactly = by(lambda bench: bench.edits.threshold_exactly)
    action_full = by(lambda bench: bench.panels.turn_full)
    action_more = by(lambda bench: bench.panels.turn_more)
    action_note = by(lambda bench: bench.edits.note)
    action_load = by(lambda bench: bench.edits.load)
    action_go_back = by(lambda bench: bench.shown.go_back)
    action_next_frontier = by(lambda bench: bench.shown.next_frontier)
    action_setting = by(lambda bench: bench.shown.next_setting)
    action_drop_costs = by(lambda bench: bench.shown.drop_costs)
    action_by_role = by(lambda bench: bench.split_by_role)
    action_sort = by(lambda bench: bench.shown.sort)
    action_expand_all = by(lambda b: lambda: b.rules.ask(by_role=b.view.by_role))
    action_cancel = by(lambda bench: bench.rules.stop_or(bench.shown.cancel))
    action_discover = by(lambda bench: bench.discovering.discover)
    action_stop_discovery = by(lambda bench: bench.rules.stop_or(bench.discovering.stop_discovery))
    action_step_proposal = by(lambda bench: bench.strip.begin)
    action_assess = by(lambda bench: bench.dialogs.assess)
    action_effects = by(lambda bench: lambda: bench.dialogs.effects(bench.cursor().source))
    action_head_inputs = by(lambda bench: bench.edits.head_inputs)
    action_together = by(lambda bench: bench.edits.together)
    action_beside = by(lambda bench: bench.dialogs.beside)
    action_clusters = by(lambda bench: bench.dialogs.clusters)
    action_neurons = by(lambda bench: lambda: bench.dialogs.neurons(bench.cursor().node))
    action_detach = by(lambda bench: bench.discovering.detach)
    action_flow = by(lambda bench: bench.dialogs.flow)
    action_checkpoints = by(lambda bench: bench.query_one(TrainingStrip).ask)
    action_history = by(lambda bench: bench.dialogs.history)
    action_graph = by(lambda bench: lambda: bench.dialogs.graph(bench.graph_screen()))
    action_heads = by(lambda b: lambda: b.dialogs.heads(b.cursor().node, b.action_reading))
    action_prompts = by(lambda bench: bench.dialogs.prompts)
    action_go_on = by(lambda bench: lambda: bench.dialogs.go_on(bench.panels.readouts.pair or 0))
    action_metric = by(lambda bench: bench.dialogs.metric)
    action_interventions = by(lambda b: lambda: b.dialogs.interventions(b.cursor().node, b.panels))
    action_reliability = by(lambda bench: bench.dialogs.reliability)
    action_model = by(lambda bench: bench.dialogs.model)
    action_compare = by(lambda bench: bench.dialogs.compare)
    action_export = by(lambda bench: bench.dialogs.export)
    action_choose = told(lambda bench: bench.shown.choose)
    action_prune = told(lambda bench: bench.rules.strip.act)
    action_proposal = told(lambda bench: bench.strip.action_proposal)
    action_border = told(lambda bench: bench.panels.move_border)

    def action_go_in(self) -> None:
        at = self.cursor()
        if at.panel == "candidates":
            edge = at.edge
            if edge is None:
                return
            if edge.source == "input":
                self.notify("These are the embeddings: nothing feeds them.", timeout=4)
                return
            self.shown.choose(edge.source)
        elif at.panel == "circuit":
            if at.row is not None:
                self.shown.choose(at.row.name)
            self.action_panel("candidates")

    def go_to_node(self, node: str) -> None:
        """Choose a node; where it is in no row of the tree, go to the edges that could feed it."""
        self.shown.choose(node)
        self.action_panel("candidates" if self.panels.row_of(node) is None else "circuit")

    def read_prompt(self, index: int) -> None:
        """Let the readouts show one prompt, counted from 0."""
        self.action_panel("readouts")
        self.panels.readouts.go_to_pair(index)

    def split_by_role(self) -> None:
        """Tell edges apart by token roles, or no more."""
        self.shown.split_by_role()
        self.shown.estimate(self.refresh_all)

    def action_inputs(self, chosen: str = "") -> None:
        self.shown.catch_up()
        self.shown.inputs(chosen)

    def action_jump(self) -> None:
        def go(node: str | None) -> None:
            if node is not None:
                self.shown.choose(node)
                if self.panels.row_of(node) is None:  # it is in no row of the tree
                    self.action_panel("candidates")

        self.dialogs.jump(self.panels.tree_rows.laid_out, go)

    def action_filter(self) -> None:
        self.action_panel("candidates")
        self.panels.edges.ask_filter()

    def go_to_edge(self, edge: str) -> None:
        """Go to the table in which an edge stands, with the cursor on it."""
        self.shown.find_edge(edge)
        self.action_panel("candidates")

    def action_panel(self, panel: str) -> None:
        self.shown.catch_up()
        self.panels.go_to(panel)
        self.describe()

    def action_reading(self, name: str) -> None:
        self.action_panel("readouts")
        self.panels.readouts.show_view(name)

    def action_readout(self, what: str) -> None:
        act = getattr(self.panels.readouts, f"action_{what}")
        act() if what in ("mean", "ask") else act(1)

    def graph_screen(self) -> GraphScreen:
        return self.place.graph_screen(self.cursor().node)

    def action_help(self) -> None:
        self.dialogs.help(self.keys_of)

    def action_new_session(self) -> None:
        self.post_message(ShowSetup())
