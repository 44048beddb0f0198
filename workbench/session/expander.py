"""The session's expansions by a rule: run beside what is read, recorded as one command.

An expansion is driven piece by piece, each in a turn of its own, so that a command waits for one
piece at most. Until it ends the session's circuit stays as it is. What ends it early keeps what it
has: stopping it, a failure, and any command that edits the circuit, before which what is done until
then is recorded. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from workbench.base.failures import is_memory_error
from workbench.base.work import Stop
from workbench.circuits.parts import edge_of
from workbench.errors import WorkbenchError
from workbench.session.carry_out import Apply
from workbench.session.expansion import Expansion
from workbench.session.known_effects import KnownEffects
from workbench.session.priority_lock import PriorityLock
from workbench.session.read_only import Snapshot
from workbench.session.rule_commands import STOPPED, ExpandAll
from workbench.session.rules import EAP, find_rule
from workbench.session.session_engine import SessionEngine
from workbench.session.state import Change, State
from workbench.session.steps import StepTaken
from workbench.session.views import Status

TOLD = 0.2
"""Seconds between two pieces of one step that are told of; a step is told of at once."""


@dataclass(frozen=True)
class Progressed:
    """How far an expansion has come.

    Attributes:
        steps: what it did, in order.
        node: what it expands now; None at the end.
        fraction: of the way from the logits to the input.
    """

    steps: tuple[StepTaken, ...]
    node: str | None
    fraction: float

    @property
    def edges(self) -> int:
        """How many edges it has kept."""
        return sum(step.edges for step in self.steps)


@dataclass
class _Run:
    """One expansion under way; `status` is there once it is recorded."""

    expansion: Expansion
    revision: int
    began: float
    status: Status | None = None


class Expander:
    """Runs expansions. `run` may be called from any thread.

    Glossary: docs/glossary.md#expand-all.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        effects: KnownEffects,
        seen: Callable[[], Snapshot],
        *,
        apply: Apply,
    ) -> None:
        """For a session.

        Args:
            effects: of its edges.
            seen: what it shows now.
            apply: carries out a command in a turn that the caller has.
        """
        self._engine = engine
        self._lock = lock
        self._effects = effects
        self._seen = seen
        self._apply = apply
        self._run: _Run | None = None

    @property
    def running(self) -> bool:
        """An expansion is under way."""
        return self._run is not None

    def run(
        self,
        rule: str,
        value: float | None = None,
        setting: str = EAP,
        *,
        by_role: bool = False,
        progress: Callable[[Progressed], None] | None = None,
        cancel: Stop | None = None,
    ) -> Status:
        """Expand all that is open by a rule, the nodes nearest to the logits first.

        Others use the session meanwhile; its circuit changes at the end. What is done is kept if it
        is stopped, if it fails, or if another command edits the circuit, which ends it.

        Args:
            rule: one of `rules.RULES`.
            value: the rule's number; None: its default, of a threshold the session's.
            setting: "eap" for the estimates, or a setting whose exact effects are computed at every
                node that it comes to.
            by_role: edges at roles are kept, where edges are told apart by them.
            progress: called from this thread after each piece; it may call the session.
            cancel: stops it between two pieces.

        Raises:
            WorkbenchError: for a rule, value or setting that there is not, or if it fails at the
                first node.
        """
        with self._lock.background():
            if self._run is not None:
                raise WorkbenchError("An expansion is under way already; stop it first.")
            run = self._run = self._begin(rule, value, setting, by_role=by_role)
        try:
            ended = self._drive(run, progress, cancel)
            with self._lock.foreground():
                if run.status is None:
                    self._record(run, ended)
                assert run.status is not None
                return run.status
        finally:
            if self._run is run:
                self._run = None

    def conclude(self) -> None:
        """Record what an expansion under way has done so far, and end it.

        In a turn of the caller's, before a command that edits the circuit.
        """
        if self._run is not None:
            self._record(self._run, STOPPED)

    def give_way(self, edit: Callable[[State], State]) -> None:
        """`conclude` before a command that makes this edit, if that changes circuit or pairs."""
        state = self._seen().state
        if self._run is not None and Change.between(state, edit(state)).edits_value:
            self.conclude()

    def end(self) -> None:
        """`conclude` in a turn of its own."""
        with self._lock.foreground():
            self.conclude()

    def _begin(self, rule: str, value: float | None, setting: str, *, by_role: bool) -> _Run:
        seen = self._seen()
        self._effects.estimate()
        if by_role:
            self._effects.estimate_by_role()
        if value is None:
            default = find_rule(rule).value.default
            value = seen.state.threshold if default is None else default
        expansion = Expansion(
            self._engine.scratch(seen.state.circuit),
            self._effects,
            rule=rule,
            value=value,
            setting=setting,
            by_role=seen.runs.carrying if by_role else None,
            faithfulness=seen.status.faithfulness,
        )
        return _Run(expansion, seen.status.revision, perf_counter())

    def _drive(
        self, run: _Run, progress: Callable[[Progressed], None] | None, cancel: Stop | None
    ) -> str:
        """Take it to its end, or to where it is stopped; returns why it ended early, or ""."""
        expansion = run.expansion
        work = expansion.work()
        told, when = -1, 0.0
        try:
            while not (cancel is not None and cancel.is_set()):
                with self._lock.background():
                    if run.status is not None:
                        return ""
                    if self._seen().status.revision != run.revision:
                        raise WorkbenchError(
                            "The circuit was changed meanwhile, so nothing more was expanded."
                        )
                    next(work)
                    came = len(expansion.steps) != told or perf_counter() - when > TOLD
                    now = _progressed(expansion) if came else None
                if progress is not None and now is not None:
                    progress(now)
                    told, when = len(now.steps), perf_counter()
        except StopIteration:
            return ""
        except WorkbenchError as error:
            if not expansion.steps:
                raise
            return _why(error)
        finally:
            work.close()
        return STOPPED

    def _record(self, run: _Run, ended: str) -> None:
        """Carry it out as a command, as far as it came; it is over then, also if that fails."""
        self._run = None
        expansion = run.expansion
        begun, circuit = expansion.begun, expansion.result()
        graph = circuit.graph
        added = [
            name for name in circuit.parts() if not begun.mask[graph.parse_edge(edge_of(name))]
        ]
        closed = begun.open - circuit.open
        left = len(expansion.open_nodes())
        run.status = self._apply(
            lambda state: state.with_edges(close=closed, keep=added) if closed else state,
            lambda change: ExpandAll(
                rule=expansion.rule,
                value=expansion.value,
                setting=expansion.setting,
                steps=tuple(expansion.steps),
                left=left,
                ended=ended,
                change=change,
            ),
            _nothing_done(expansion, ended),
            run.began,
        )


def _progressed(expansion: Expansion) -> Progressed:
    return Progressed(tuple(expansion.steps), expansion.next_node, expansion.fraction())


def _why(error: WorkbenchError) -> str:
    """A failure after some steps were taken, which are kept."""
    cause = error.__cause__
    if cause is None:
        return str(error)
    if is_memory_error(cause):
        return "There was not enough memory to go on."
    said = str(cause).strip().splitlines()
    return f"It could not go on: {type(cause).__name__}{': ' + said[0] if said else ''}."


def _nothing_done(expansion: Expansion, ended: str) -> str:
    if ended:
        return "Stopped before the first node was expanded."
    if not expansion.unfit:
        return "Nothing is left to expand."
    words = find_rule(expansion.rule).words(expansion.value)
    return f"No open node can be expanded by the rule {words}: each would lose more."
