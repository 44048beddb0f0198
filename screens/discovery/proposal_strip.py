"""The strip that steps through a proposal: edge, scores, what accepting does.

It has the focus while one steps, so that its keys are its own; the panels above follow the edge.
Decisions go through the queue of commands. An edge whose decision is under way is passed over, so
that keys may be pressed faster than they are computed.

Glossary: docs/glossary.md#stepping.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from screens.base.numbers import count
from screens.base.worker import Worker, error_sentence
from screens.discovery.keys import PROPOSAL_ACTIONS
from screens.discovery.proposal_step import Step, step_lines
from workbench.errors import Cancelled
from workbench.session.proposal import Proposed
from workbench.session.views import Candidate

if TYPE_CHECKING:
    from workbench.session.session import Session


class ProposalStrip(Widget, can_focus=True):
    """Two lines above the status bar; its keys stand in the footer while it has the focus."""

    ALLOW_SELECT = False
    KEYS_OF: ClassVar[str] = "proposal"
    HELP = """\
A **proposal** is the circuit of the shown result, beside yours: its edges that you do not keep, and
edges of yours that it lacks, from the logits backward. Accept one and it is kept, or dropped, as
proposed; an open input that it enters is closed on it alone, and further edges into it add to that.
Refuse one and it is not proposed again. **accepting** gives the faithfulness that the circuit would
then have, exact.
"""
    COMPONENT_CLASSES: ClassVar[set[str]] = {"proposal-strip--quiet"}
    BINDINGS: ClassVar[list[BindingType]] = [
        action.binding(of_screen=True) for action in PROPOSAL_ACTIONS
    ]
    DEFAULT_CSS = """
    ProposalStrip {
        display: none;
        height: 2;
        background: $boost;
        border-left: outer $border-blurred;
        &.-stepping { display: block; }
        &:focus { background: $block-cursor-blurred-background; border-left: outer $border; }
        & > .proposal-strip--quiet { color: $text-muted; }
    }
    """

    class Stepped(Message):
        """The strip came to an edge, which the panels are to show."""

        def __init__(self, edge: str) -> None:
            super().__init__()
            self.edge = edge

    class Decided(Message):
        """These edges of the proposal are accepted or refused."""

        def __init__(self, edges: list[str], accept: bool) -> None:
            super().__init__()
            self.edges, self.accept = edges, accept

    class TakenBack(Message):
        """The last decision is taken back, on this edge and those decided with it."""

        def __init__(self, edge: str, accepted: bool) -> None:
            super().__init__()
            self.edge, self.accepted = edge, accepted

    class Ended(Message):
        """Stepping is over; `focused`: the strip had the focus."""

        def __init__(self, focused: bool) -> None:
            super().__init__()
            self.focused = focused

    def __init__(
        self,
        session: Session,
        *,
        candidate: Callable[[str], Candidate | None],
        busy: Callable[[], bool],
        id: str | None = None,
    ) -> None:
        """For a session.

        Args:
            candidate: the scores of an edge that stands in the table.
            busy: whether a command waits or runs, so that the circuit is about to change.
        """
        super().__init__(id=id)
        self.session = session
        self.stepping = False
        self.step: Step | None = None
        self._candidate, self._busy = candidate, busy
        self._place = 0
        self._deciding: set[str] = set()  # edges whose decision is under way
        self._decided: list[tuple[str, bool]] = []  # edges, and whether they were accepted
        self._asked_of: tuple[str, int] | None = None  # edge and revision that were asked about

    def on_mount(self) -> None:
        self._what_ifs = Worker(self, "what-if")

    def on_unmount(self) -> None:
        self._what_ifs.stop()

    @property
    def idle(self) -> bool:
        """Nothing is computed for it."""
        return not self._what_ifs.waiting

    # Stepping.

    def begin(self) -> None:
        """Step through the proposal of the shown result, or go on where that was left."""
        held = self.session.discoveries.shown
        if held is None:
            self.notify(
                "No result is shown; {key:bench.discover} runs a discovery or shows a result.",
                timeout=5,
            )
            return
        if not self._left():
            self.notify(f"Nothing that {held.name} proposes is left to decide.", timeout=5)
            return
        if not self.stepping:
            self.stepping, self._place = True, 0
            self._decided.clear()
            self.app.clear_notifications()  # they would lie over what is to be decided on
        self.go_to_step()
        self.focus()

    def forget_step(self) -> None:
        """There may be another proposal now: begin it at its beginning."""
        self._asked_of = None
        self._place = 0

    def go_to_step(self, edge: str | None = None) -> None:
        """Show the edge at the present place, or this one, in the strip and in the panels."""
        if edge is not None:
            edges = [p.edge for p in self.session.discoveries.proposal()]
            self._place = edges.index(edge) if edge in edges else self._place
        self.renew()
        if self.step is not None:
            self.post_message(self.Stepped(self.step.proposed.edge))

    def renew(self) -> None:
        """Bring the strip up to date; what accepting does is computed away from the screen."""
        if not self.stepping:
            return
        held, proposal = self.session.discoveries.shown, self._left()
        if held is None or not proposal:
            if not self._deciding:
                self._end(done=held is not None)
            return
        self._place = max(0, min(self._place, len(proposal) - 1))
        this, status = proposal[self._place], self.session.status()
        row = self._candidate(this.edge)
        before, wanted = self.step, (this.edge, status.revision)
        known = before is not None and before.known and self._asked_of == wanted
        self._show(
            Step(
                name=held.name,
                proposed=this,
                at=self._place,
                n=len(proposal),
                found=row.found if row is not None else None,
                eap=row.eap if row is not None else None,
                exact=row.exact if row is not None else None,
                now=status.faithfulness,
                then=before.then if known and before is not None else None,
                known=known,
            )
        )
        if self._asked_of != wanted and not self._busy():
            self._asked_of = wanted
            self._ask(wanted)

    def queued(self, edges: list[str]) -> None:
        """The decision on these waits among the commands now."""
        self._deciding |= set(edges)

    def decisions_came(self) -> None:
        """No decision is under way any more: what is left is the session's proposal."""
        self._deciding.clear()

    def action_proposal(self, what: str) -> None:
        """What a key of the strip does."""
        if self.step is None:
            return
        edge = self.step.proposed.edge
        if what == "end":
            self._end()
        elif what in ("next", "back"):
            self._place = (self._place + (1 if what == "next" else -1)) % self.step.n
            self.go_to_step()
        elif what in ("accept", "refuse"):
            self._decide([edge], what == "accept")
        elif what == "rest":
            self._decide([p.edge for p in self._left()], True)
        elif what == "undo":
            if self._decided:
                self.post_message(self.TakenBack(*self._decided.pop()))
            else:
                self.notify("Nothing was decided in this stepping.", timeout=4)

    def _left(self) -> list[Proposed]:
        """The proposal without what is being decided."""
        return [p for p in self.session.discoveries.proposal() if p.edge not in self._deciding]

    def _decide(self, edges: list[str], accept: bool) -> None:
        self._deciding |= set(edges)
        self._decided.append((edges[0], accept))
        self.post_message(self.Decided(edges, accept))
        self.go_to_step()

    def _end(self, *, done: bool = False) -> None:
        self.stepping = False
        self._asked_of = None
        focused = self.has_focus
        self._show(None)
        self.post_message(self.Ended(focused))
        held = self.session.discoveries.shown
        if done and held is not None:
            refused = len(held.refused)
            words = f" but for {count(refused)} that you refused" if refused else ""
            self.notify(f"The circuit is as {held.name} proposes{words}.", timeout=8, markup=False)

    def _ask(self, wanted: tuple[str, int]) -> None:
        def work() -> float | None:
            # Of many keys pressed in a row only the last one's edge is of interest.
            if self._asked_of != wanted:
                raise Cancelled
            return self.session.discoveries.if_accepted(wanted[0])[1]

        def done(then: float | None) -> None:
            if self._asked_of == wanted and self.step is not None:
                self._show(self.step.told(then))

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self.notify(error_sentence(error), severity="error", timeout=10, markup=False)

        self._what_ifs.put(work, done, failed)

    # Drawing.

    def _show(self, step: Step | None) -> None:
        """Show this step; None: not stepping."""
        if step != self.step:
            self.step = step
            self.set_class(step is not None, "-stepping")
            self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        quiet = self.get_component_rich_style("proposal-strip--quiet")
        text = Text()
        if self.step is not None:
            text = step_lines(self.step, width, quiet, focused=self.has_focus)[y]
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)
