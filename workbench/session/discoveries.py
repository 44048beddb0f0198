"""Discoveries of a session: run beside the commands, held, set against the circuit, accepted.

A discovery is driven piece by piece, each piece in a turn of its own, so that a command waits for
one piece at most. What it found is held until it is removed, in files beside the journal. Taking
and accepting are commands, with undo; which results are held and what was refused is not.
Importing this module loads no torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import edge_ends
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.request import check
from workbench.discovery.selection import Selection, select
from workbench.errors import Cancelled, WorkbenchError
from workbench.session import commands as kinds
from workbench.session import edits
from workbench.session.commands import Command
from workbench.session.journal import Journal
from workbench.session.proposal import Proposed, accepted, proposed
from workbench.session.read_only import ReadOnlySession
from workbench.session.result_files import ResultFiles
from workbench.session.results import DiscoveryResult
from workbench.session.state import Change, State
from workbench.session.views import Status

OnPiece = Callable[[float], None]
"""Told the fraction done."""


class Discovering(ReadOnlySession):
    """The half of a `Session` that is about discoveries; see there for threads and errors.

    Attributes:
        held: the results, in the order in which they were found.
    """

    held: tuple[DiscoveryResult, ...]
    exported: list[Path]
    _journal: Journal

    @abstractmethod
    def _do(
        self, edit: Callable[[State], State], command: Callable[[Change], Command], idle: str = ""
    ) -> Status: ...

    def _bring_back(self, journal: Path) -> None:
        """Hold what an earlier process held beside this journal."""
        self._files = ResultFiles(journal)
        self.held, self.shown = self._files.load(self.graph)

    # Finding.

    def discover(
        self,
        method: str,
        options: Options | None = None,
        selection: Selection | None = None,
        *,
        cancel: Stop | None = None,
        on_piece: OnPiece | None = None,
        show: bool = True,
    ) -> DiscoveryResult:
        """Run a method of discovery and hold what it finds.

        Args:
            method: its name in `discovery.method.METHODS`.
            selection: how a circuit is chosen from its scores; None for a search or a learned mask.
            cancel: stops it between two pieces; what was found until then is held.
            on_piece: called from this thread after each piece; it may call the session.
            show: as `show_result` does.

        Returns:
            The result: partial if it was stopped, or if the method failed after it had found
            something; `failure` then says how.

        Raises:
            Cancelled: if it was stopped before anything was found, or if the session was closed.
            WorkbenchError: if method, selection and session do not suit each other, or if the
                method failed before it found anything.
        """
        chosen = find_method(method)
        options = self.check_discovery(method, options or Options(), selection)
        findings = Findings.of(self.graph, chosen.name, self.task.metric)
        fraction, failure = 0.0, ""
        began = perf_counter()
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
            number = max((held.number for held in self.held), default=0) + 1
            again = any(held.method == method for held in self.held)
            held = DiscoveryResult(
                number=number,
                name=f"{method} ({number})" if again else method,
                options=options,
                selection=selection,
                found=findings,
                fraction=fraction,
                seconds=seconds,
                failure=failure,
                selected=select(findings, selection),
            )
            try:
                held = replace(held, **self._value(held.circuit))
                self._files.save(held)
            except WorkbenchError as error:  # what was found is of use all the same
                held = replace(held, failure=failure or str(error))
            self.held = (*self.held, held)
            if show:
                self.shown = held
                self._files.mark(held)
            return held

    def check_discovery(
        self, method: str, options: Options, selection: Selection | None
    ) -> Options:
        """The options with the method's defaults, if all this suits the session.

        Raises:
            WorkbenchError: one sentence on what does not.
        """
        task = self.task
        return check(
            find_method(method), options, selection, metric=task.metric, ablation=task.ablation
        )

    def _value(self, circuit: Circuit) -> dict[str, Any]:
        scores = self._engine.score(circuit)
        return {"metric": scores.metric, "faithfulness": scores.faithfulness}

    # What is held.

    def find_held(self, number: int) -> DiscoveryResult:
        """Raises WorkbenchError if no result of this number is held."""
        for held in self.held:
            if held.number == number:
                return held
        raise WorkbenchError(f"No result {number} is held; it was removed.")

    def show_result(self, number: int | None) -> DiscoveryResult | None:
        """Let this result stand beside the candidates; None: no result."""
        with self._lock.foreground():
            self.shown = None if number is None else self.find_held(number)
            self._files.mark(self.shown)
            return self.shown

    def remove_result(self, number: int) -> None:
        """Hold this result no more. The circuit stays, whatever was taken from it."""
        with self._lock.foreground():
            held = self.find_held(number)
            self._files.remove(held)
            self.held = tuple(other for other in self.held if other is not held)
            if self.shown is held:
                self.shown = self.held[-1] if self.held else None
                self._files.mark(self.shown)

    def select_again(self, number: int, selection: Selection) -> DiscoveryResult:
        """Choose another circuit from the same scores. What was refused is forgotten.

        Raises:
            WorkbenchError: as `discover`, and for a result whose circuit is no selection.
        """
        with self._lock.foreground():
            held = self.find_held(number)
            self.check_discovery(held.method, held.options, selection)
            selected = select(held.found, selection)
            return self._replace(
                held,
                selection=selection,
                selected=selected,
                refused=frozenset(),
                **self._value(selected.circuit),
            )

    def _replace(self, held: DiscoveryResult, **changes: Any) -> DiscoveryResult:
        new = replace(held, **changes)
        self.held = tuple(new if other is held else other for other in self.held)
        if self.shown is held:
            self.shown = new
        self._files.save(new, scores=False)
        return new

    # The proposal: the circuit of the shown result against the present one.

    def proposal(self) -> list[Proposed]:
        """What is left to decide, from the logits backward; empty if no result is shown."""
        held = self.shown
        if held is None:
            return []
        return proposed(self._seen.state.circuit, held.circuit, held.found.edges, held.refused)

    def if_accepted(self, edge: str) -> tuple[float, float | None]:
        """The circuit's metric and faithfulness if this edge of the proposal were accepted now."""
        with self._lock.background():
            circuit = self._seen.state.circuit
            opened = edge_ends(edge)[1] in circuit.open
            return self._engine.if_toggled(circuit, edge, close=opened)

    def refuse(self, edges: Sequence[str], refused: bool = True) -> None:
        """Do not propose these edges any more, or (False) again."""
        with self._lock.foreground():
            held = self._shown()
            for edge in edges:
                self.graph.parse_edge(edge)
            now = held.refused | set(edges) if refused else held.refused - set(edges)
            if now != held.refused:
                self._replace(held, refused=now)

    def accept(self, edges: Sequence[str]) -> Status:
        """Keep or drop these edges as the shown result has them; one step of undo.

        An input that is open is closed on them alone.
        """
        held = self._shown()
        return self._do(
            lambda state: accepted(state, held.circuit, edges),
            lambda change: kinds.Accept(result=held.name, edges=tuple(edges), change=change),
            "These edges are as proposed already.",
        )

    def take(self, number: int) -> Status:
        """Replace the circuit by that of a result. It is closed; groups and notes stay."""
        held = self.find_held(number)
        return self._do(
            lambda state: edits.load(state, held.circuit),
            lambda change: kinds.Take(result=held.name, change=change),
            f"The circuit of {held.name} is this one.",
        )

    def take_cluster(self, number: int) -> Status:
        """Replace the circuit by that of a cluster of prompts, as `take` does.

        Raises:
            WorkbenchError: no clusters are held, or there is none of this number.
        """
        held = self.clusterer.found()
        circuit = held.circuit(number)
        name = held.name(number)
        return self._do(
            lambda state: edits.load(state, circuit),
            lambda change: kinds.Take(result=name, change=change),
            f"The circuit of {name} is this one.",
        )

    def export_cluster(self, number: int, path: Path, format: str = "circuit") -> None:
        """Write a cluster's circuit with its scores and how it was found; formats as `export`."""
        from workbench.formats import save_circuit

        save_circuit(self.clusterer.found().circuit(number), path, format=format)
        self.exported.append(path)

    def export_result(self, number: int, path: Path, format: str = "circuit") -> None:
        """Write a result's circuit with its scores and how it was found; formats as `export`."""
        from workbench.discovery.run import discovery_from
        from workbench.formats import save_circuit

        held = self.find_held(number)
        with self._lock.background(), failures_as_sentences():
            circuit = discovery_from(
                self._engine.experiment, held.found, held.options, held.selection, held.seconds
            ).circuit
        save_circuit(circuit, path, format=format)
        self.exported.append(path)

    def _shown(self) -> DiscoveryResult:
        if self.shown is None:
            raise WorkbenchError("No result is shown; discover a circuit, or choose a result.")
        return self.shown
