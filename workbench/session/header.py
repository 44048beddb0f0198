"""The header of a session's journal: what it began with, to and from plain values.

Importing this loads no torch.

Glossary: docs/glossary.md#header.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.pair import Pair
from tasks.task import Task
from workbench.base.json_values import items, number, object_of, one_of, shaped, string
from workbench.circuits.edge_arrays import graph_of_shape
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.provenance import now, versions
from workbench.experiment.settings import ExperimentSettings
from workbench.prompts.pair_json import pair_from_json, pair_to_json
from workbench.session.open import Opened
from workbench.session.state_tree import Measured
from workbench.session.views import TaskInfo

SETTINGS = (
    *("model", "revision", "dtype", "device", "bos", "mismatch", "drop_bad"),
    *("ablation", "seed", "means", "sample"),
)
"""Those that a journal keeps; it holds the task with its pairs and metric besides."""


def at_start(created: str, model_metric: float, corrupted_metric: float) -> Measured:
    """What is known of the state in which everything is open: it is the whole model."""
    return Measured(created, 0, faithfulness(model_metric, model_metric, corrupted_metric))


def header(opened: Opened, threshold: float) -> dict[str, Any]:
    """The first line of the journal: plain values."""
    graph, info, chosen = opened.engine.model.graph, opened.info, opened.settings.device_map
    mapped = {} if chosen is None else {"device_map": chosen}
    return {
        "created": now(),
        "settings": {name: getattr(opened.settings, name) for name in SETTINGS} | mapped,
        "graph": asdict(graph),
        "task": {**vars(opened.task), "pairs": list(map(pair_to_json, opened.task.pairs))},
        "metric": info.metric,
        "bos": info.bos,
        "threshold": threshold,
        "model_metric": info.model_metric,
        "corrupted_metric": info.corrupted_metric,
        "versions": versions(),
    }


@dataclass(frozen=True)
class Header:
    """What `header` wrote, read back."""

    settings: ExperimentSettings
    graph: Graph
    task: Task
    threshold: float
    model_metric: float
    corrupted_metric: float
    created: str = ""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Header:
        """Raises WorkbenchError if something in it is missing or of the wrong kind."""
        try:
            task = _task(object_of(value["task"]))
            settings = object_of(value["settings"]) | {"task": task.name}
            graph = shaped(Graph, value["graph"])
            return cls(
                shaped(ExperimentSettings, settings, {"mismatch": one_of(("refuse", "drop"))}),
                graph_of_shape(graph.n_layers, graph.n_heads, graph.parallel),
                task,
                number(value["threshold"]),
                number(value["model_metric"]),
                number(value["corrupted_metric"]),
                string(value.get("created", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(
                f"The journal's first line lacks what a session begins with: {error}."
            ) from None

    @property
    def start(self) -> Measured:
        """What is known of the state in which everything is open: it is the whole model."""
        return at_start(self.created, self.model_metric, self.corrupted_metric)

    def metrics(self, measured: Measured) -> tuple[float, float]:
        """The model's metric and that of the corrupted run on the pairs of a state."""
        if measured.clean is None or measured.corrupted is None:
            return self.model_metric, self.corrupted_metric
        return measured.clean, measured.corrupted

    def differs(self, info: TaskInfo, measured: Measured) -> str:
        """A sentence if the model's metric is not what it was, else nothing.

        `measured`: of the state that the session is in, which may have pairs of its own.
        """
        model, corrupted = self.metrics(measured)
        was = model - corrupted
        is_now = info.model_metric - info.corrupted_metric
        if abs(was - is_now) <= 1e-3 * max(abs(was), abs(is_now)):
            return ""
        return (
            f"The model's metric was {model:.4g} and is {info.model_metric:.4g} now: "
            "its weights, or the software, are not the same."
        )


def _task(value: dict[str, Any]) -> Task:
    return shaped(Task, value, {"pairs": _pairs})


def _pairs(value: Any) -> tuple[Pair, ...]:
    return tuple(pair_from_json(object_of(pair)) for pair in items(value))
