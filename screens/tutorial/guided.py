"""The tutorial in the app: the real bench and graph, under a panel that says what to do.

What the user does is not caught key by key: the session tells its commands, and what is looked at
is compared with what was looked at before. So it is all one whether a key, the mouse or the command
palette did it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from screens.base.actions import Action
from screens.bench.screen import BenchScreen
from screens.bench.session_runner import EdgesView
from screens.graph.screen import GraphScreen
from screens.navigation import OpenTutorial
from screens.tutorial.dialog import LEAVE, RESTART, TutorialDialog
from screens.tutorial.keys import TUTORIAL_ACTIONS
from screens.tutorial.panel import TutorialPanel
from screens.widgets.prompts import PromptsDialog
from workbench.errors import WorkbenchError
from workbench.readouts.results import AnswerCurve
from workbench.tutorial.observation import Look, Moment
from workbench.tutorial.progress import FINISHED, TutorialProgress, write_progress

if TYPE_CHECKING:
    from screens.loading import Progress as Say
    from workbench.session.session import Session
    from workbench.tutorial.open import TakenUp
    from workbench.tutorial.tour import Tour

LOOK_AGAIN = 0.15
"""Seconds between two looks at what the user does: a tick should follow the key it is for."""


class Opening:
    """Opens the tutorial, for the screen that shows the loading."""

    def __init__(self, *, restart: bool, beside: Sequence[Session] = ()) -> None:
        """`beside`: sessions that are open, of which one may have loaded the model."""
        self.restart = restart
        self.beside = beside
        self._taken: TakenUp | None = None

    def open(self, say: Say) -> Session:
        """In a thread: this imports torch."""
        say("Importing torch and transformers", None)
        from workbench.tutorial.open import take_up

        self._taken = take_up(restart=self.restart, progress=say, beside=self.beside)
        return self._taken.session

    def bench(self) -> GuidedBench:
        """What to show once it is open."""
        assert self._taken is not None
        return GuidedBench(self._taken.session, self._taken.tour, self._taken.said)


class Guided:
    """The tutorial's keys, for each screen that has its panel."""

    @property
    def guide(self) -> GuidedBench:
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action.startswith("tutorial_") and self.guide.over)

    def action_tutorial_next(self) -> None:
        self.guide.go(1)

    def action_tutorial_back(self) -> None:
        self.guide.go(-1)

    def action_tutorial_fold(self) -> None:
        self.guide.fold()

    def action_tutorial_menu(self) -> None:
        self.guide.ask_to_leave()


