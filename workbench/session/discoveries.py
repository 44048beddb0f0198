"""Discoveries of a session: run beside commands, kept, set against the circuit, accepted.

A discovery is driven piece by piece, each piece in a turn of its own, so that a command waits for
one piece at most. What it found is kept until it is removed, in files beside the journal. Taking
and accepting are commands, with undo; which results there are and what was refused is not.
Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import edge_ends
from workbench.circuits.parts import edge_of
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import Selection, select
from workbench.errors import Cancelled, WorkbenchError
from workbench.session import commands as kinds
from workbench.session import edits
from workbench.session.carry_out import CarryOut
from workbench.session.journal import Journal
from workbench.session.pair_runs import PairRuns
from workbench.session.priority_lock import PriorityLock
from workbench.session.proposal import Proposed, accepted, proposed
from workbench.session.result_files import ResultFiles
from workbench.session.results import DiscoveryResult
from workbench.session.session_engine import SessionEngine
from workbench.session.views import Status

OnPiece = Callable[[float], None]
"""Told the fraction done."""


def _same_findings(one: Findings, other: Findings) -> bool:
    return one.method == other.method and np.array_equal(one.edges, other.edges, equal_nan=True)


class Discoveries:
    """The discoveries of a session. All public methods may be called from any thread.

    Attributes:
        results: what was found and not removed, in the order in which it was found.
        shown: the result whose scores stand beside the candidates, and whose circuit is the
            proposal; None if none is.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        journal: Journal,
        *,
        circuit: Callable[[], Circuit],
        runs: Callable[[], PairRuns],
        carry_out: CarryOut,
        exported: Callable[[Path], None],
    ) -> None:
        """Begin with what an earlier process kept beside this journal.

        Args:
            circuit: the session's present one; not altered here.
            runs: the pairs that the session is at.
            carry_out: carries out a command.
            exported: told each file that was written.
        """
        self._engine = engine
        self._lock = lock
        self._journal = journal
        self._circuit = circuit
        self._runs = runs
        self._carry_out = carry_out
        self._exported = exported
        self._graph = circuit().graph
        self._files = ResultFiles(journal.path)
        self.results, self.shown = self._files.load(self._graph)

    @property
    def damage(self) -> tuple[str, ...]:
        """A sentence on each result of an earlier process that could not be read."""
        return self._files.damage

    # Finding.

    def run(
        self,
        method: str,
        options: Options | None = None,
        selection: Selection | None = None,
        *,
        cancel: Stop | None = None,
        on_piece: OnPiece | None = None,
        show: bool = True,
    ) -> DiscoveryResult:
        """Run a method of discovery and keep what it finds.

        Args:
            method: its name in `discovery.method.METHODS`.
            selection: how a circuit is chosen from its scores; None for a search or a learned mask.
            cancel: stops it between two pieces; what was found until then is kept.
            on_piece: called from this thread after each piece; it may call the session.
            show: as `show` does.

        Returns:
            The result: partial if it was stopped, or if the method failed after it had found
            something; `failure` then says how.

        Raises:
            Cancelled: if it was stopped before anything was found, or if the session was closed.
            WorkbenchError: if method, selection and session do not suit each other, or if the
                method failed before it found anything.
        """
        chosen = find_method(method)
        method = chosen.name
        options = self.check(method, options or Options(), selection)
        by_role = DiscoveryRequest(method, options, selection).by_role
        findings = Findings.about(self._engine.experiment, chosen.name, by_role=by_role)
        fraction, failure = 0.0, ""
        began = perf_counter()
        with self._lock.background():
            runs = self._runs()
            work = self._engine.discovery(chosen, findings, options)
        try:
            while not (cancel is not None and cancel.is_set()):
                with self._lock.background():
                    fraction = next(work)
                if on_piece is not None:
                    on_piece(fraction)
        except StopIteration:
            fraction = 1.0
        except WorkbenchError as error:
            if not findings.has_results(chosen.kind):
                raise
            failure = str(error)
        finally:
            work.close()
        if not findings.has_results(chosen.kind):
            raise Cancelled
        seconds = perf_counter() - began
        with self._lock.background():
            if not self._journal.is_open:  # its files may be another process's now
                raise Cancelled
            number, name = self._next(method)
            result = DiscoveryResult(
                number=number,
                name=name,
                options=options,
                selection=selection,
                found=findings,
                fraction=fraction,
                seconds=seconds,
                failure=failure,
                selected=select(findings, selection),
                pairs=runs.digest,
            )
            try:
                result = replace(result, **self._value(result.circuit, runs))
                self._files.save(result)
            except WorkbenchError as error:  # what was found is of use all the same
                result = replace(result, failure=failure or str(error))
            self.results = (*self.results, result)
            if show:
                self.shown = result
                self._files.mark(result)
            return result

    def take_over(self, found: DiscoveryResult, *, show: bool = True) -> DiscoveryResult:
        """Hold what a job of this session found; the same result is held once.

        Raises:
            Cancelled: the session was closed.
        """
        with self._lock.foreground():
            if not self._journal.is_open:
                raise Cancelled
            for held in self.results:
                if held.seconds == found.seconds and _same_findings(held.found, found.found):
                    return held
            number, name = self._next(found.method)
            result = replace(found, number=number, name=name, refused=frozenset())
            self._files.save(result)
            self.results = (*self.results, result)
            if show:
                self.shown = result
                self._files.mark(result)
            return result

    def _next(self, method: str) -> tuple[int, str]:
        """Number and name of the next result of a method."""
        number = max([self._files.last, *(result.number for result in self.results)]) + 1
        again = any(result.method == method for result in self.results)
        return number, f"{method} ({number})" if again else method

    def check(self, method: str, options: Options, selection: Selection | None) -> Options:
        """The options with the method's defaults, if all this suits the session.

        Raises:
            WorkbenchError: one sentence on what does not.
        """
        experiment = self._engine.experiment
        asked = DiscoveryRequest(method, options, selection)
        request = asked.checked(metric=experiment.metric_name, ablation=experiment.ablation)
        return request.options

    def _value(self, circuit: Circuit, runs: PairRuns) -> dict[str, Any]:
        scores = self._engine.score(circuit, runs.experiment)
        return {"metric": scores.metric, "faithfulness": scores.faithfulness}

    # The results.

    def is_old(self, result: DiscoveryResult) -> bool:
        """It was found on other pairs than the session is at now."""
        return bool(result.pairs) and result.pairs != self._runs().digest

    def result(self, number: int) -> DiscoveryResult:
        """Raises WorkbenchError if there is no result of this number."""
        for result in self.results:
            if result.number == number:
                return result
        raise WorkbenchError(f"No result {number} is held; it was removed.")

    def show(self, number: int | None) -> DiscoveryResult | None:
        """Let this result stand beside the candidates; None: no result."""
        with self._lock.foreground():
            self.shown = None if number is None else self.result(number)
            self._files.mark(self.shown)
            return self.shown

    def remove(self, number: int) -> None:
        """Keep this result no longer. The circuit stays, whatever was taken from it."""
        with self._lock.foreground():
            result = self.result(number)
            self._files.remove(result)
            self.results = tuple(other for other in self.results if other is not result)
            if self.shown is result:
                self.shown = self.results[-1] if self.results else None
                self._files.mark(self.shown)

    def select_again(self, number: int, selection: Selection) -> DiscoveryResult:
        """Choose another circuit from the same scores. What was refused is forgotten.

        Raises:
            WorkbenchError: as `run`, and for a result whose circuit is no selection.
        """
        with self._lock.foreground():
            result = self.result(number)
            self.check(result.method, result.options, selection)
            selected = select(result.found, selection)
            # On other pairs than it was found on it would be another number than is said.
            unknown = {"metric": None, "faithfulness": None}
            old = self.is_old(result)
            return self._replace(
                result,
                selection=selection,
                selected=selected,
                refused=frozenset(),
                **(unknown if old else self._value(selected.circuit, self._runs())),
            )

    def _replace(self, result: DiscoveryResult, **changes: Any) -> DiscoveryResult:
        new = replace(result, **changes)
        self.results = tuple(new if other is result else other for other in self.results)
        if self.shown is result:
            self.shown = new
        self._files.save(new, scores=False)
        return new

    # The proposal: the circuit of the shown result against the present one.

    def proposal(self) -> list[Proposed]:
        """What is left to decide, from the logits backward; empty if no result is shown."""
        result = self.shown
        if result is None:
            return []
        return proposed(self._circuit(), result.circuit, result.found.edges, result.refused)

    def if_accepted(self, edge: str) -> tuple[float, float | None]:
        """The circuit's metric and faithfulness if this edge of the proposal were accepted now."""
        with self._lock.background():
            circuit = self._circuit()
            opened = edge_ends(edge_of(edge))[1] in circuit.open
            return self._engine.if_toggled(circuit, edge, close=opened)

    def refuse(self, edges: Sequence[str], refused: bool = True) -> None:
        """Do not propose these edges any more, or (False) again."""
        with self._lock.foreground():
            result = self._shown()
            for edge in edges:
                self._graph.parse_edge(edge_of(edge))
            now = result.refused | set(edges) if refused else result.refused - set(edges)
            if now != result.refused:
                self._replace(result, refused=now)

    def accept(self, edges: Sequence[str]) -> Status:
        """Keep or drop these edges as the shown result has them; one step of undo.

        An input that is open is closed on them alone.
        """
        result = self._shown()
        return self._carry_out(
            lambda state: accepted(state, result.circuit, edges),
            lambda change: kinds.Accept(result=result.name, edges=tuple(edges), change=change),
            "These edges are as proposed already.",
        )

    def take(self, number: int) -> Status:
        """Replace the circuit by that of a result. It is closed; groups and notes stay."""
        result = self.result(number)
        return self._carry_out(
            lambda state: edits.load(state, result.circuit),
            lambda change: kinds.Take(result=result.name, change=change),
            f"The circuit of {result.name} is this one.",
        )

    def export(self, number: int, path: Path, format: str = "circuit") -> None:
        """Write a result's circuit with its scores and how it was found.

        Formats as `Session.export`.
        """
        from workbench.discovery.run import discovery_from
        from workbench.formats import save_circuit

        result = self.result(number)
        if self.is_old(result):
            raise WorkbenchError(
                f"{result.name} was found on other pairs: go back to them (undo, or the history) "
                "to write it with where it comes from."
            )
        with self._lock.background(), failures_as_sentences():
            request = DiscoveryRequest(result.method, result.options, result.selection)
            found = discovery_from(self._engine.experiment, result.found, request, result.seconds)
        save_circuit(found.circuit, path, format=format)
        self._exported(path)

    def _shown(self) -> DiscoveryResult:
        if self.shown is None:
            raise WorkbenchError("No result is shown; discover a circuit, or choose a result.")
        return self.shown
