"""An assessment: what all its parts found, of one circuit or several. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.assessment.settings import AssessmentSettings


@dataclass(frozen=True)
class CircuitAssessment:
    """One circuit.

    Attributes:
        name: of the circuit's file, or a number.
        edges, nodes: kept edges; nodes that they leave or enter.
        results: by the part's name, what it found: the part's own dataclass.
        failed: by the part's name, why there is no result.
        seconds: by the part's name, what it took.
    """

    name: str
    edges: int
    nodes: int
    results: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return vars(self) | {"results": _plain(self.results)}


@dataclass(frozen=True)
class Assessment:
    """Circuits of one model on one task.

    Attributes:
        origin: model, task, metric, ablation, seed and versions, as in circuit files.
        model_metric, corrupted_metric: mean metric of the two runs.
        n_edges: of the whole model.
        settings: that the parts heeded.
        circuits: in the order given.
        compared, failed: by the part's name, what the parts found that compare circuits, or why
            there is nothing.
        remarks: sentences on the task and the model.
        command: how it was made, if by the command line.
        created: when, in UTC.
        complete: it was not stopped before its end.
    """

    origin: dict[str, Any]
    model_metric: float
    corrupted_metric: float
    n_edges: int
    settings: AssessmentSettings
    circuits: tuple[CircuitAssessment, ...]
    compared: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    command: str = ""
    created: str = ""
    complete: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return vars(self) | {
            "settings": self.settings.to_json(),
            "circuits": [circuit.to_json() for circuit in self.circuits],
            "compared": _plain(self.compared),
        }


def _plain(results: dict[str, Any]) -> dict[str, Any]:
    return {name: result.to_json() for name, result in results.items()}
