"""Circuit Workbench: circuit analysis of transformer language models, by hand.

The names below are all that a script needs; each is loaded when it is first used, so that importing
this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.pair import Pair
    from tasks.task import Task
    from workbench.assessment.assess import assess
    from workbench.assessment.report.page import write_report
    from workbench.assessment.results.assessment import Assessment
    from workbench.circuits.circuit import Circuit
    from workbench.circuits.comparison import Comparison, compare
    from workbench.circuits.graph import Graph
    from workbench.discovery.run import Discovery, discover
    from workbench.engine.evaluator import Edit, Evaluator
    from workbench.engine.score import CircuitScore, evaluate
    from workbench.errors import WorkbenchError
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.prepare import load_task
    from workbench.formats import load_circuit, save_circuit
    from workbench.formats.networkx import to_networkx
    from workbench.models.model import Model, load_model
    from workbench.session.session import Session
    from workbench.session.start import build_session, resume_session, start_session

__version__ = "0.1.0"

# Public name -> where it is defined. No name may be that of a module in this package: importing the
# module would put itself in the name's place.
_HOMES = {
    "Assessment": "workbench.assessment.results.assessment",
    "Circuit": "workbench.circuits.circuit",
    "CircuitScore": "workbench.engine.score",
    "Comparison": "workbench.circuits.comparison",
    "Discovery": "workbench.discovery.run",
    "Edit": "workbench.engine.evaluator",
    "Evaluator": "workbench.engine.evaluator",
    "Graph": "workbench.circuits.graph",
    "Model": "workbench.models.model",
    "Pair": "tasks.pair",
    "Session": "workbench.session.session",
    "Task": "tasks.task",
    "WorkbenchError": "workbench.errors",
    "Experiment": "workbench.experiment.experiment",
    "assess": "workbench.assessment.assess",
    "build_session": "workbench.session.start",
    "compare": "workbench.circuits.comparison",
    "discover": "workbench.discovery.run",
    "evaluate": "workbench.engine.score",
    "load_circuit": "workbench.formats",
    "load_model": "workbench.models.model",
    "load_task": "workbench.experiment.prepare",
    "resume_session": "workbench.session.start",
    "save_circuit": "workbench.formats",
    "start_session": "workbench.session.start",
    "to_networkx": "workbench.formats.networkx",
    "write_report": "workbench.assessment.report.page",
}

__all__ = [
    "Assessment",
    "Circuit",
    "CircuitScore",
    "Comparison",
    "Discovery",
    "Edit",
    "Evaluator",
    "Experiment",
    "Graph",
    "Model",
    "Pair",
    "Session",
    "Task",
    "WorkbenchError",
    "assess",
    "build_session",
    "compare",
    "discover",
    "evaluate",
    "load_circuit",
    "load_model",
    "load_task",
    "resume_session",
    "save_circuit",
    "start_session",
    "to_networkx",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