class GuidedBench(Guided, BenchScreen):
    """The bench with the tutorial.

    Attributes:
        tour: the tutorial under way.
        over: it was left or taken to its end; this is an ordinary bench from now on.
        folded: the user folded the panel or unfolded it; None: as there is room.
    """

    ACTIONS: ClassVar[tuple[Action, ...]] = (*BenchScreen.ACTIONS, *TUTORIAL_ACTIONS)
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in TUTORIAL_ACTIONS]

    def __init__(self, session: Session, tour: Tour, said: str = "") -> None:
        super().__init__(session)
        self.tour = tour
        self.over = False
        self.folded: bool | None = None
        self._said = said
        self._kept: TutorialProgress | None = None

    @property
    def guide(self) -> GuidedBench:
        return self

    def compose(self) -> ComposeResult:
        yield TutorialPanel(id="tutorial")
        yield from super().compose()

    def _make_parts(self) -> None:
        super()._make_parts()
        self.place.keeps = False  # what comes back by itself would count as looked at
        self.shown.view = EdgesView("logits")  # the steps begin there, whatever the user has set

    def on_mount(self) -> None:
        self._watching = self.set_interval(LOOK_AGAIN, self.watch_user)
        self.call_after_refresh(self.watch_user)
        if self._said:
            self.notify(self._said, title="Tutorial", timeout=12, markup=False)

    # Watching.

    def heard(self) -> None:
        super().heard()
        self.watch_user()  # of keys that come in a row each one counts

    def watch_user(self) -> None:
        """See what the user does now, and say what the tutorial makes of it."""
        if self.over or self not in self.app.screen_stack:
            return
        self.tour.observe(self.moment())
        self.show_tutorial()
        self._keep(self.tour.step.key, self.tour.remark)

    def moment(self) -> Moment:
        session, readouts, view = self.session, self.panels.readouts, self.view
        edge = self.table.highlighted
        result = readouts.result
        return Moment(
            look=Look(
                screen=self._top(),
                panel=self.panel,
                node=view.node,
                inputs=view.inputs,
                setting=view.setting,
                costs=view.costs,
                edge=edge.edge if edge is not None else None,
                readout=readouts.view.name,
                read=readouts.node,
            ),
            status=session.status(),
            metric=session.task.metric,
            threshold=session.threshold,
            edges=tuple(self.table.all),
            rows=tuple(self.panels.tree_rows.laid_out.rows),
            frontier=tuple(session.frontier()),
            nodes=tuple(session.graph.nodes),
            groups=session.circuit.groups,
            curve=result if isinstance(result, AnswerCurve) else None,
            log=tuple(session.log),
            exported=tuple(str(path) for path in session.exported),
        )

    def _top(self) -> str:
        """What lies on top: the bench, the graph (or a question asked there), the prompts."""
        above = self.app.screen_stack[self.app.screen_stack.index(self) + 1 :]
        for screen, name in ((GraphScreen, "graph"), (PromptsDialog, "prompts")):
            if any(isinstance(other, screen) for other in above):
                return name
        return "other" if above else "bench"

    def show_tutorial(self) -> None:
        for panel in self._panels():
            panel.show(self.tour, folded=self.folded)

    def _panels(self) -> list[TutorialPanel]:
        return [panel for screen in self.app.screen_stack for panel in screen.query(TutorialPanel)]

    def _keep(self, step: str, remark: str | None = None) -> None:
        """Write down where the tutorial stands, if that changed."""
        progress = TutorialProgress(str(self.session.path), step, remark)
        if progress == self._kept:
            return
        self._kept = progress
        try:
            write_progress(progress)
        except WorkbenchError as error:
            self.notify(str(error), severity="warning", timeout=8, markup=False)

    # What the keys do.

    def go(self, by: int) -> None:
        """To the next step or the one before; after the last the tutorial ends."""
        if by > 0 and self.tour.last:
            self._keep(FINISHED)
            self._end("The tutorial is done. This is your session now; ? is there for help.")
            return
        self.tour.go(by)
        self.watch_user()

    def fold(self) -> None:
        panels = self._panels()
        self.folded = not panels[0].has_class("-folded")
        self.show_tutorial()

    def ask_to_leave(self) -> None:
        def go(answer: str | None) -> None:
            if answer == LEAVE:
                self._end("`workbench tutorial` goes on where you left it.")
            elif answer == RESTART:
                self._restart()

        self.app.push_screen(TutorialDialog(), go)

    def _restart(self) -> None:
        self.post_message(OpenTutorial(restart=True))

    def _end(self, said: str) -> None:
        self.over = True
        self._watching.stop()
        for panel in self._panels():
            panel.display = False
        self.app.refresh_bindings()
        self.app.notify(said, title="Tutorial", timeout=8, markup=False)

    # Other screens.

    def graph_screen(self) -> GraphScreen:
        return super().graph_screen() if self.over else GuidedGraph(self)


class GuidedGraph(Guided, GraphScreen):
    """The graph with the tutorial."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (*GraphScreen.ACTIONS, *TUTORIAL_ACTIONS)
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in TUTORIAL_ACTIONS]

    def __init__(self, bench: GuidedBench) -> None:
        super().__init__(bench.session, bench.cursor().node)
        self._bench = bench

    @property
    def guide(self) -> GuidedBench:
        return self._bench

    def compose(self) -> ComposeResult:
        yield TutorialPanel(id="tutorial")
        yield from super().compose()

    def on_mount(self) -> None:
        self.call_after_refresh(self.guide.watch_user)
