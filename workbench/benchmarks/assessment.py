"""What the dearest parts of an assessment cost, in units of a plain forward pass.

With them the two methods of discovery that run the model most often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from workbench.assessment.parts import completeness, curve, directions, hypotheses, stability
from workbench.assessment.settings import AssessmentSettings
from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import Work, finish
from workbench.benchmarks.engine import SMALL, prepared, top_circuit
from workbench.benchmarks.figures import Figure, Figures
from workbench.benchmarks.stopwatch import Stopwatch
from workbench.circuits.circuit import Circuit
from workbench.discovery.estimates import eap
from workbench.discovery.findings import Findings
from workbench.discovery.methods import eap_ig_activations, edge_pruning
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY

Assess = Callable[[Experiment, Circuit, AssessmentSettings], Work[object]]

PARTS: Mapping[str, tuple[Assess, float]] = MappingProxyType(
    {
        "completeness": (completeness.assess_part, 60),
        "hypotheses": (hypotheses.assess_part, 50),
        "directions": (directions.assess_part, 16),
        "stability": (stability.assess_part, 10),
        "curve": (curve.assess_part, 8),
    }
)
"""What is measured of an assessment with the settings that it has by itself; the aim in F."""

PRUNING_STEPS = 4
"""Of edge pruning's, the first ones: most edges are open in them."""


def measure_assessment(
    name: str,
    task: str = "ioi",
    *,
    pairs: int = 16,
    seed: int = 0,
    device: str | None = None,
    dtype: str | None = None,
    device_map: str | None = None,
    progress: Progress | None = None,
) -> Figures:
    """Measure each once, for it lasts; arguments and errors as of `engine.measure`."""
    say = progress or silent
    model, batch, watch, figures = prepared(name, task, pairs, seed, device, dtype, say, device_map)
    with memory_errors(NO_MEMORY):
        watch.forward()  # the first one is slower
        experiment = Experiment(model, batch)
        circuit = top_circuit(model.graph, eap(experiment), SMALL)
        works: list[tuple[str, float, int, Callable[[], object]]] = [
            (
                f"{part} of {circuit.n_edges} edges",
                aim,
                1,
                _assessing(assess, experiment, circuit, seed),
            )
            for part, (assess, aim) in PARTS.items()
        ]
        works += [
            ("edge pruning, a step", 3, PRUNING_STEPS, lambda: _prune(experiment, seed)),
            ("EAP-IG-activations", 100, 1, lambda: _activations(experiment)),
        ]
        for number, (what, aim, n, work) in enumerate(works):
            say(f"Measuring {what}", number / len(works))
            figures.add(_figure(watch, what, aim, n, work))
    figures.figures[:0] = [
        Figure.of("F, one plain forward pass of the batch", watch.forward_seconds, "s"),
    ]
    return figures


def _figure(watch: Stopwatch, what: str, aim: float, n: int, work: Callable[[], object]) -> Figure:
    ratios, seconds = watch.ratios(work, 1, unit=lambda: (watch.forward() + watch.forward()) / 2)
    return Figure(what, ratios[0] / n, "F", aim=aim, seconds=seconds[0] / n)


def _assessing(
    assess: Assess, experiment: Experiment, circuit: Circuit, seed: int
) -> Callable[[], object]:
    return lambda: finish(assess(experiment, circuit, AssessmentSettings(seed=seed)))


def _prune(experiment: Experiment, seed: int) -> None:
    """The first steps of as many as there are by default."""
    findings = Findings.of(experiment.graph, "edge-pruning", experiment.metric_name)
    for fraction in edge_pruning.find(experiment, findings, Options(seed=seed)):
        if fraction >= PRUNING_STEPS / edge_pruning.STEPS:
            break


def _activations(experiment: Experiment) -> None:
    findings = Findings.of(experiment.graph, "eap-ig-activations", experiment.metric_name)
    finish(eap_ig_activations.find(experiment, findings, Options()))
