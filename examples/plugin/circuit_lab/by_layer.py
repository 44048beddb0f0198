"""The part `by-layer` of an assessment: what the circuit loses with all of its nodes in a layer."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from workbench.assessment.report.document import Table
from workbench.assessment.report.headlines import share
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.variants import alive, scores, without_nodes
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.experiment.experiment import Experiment


@dataclass(frozen=True)
class ByLayer:
    """The circuit's faithfulness, and what it is without each layer."""

    whole: float | None
    layers: tuple[int, ...]
    without: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def assess(experiment: Experiment, circuit: Circuit, settings: AssessmentSettings) -> Work[ByLayer]:
    """Take every layer's nodes out of the circuit, one layer at a time."""
    kept = alive(circuit)
    evaluator = Evaluator(experiment, kept)
    whole = experiment.faithfulness(evaluator.value().metric)
    yield 0.1
    by_layer: dict[int, list[str]] = {}
    for node in kept.nodes():
        if number := re.match(r"[am](\d+)", node):
            by_layer.setdefault(int(number[1]), []).append(node)
    if not by_layer:
        return ByLayer(whole, (), ())
    variants = [partial(without_nodes, kept, nodes) for nodes in by_layer.values()]
    metrics = yield from scores(evaluator, variants)
    without = tuple(experiment.faithfulness(float(metric.mean())) for metric in metrics)
    return ByLayer(whole, tuple(by_layer), without)


def headline(found: ByLayer) -> str:
    """The layer whose loss is the largest."""
    known = [
        (f, layer) for f, layer in zip(found.without, found.layers, strict=True) if f is not None
    ]
    if not known:
        return "No layer could be taken out."
    least, layer = min(known)
    return (
        f"Without layer {layer} its faithfulness falls from {share(found.whole)} to {share(least)}."
    )


def sections(found: ByLayer) -> Iterator[Table]:
    """One row a layer."""
    numbered = zip(found.layers, found.without, strict=True)
    rows = tuple((f"layer {layer}", share(value)) for layer, value in numbered)
    yield Table(("without", "faithfulness"), rows, right=frozenset({1}))
