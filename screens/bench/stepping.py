"""Stepping through a proposal: edge by edge, accepting or refusing, with what accepting would do.

Decisions go through the queue of commands. An edge whose decision is under way is passed over, so
that keys may be pressed faster than they are computed.
"""

from __future__ import annotations

from screens.base.numbers import count
from screens.base.worker import Worker, error_sentence
from screens.bench.edit_actions import BenchActions
from screens.discovery.proposal_strip import ProposalStrip, Step
from workbench.errors import Cancelled
from workbench.session.proposal import Proposed


class Stepping(BenchActions):
    """The part of `Bench` that steps through the proposal of the shown result."""

    def begin_stepping(self) -> None:
        """When the bench is mounted."""
        self.what_ifs = Worker(self, "what-if")
        self.stepping = False
        self._place = 0
        self._deciding: set[str] = set()  # edges whose decision is under way
        self._decided: list[tuple[str, bool]] = []  # edges, and whether they were accepted
        self._step: Step | None = None
        self._asked_of: tuple[str, int] | None = None  # edge and revision that were asked about

    def forget_step(self) -> None:
        """There may be another proposal now: begin it at its beginning."""
        self._asked_of = None
        self._place = 0

    @property
    def strip(self) -> ProposalStrip:
        return self.query_one(ProposalStrip)

    def left_to_decide(self) -> list[Proposed]:
        """The proposal without what is being decided."""
        return [p for p in self.session.discoveries.proposal() if p.edge not in self._deciding]

    def action_step_proposal(self) -> None:
        held = self.session.discoveries.shown
        if held is None:
            self.notify("No result is shown; D runs a discovery or shows a result.", timeout=5)
            return
        if not self.left_to_decide():
            self.notify(f"Nothing that {held.name} proposes is left to decide.", timeout=5)
            return
        if not self.stepping:
            self.stepping, self._place = True, 0
            self._decided.clear()
        self.go_to_step()
        self.strip.focus()

    def go_to_step(self) -> None:
        """Show the edge at the present place, in the strip and in the panels."""
        self.show_step()
        if self._step is not None:
            self.find_edge(self._step.proposed.edge)
            self.show_panel("candidates")
            self.describe()

    def show_step(self) -> None:
        """Bring the strip up to date; what accepting does is computed away from the screen."""
        if not self.stepping:
            return
        held, proposal = self.session.discoveries.shown, self.left_to_decide()
        if held is None or not proposal:
            if not self._deciding:
                self.end_stepping(done=held is not None)
            return
        self._place = max(0, min(self._place, len(proposal) - 1))
        this, status = proposal[self._place], self.session.status()
        row = next((c for c in self.table.all if c.edge == this.edge), None)
        before, wanted = self._step, (this.edge, status.revision)
        known = before is not None and before.known and self._asked_of == wanted
        self._step = Step(
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
        self.strip.show(self._step)
        if self._asked_of != wanted and not self.runner.busy:
            self._asked_of = wanted
            self._ask(wanted)

    def _ask(self, wanted: tuple[str, int]) -> None:
        def work() -> float | None:
            # Of many keys pressed in a row only the last one's edge is of interest.
            if self._asked_of != wanted:
                raise Cancelled
            return self.session.discoveries.if_accepted(wanted[0])[1]

        def done(then: float | None) -> None:
            if self._asked_of == wanted and self._step is not None:
                self._step = self._step.told(then)
                self.strip.show(self._step)

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self.notify(error_sentence(error), severity="error", timeout=10, markup=False)

        self.what_ifs.put(work, done, failed)

    def end_stepping(self, *, done: bool = False) -> None:
        self.stepping = False
        self._step, self._asked_of = None, None
        focused = self.strip.has_focus
        self.strip.show(None)
        if focused:
            self.action_panel("candidates")
        if done and self.session.discoveries.shown is not None:
            name, refused = (
                self.session.discoveries.shown.name,
                len(self.session.discoveries.shown.refused),
            )
            words = f" but for {count(refused)} that you refused" if refused else ""
            self.notify(f"The circuit is as {name} proposes{words}.", timeout=8, markup=False)

    def action_proposal(self, what: str) -> None:
        """What a key of the strip does."""
        if self._step is None:
            return
        edge = self._step.proposed.edge
        if what == "end":
            self.end_stepping()
        elif what in ("next", "back"):
            n, by = self._step.n, 1 if what == "next" else -1
            self._place = (self._place + by) % n
            self.go_to_step()
        elif what == "accept":
            self._decide([edge], True)
        elif what == "refuse":
            self._decide([edge], False)
        elif what == "rest":
            self._decide([p.edge for p in self.left_to_decide()], True)
        elif what == "undo":
            self._undo_decision()

    def _decide(self, edges: list[str], accept: bool) -> None:
        session = self.session
        self._deciding |= set(edges)
        self._decided.append((edges[0], accept))
        if accept:
            self.command(lambda: session.discoveries.accept(edges))
        else:
            self.runner.other(lambda: session.discoveries.refuse(edges), self._refused)
        self.go_to_step()

    def _undo_decision(self) -> None:
        if not self._decided:
            self.notify("Nothing was decided in this stepping.", timeout=4)
            return
        edge, accepted = self._decided.pop()

        def back() -> None:
            edges = [p.edge for p in session.discoveries.proposal()]
            self._place = edges.index(edge) if edge in edges else self._place
            self._refused()
            self.go_to_step()

        session = self.session
        call = session.undo if accepted else lambda: session.discoveries.refuse([edge], False)
        self.runner.other(call, back)

    def decisions_came(self) -> None:
        """No decision is under way any more: what is left is the session's proposal."""
        self._deciding.clear()

    def _refused(self) -> None:
        if not self.runner.busy:
            self.decisions_came()
            self.refresh_all()
