"""SessionRunner: a session's commands in order and its sweeps beside them.

Commands go through one queue, so that keys pressed faster than they are computed are neither lost
nor swapped. A sweep belongs to an `EdgesView`; when the view changes, the sweep is cancelled and
what it still delivers is dropped. Both are computed away from the screen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual.message_pump import MessagePump

from screens.base.worker import Worker, error_sentence
from screens.bench.tree_layout import TreeLayout
from screens.widgets.decisions import DROPPED, Decisions
from workbench.circuits.names import TOGETHER, kind_of
from workbench.engine.effect_settings import EAP
from workbench.errors import Cancelled
from workbench.session.views import Candidate, Status

if TYPE_CHECKING:
    from workbench.session.session import Session


SETTLING_TOLD = 1.0
"""Seconds between two looks at how far the scores of all pairs are."""

AT_ONCE = 0.1
"""Seconds in which nobody sees a delay: what is computed by then is shown in one frame with what
asked for it."""

"""Said where a key was taken back before its effects were computed."""


@dataclass(frozen=True)
class EdgesView:
    """What the edges panel shows: edges into some inputs of a node, exact in a setting.

    `by_role`: edges at single roles, where edges are told apart by them.
    """

    node: str
    inputs: str = "qkv"
    setting: str = "full"
    costs: bool = False
    by_role: bool = False

    def candidates(self, session: Session, *, ranked: bool = False) -> list[Candidate]:
        """The edges; `ranked`: with the values by which they are put in order."""
        how = {"by_role": self.by_role, "ranked": ranked}
        return session.candidates(self.node, self.inputs, self.setting, **how)


@dataclass
class Sweep:
    """A computation of many numbers under way.

    Attributes:
        what: 'exact' or 'drop costs'.
        revision: of the circuit when it began.
    """

    view: EdgesView
    what: str
    cancel: threading.Event
    revision: int
    done: int = 0
    total: int = 0

    @property
    def computes(self) -> tuple[EdgesView, str, int]:
        return (self.view, self.what, self.revision)


@dataclass
class Settling:
    """The scores of all pairs under way, where the status is of a sample.

    `done`: the fraction done.
    """

    cancel: threading.Event
    revision: int
    done: float = 0.0
    told: float = 0.0


class SessionRunner:
    """Runs a session for a screen.

    Attributes:
        session: the session.
        sweep: what is being computed beside the commands, if anything is.
        stopped: the user cancelled the sweep of the present view, or it failed: it is not started
            again by itself.
        settling: the scores of all pairs that are being computed, if they are.
        repairs: where single nodes' total effects are computed.
        by_role: edges that are kept at some roles have a row of the tree for each.
    """

    def __init__(
        self,
        session: Session,
        receiver: MessagePump,
        *,
        done: Callable[[Status], None],
        failed: Callable[[str], None],
        progress: Callable[[], None],
        agreed: Callable[[], None],
        decisions: Decisions,
    ) -> None:
        """`done` after each command, `failed` with a sentence, `progress` when a sweep moved.

        `agreed` when accuracy and KL of the present circuit are known; `decisions` are told of.
        """
        self.decisions = decisions
        self.session = session
        self.sweep: Sweep | None = None
        self.stopped = False
        self.by_role = False
        self.settling: Settling | None = None
        self._settled = -1  # the revision whose scores of all pairs came, or could not
        self._settles = Worker(receiver, "settling")
        self._commands = Worker(receiver, "commands", owes=True)
        self._sweeps = Worker(receiver, "sweeps")
        self._reads = Worker(receiver, "reads", owes=True)
        self.repairs = Worker(receiver, "self-repair")
        self._agreements = Worker(receiver, "agreement")
        self._read_once_more = False
        # Of a revision of the circuit, and whether by role.
        self._laid_out: tuple[tuple[int, bool], TreeLayout] | None = None
        self._estimating: set[tuple[str, bool]] = set()  # of which pairs, and whether by role
        self._done = done
        self._failed = failed
        self._progress = progress
        self._agreed = agreed
        self._computed: set[tuple[EdgesView, str, int]] = set()

    @property
    def busy(self) -> bool:
        """A command waits or runs."""
        return self._commands.waiting > 0

    @property
    def _threads(self) -> tuple[Worker, ...]:
        return (
            self._commands,
            self._sweeps,
            self._reads,
            self._settles,
            self._agreements,
            self.repairs,
        )

    @property
    def idle(self) -> bool:
        return not any(thread.waiting for thread in self._threads)

    def stop(self, last: Callable[[], None]) -> None:
        """Cancel the sweep, take nothing more, and call `last` after the commands that wait."""
        self._let_go()
        self._unsettle()
        self.decisions.drop_all()
        self._commands.put(last, lambda _: None, lambda _: None)
        self._commands.stop()
        self._sweeps.stop()
        self._reads.stop()
        self._settles.stop()
        self._agreements.stop()
        self.repairs.stop()

    # Commands.

    def command(
        self, call: Callable[[], Status], *, decides: bool = False, edits: bool = True
    ) -> None:
        """Run a command of the session after those that wait already.

        After the last one the tree is laid out with it, so that both are shown at once.

        Args:
            decides: it goes by effects, which are computed first where they are not known; keys
                wait for it then.
            edits: it waits for an expansion under way, so that it does not cut it short.
        """
        self._unsettle()
        decision = self.decisions.begin() if decides else None
        if decides:
            self._let_go()  # what was swept is kept, and the rest is computed for the command

        def moved(_: object, done: int, total: int) -> None:
            assert decision is not None
            decision.done, decision.total = done, total
            self._commands.deliver(self.decisions.moved)

        def carried_out() -> Status:
            if edits:
                self.decisions.turn()
            if decision is None:
                return call()
            with self.session.decider.watched(decision.cancel, moved):
                return call()

        def work() -> Status:
            status = carried_out()
            if self._commands.waiting == 1:
                self._laid_out = ((status.revision, self.by_role), self._lay_out())
            return status

        def end() -> None:
            if decision is not None:
                self.decisions.end(decision)
                self.decisions.moved()

        def done(status: Status) -> None:
            end()
            self._done(status)

        def failed(error: BaseException) -> None:
            end()
            self._failed(DROPPED if isinstance(error, Cancelled) else error_sentence(error))

        self._commands.put(work, done, failed)

    def agree(self, status: Status) -> None:
        """Compute accuracy and KL after a command that did not wait for them."""
        if status.agreement.known:
            return

        def work() -> bool:
            present = self.session.status().revision == status.revision
            return present and bool(status.agreement.read())

        self._agreements.put(work, lambda _: self._agreed(), self._unknown)

    def other(self, call: Callable[[], object], done: Callable[[], None]) -> None:
        """Run something else in its turn among the commands, such as an export."""
        self._commands.put(
            call, lambda _: done(), lambda error: self._failed(error_sentence(error))
        )

    def read_tree(self, show: Callable[[TreeLayout], None]) -> None:
        """Lay out the tree as it stands then. Asked for while one is laid out: once more after."""
        laid_out, self._laid_out = self._laid_out, None
        if self._reads.waiting:
            self._read_once_more = True
            return
        now = self.session.status().revision, self.by_role
        if laid_out is not None and laid_out[0] == now:
            show(laid_out[1])
            return

        def done(layout: TreeLayout) -> None:
            again, self._read_once_more = self._read_once_more, False
            if again:
                self.read_tree(show)
            else:
                show(layout)

        self._reads.put(self._lay_out, done, lambda error: self._failed(error_sentence(error)))

    def _lay_out(self) -> TreeLayout:
        return TreeLayout.of(self.session.tree(missing=True, by_role=self.by_role, ranked=True))

    # Sweeps.

    def estimate(self, done: Callable[[], None], *, by_role: bool = False) -> None:
        """Estimate the effects on the session's pairs, unless that is asked for already.

        `by_role`: those of edges at roles too.
        """
        session = self.session
        asked = session.pairs_digest, by_role
        if asked in self._estimating:
            return
        self._estimating.add(asked)

        def estimated(_: object) -> None:
            self._estimating.discard(asked)
            done()

        work = session.estimate_by_role if by_role else session.estimate
        self._sweeps.put(work, estimated, self._unknown)

    def _unknown(self, error: BaseException) -> None:
        # They are not asked for again by themselves. What needs them computes them first, and says
        # then why it cannot.
        self._failed(error_sentence(error))

    def look_at(self, view: EdgesView, edges: list[Candidate]) -> None:
        """Compute what of this view is not known yet, unless that is going on already."""
        if self.sweep is not None:
            if self.sweep.view == view:
                return None
            self._let_go()
        if self.stopped or self.busy:
            return None
        revision = self.session.status().revision
        # Costs first: there are few kept edges, and somebody has just asked for them.
        if view.costs and any(edge.kept and edge.drop_cost is None for edge in edges):
            sweep = Sweep(view, "drop costs", threading.Event(), revision)
            if sweep.computes not in self._computed:
                return self._start(sweep)
        if view.setting != EAP and any(edge.exact is None for edge in edges):
            sweep = Sweep(view, "exact", threading.Event(), revision, total=len(edges))
            if sweep.computes not in self._computed:
                return self._start(sweep)
        return None

    def settle(self, show: Callable[[Status, float | None], None]) -> None:
        """Score all pairs, where the status is of a sample, once the commands are done.

        `show` is told the status and the fraction done, now and then while it goes on.
        """
        session, revision = self.session, self.session.status().revision

        def tell() -> None:
            show(session.status(), None if self.settling is None else self.settling.done)

        wanted = session.settler.wanted and self._settled != revision
        if self.settling is not None or self.busy or not wanted:
            tell()
            return
        settling = self.settling = Settling(threading.Event(), revision, told=monotonic())
        tell()

        def moved(fraction: float) -> None:
            settling.done = fraction
            if monotonic() - settling.told >= SETTLING_TOLD:
                settling.told = monotonic()
                self._settles.deliver(tell)

        def ended(_: object) -> None:
            self._end_settling(settling)
            tell()

        def broke(error: BaseException) -> None:
            self._end_settling(settling)
            if not isinstance(error, Cancelled):
                self._failed(error_sentence(error))
                tell()

        work = partial(session.settler.run, moved, settling.cancel)
        self._settles.put(work, ended, broke)

    def _end_settling(self, settling: Settling) -> None:
        if not settling.cancel.is_set():
            self._settled = settling.revision
        if self.settling is settling:
            self.settling = None

    def _unsettle(self) -> None:
        """An edit comes: what is computed for the circuit before it is not wanted any more."""
        if self.settling is not None:
            self.settling.cancel.set()
            self.settling = None

    def leave(self, coming: EdgesView) -> None:
        """The view changes: what is computed for any other is not wanted any more."""
        self.stopped = False
        if self.sweep is not None and self.sweep.view != coming:
            self._let_go()

    def cancel(self) -> bool:
        """Stop the running sweep until it is asked for again; False if none runs."""
        if self.sweep is None:
            return False
        self.stopped = True
        self._let_go()
        return True

    def _let_go(self) -> None:
        if self.sweep is not None:
            self.sweep.cancel.set()
            self.sweep = None

    def _start(self, sweep: Sweep) -> None:
        self.sweep = sweep
        view, session = sweep.view, self.session

        def on_chunk(values: dict[str, float], done: int, total: int) -> None:
            self._sweeps.deliver(lambda: self._moved(sweep, done, total))

        how: dict[str, Any] = {"cancel": sweep.cancel, "on_chunk": on_chunk}

        def work() -> bool:
            if sweep.cancel.is_set():
                return False
            if sweep.what == "exact":
                asked = view.node, view.inputs, view.setting
                return session.sweep(*asked, by_role=view.by_role, **how)
            together = view.node if view.inputs == TOGETHER and kind_of(view.node) == "head" else ""
            return session.drop_costs(by_role=view.by_role, together=together, **how)

        self._sweeps.put(
            work,
            lambda whole: self._ended(sweep, whole),
            lambda error: self._broke(sweep, error),
        )

    def _moved(self, sweep: Sweep, done: int, total: int) -> None:
        if sweep is self.sweep:
            sweep.done, sweep.total = done, total
            self._progress()

    def _ended(self, sweep: Sweep, whole: bool) -> None:
        if whole:  # what it could not fill in would not come of a second run either
            self._computed = {c for c in self._computed if c[2] == sweep.revision}
            self._computed.add(sweep.computes)
        if sweep is self.sweep:
            self.sweep = None
            self._progress()

    def _broke(self, sweep: Sweep, error: BaseException) -> None:
        if sweep is not self.sweep:
            return
        self.sweep = None
        self.stopped = True
        if not isinstance(error, Cancelled):
            self._failed(error_sentence(error))
        self._progress()
