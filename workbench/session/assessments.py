"""The assessment of a session's circuit, part by part, in turn with what else computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from workbench.assessment.catalogue import PARTS, Part, find_parts
from workbench.assessment.results.assessment import Assessment, CircuitAssessment
from workbench.assessment.settings import AssessmentSettings
from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine

ANOTHER = -1
"""The revision of a circuit that is not the session's present one."""


@dataclass(frozen=True)
class PartAnswer:
    """What a part found.

    Attributes:
        result: the part's own dataclass of plain values.
        revision: of the session's circuit that was assessed, see `views.Status`.
        seconds: what it took, waiting included.

    Glossary: docs/glossary.md#part-answer.
    """

    part: Part
    result: Any
    revision: int
    seconds: float


class SessionAssessments:
    """Assesses the session's circuit. All public methods may be called from any thread.

    Attributes:
        settings: of all parts.
        held: by the part's name, what was found last, perhaps of an earlier circuit.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        circuit: Callable[[], tuple[Circuit, int]],
        seed: int,
    ) -> None:
        """`circuit`: gives the circuit as it stands, with its scores, and its revision."""
        self._engine = engine
        self._lock = lock
        self._circuit = circuit
        self.settings = AssessmentSettings(seed=max(0, seed))
        self.held: dict[str, PartAnswer] = {}

    def run(
        self,
        name: str,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> PartAnswer:
        """Answer one part's question on the circuit as it stands now.

        Between two pieces the session's commands are carried out; the assessment goes on with the
        circuit that it began with.

        Args:
            name: of the part.
            cancel: stops it when set.
            on_piece: told the fraction done, from this thread.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: no such part, a circuit with open inputs, or a failed computation.
        """
        (part,) = find_parts([name])
        if part.compares:
            raise WorkbenchError(f"{part.title} needs several circuits: compare them instead.")
        started = perf_counter()
        with self._lock.background(), failures_as_sentences():
            # Of one moment, the pairs too.
            circuit, revision = self._circuit()
            from workbench.assessment.ask import ask
            from workbench.assessment.assess import check_circuit, check_experiment

            check_circuit(circuit, "The circuit", circuit.graph)
            check_experiment(self._engine.experiment)
            work = ask(part, self._engine.experiment, circuit, self.settings)
        result = finish_in_background(self._lock, work, cancel, on_piece)
        assessed = PartAnswer(part, result, revision, perf_counter() - started)
        self.held[part.name] = assessed
        return assessed

    def take_over(self, name: str, result: Any, seconds: float, *, of_now: bool) -> PartAnswer:
        """Hold what a part found elsewhere, by a job of this session.

        Args:
            of_now: it is of the circuit as it stands, on the pairs that the session is at.
        """
        (part,) = find_parts([name])
        _, revision = self._circuit()
        answer = PartAnswer(part, result, revision if of_now else ANOTHER, seconds)
        self.held[part.name] = answer
        return answer

    def write_report(self, path: Path) -> tuple[Path, ...]:
        """Write what was found of the circuit as it stands, as Markdown or HTML.

        Returns:
            All files written, the page first.

        Raises:
            WorkbenchError: nothing was found of it yet, or a file cannot be written.
        """
        circuit, revision = self._circuit()
        fresh = {name: one for name, one in self.held.items() if one.revision == revision}
        if not fresh:
            raise WorkbenchError(
                "Nothing is known of the circuit as it stands: ask something of it first."
            )
        with self._lock.foreground(), failures_as_sentences():
            from workbench.assessment.report.page import check_report, write_report

            check_report(path)
            return write_report(self._assessment(circuit, fresh), path)

    def _assessment(self, circuit: Circuit, fresh: dict[str, PartAnswer]) -> Assessment:
        """What was found, in the form that reports are made of."""
        from workbench.experiment.prepare import task_warnings
        from workbench.experiment.provenance import now, origin

        experiment = self._engine.experiment
        clean, corrupted = experiment.clean, experiment.corrupted
        measurable = experiment.faithfulness(clean.metric) is not None
        names = [part for part in PARTS if part in fresh]
        return Assessment(
            origin=origin(experiment, self.settings.seed),
            model_metric=clean.metric,
            corrupted_metric=corrupted.metric,
            n_edges=experiment.graph.n_edges,
            settings=self.settings,
            circuits=(
                CircuitAssessment(
                    "circuit",
                    circuit.n_edges,
                    len(circuit.nodes()),
                    results={name: fresh[name].result for name in names},
                    seconds={name: fresh[name].seconds for name in names},
                ),
            ),
            remarks=task_warnings(experiment.metric_name, clean, corrupted, measurable=measurable),
            created=now(),
        )
