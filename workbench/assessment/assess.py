"""Assessing circuits part by part: in one call for scripts, or as work to be driven."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from tasks.task import Task
from workbench.assessment.ask import ask, ask_together
from workbench.assessment.catalogue import Part, choose_parts
from workbench.assessment.parts.faithfulness import check_numbers
from workbench.assessment.results.assessment import Assessment, CircuitAssessment
from workbench.assessment.settings import AssessmentSettings
from workbench.base.progress import Progress, silent
from workbench.base.text import shown_path
from workbench.base.work import Stop, Work, finish
from workbench.base.work import part as part_of
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.interventions import shared_interventions
from workbench.experiment.prepare import NO_MEMORY, prepare, task_warnings
from workbench.experiment.provenance import now, origin
from workbench.experiment.settings import ExperimentSettings, TaskChoices

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.formats.chosen import FileSelection
    from workbench.models.model import Model


def assess(
    model: Model,
    task: Task | str | os.PathLike[str],
    circuits: Circuit | str | os.PathLike[str] | Sequence[Circuit | str | os.PathLike[str]],
    *,
    parts: Iterable[str] | None = None,
    settings: AssessmentSettings | None = None,
    scores: str | os.PathLike[str] | None = None,
    selection: FileSelection | None = None,
    also_on: Sequence[Task | str | os.PathLike[str]] = (),
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
    **choices: Unpack[TaskChoices],
) -> Assessment:
    """Assess one circuit, or several and how they compare.

    Args:
        model: from `load_model`.
        task: from `load_task`, or the name or file to load it from.
        circuits: from `load_circuit`, or files to load them from.
        parts: names of the catalogue, or `FILE.py:NAME`; None for all.
        settings: of the parts; None for the defaults with this seed.
        scores: a file that `workbench discover --scores` wrote; what it says of every edge takes
            the place of the scores that the circuits bring.
        selection: how circuits are selected from the scores in their files; None: as they are.
        also_on: further tasks, on which the circuits are scored where they are compared.
        under: how the tasks are run; None: by the defaults.
        progress: told what is being done and the fraction done.
        cancel: when it is set, the assessment stops after its present piece, and has the parts that
            are done by then.
        choices: settings by their names; `pairs` is of use where `task` is a name or a file.

    Raises:
        Cancelled: `cancel` was set before any part was done.
        WorkbenchError: there is no such part, a circuit is open or another model's, or the task
            does not suit the tokenizer. A part that cannot be done is no error: its sentence stands
            in `CircuitAssessment.failed`.
    """
    asked = ExperimentSettings.of(model, task, under, **choices)
    from workbench.base.failures import memory_errors

    say = progress or silent
    given = [circuits] if isinstance(circuits, Circuit | str | os.PathLike) else list(circuits)
    chosen = choose_parts(parts, len(given))
    named = _loaded(given, model.graph, selection)
    if scores is not None:
        named = _scored(named, scores, model.graph)
    settings = settings or AssessmentSettings(seed=asked.seed)

    def preparing(message: str, fraction: float | None) -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        say(message, fraction)

    done = shared_interventions(circuit for _, circuit in named)
    experiments = [prepare(model, one, asked, preparing, done) for one in (task, *also_on)]
    experiment = experiments[0]
    check_experiment(experiment)
    clean, corrupted = experiment.clean, experiment.corrupted
    measurable = experiment.faithfulness(clean.metric) is not None
    made = Assessment(
        origin=origin(experiment, settings.seed),
        model_metric=clean.metric,
        corrupted_metric=corrupted.metric,
        n_edges=experiment.graph.n_edges,
        settings=settings,
        circuits=tuple(_begun(name, circuit) for name, circuit in named),
        remarks=task_warnings(experiment.metric_name, clean, corrupted, measurable=measurable),
        created=now(),
    )
    with memory_errors(NO_MEMORY):
        try:
            for one, (name, circuit) in zip(made.circuits, named, strict=True):
                for part in chosen:
                    if not part.compares:
                        tell = partial(say, f"{name}: {part.title.lower()}")
                        finish(add_part(one, part, experiment, circuit, settings), tell, cancel)
            for part in chosen:
                if part.compares:
                    tell = partial(say, part.title)
                    finish(_compare(made, part, experiments, named, settings), tell, cancel)
        except Cancelled:
            if not any(one.results for one in made.circuits):
                raise
            return replace(made, complete=False)
    return made


def assessment(
    experiment: Experiment,
    circuit: Circuit,
    *,
    name: str = "circuit",
    parts: Iterable[str] | None = None,
    settings: AssessmentSettings | None = None,
) -> Work[CircuitAssessment]:
    """All parts for one circuit on runs that are recorded already, as work in pieces.

    Raises:
        WorkbenchError: there is no such part, or the circuit is open or another model's.
    """
    chosen = choose_parts(parts, 1)
    check_circuit(circuit, name, experiment.graph)
    check_experiment(experiment)
    made = _begun(name, circuit)
    whole, done = sum(part.cost for part in chosen), 0.0
    for part in chosen:
        work = add_part(made, part, experiment, circuit, settings or AssessmentSettings())
        yield from part_of(work, done / whole, (done + part.cost) / whole)
        done += part.cost
    return made


def add_part(
    made: CircuitAssessment,
    part: Part,
    experiment: Experiment,
    circuit: Circuit,
    settings: AssessmentSettings,
) -> Work[None]:
    """Do one part and add what it found, or why it found nothing, to an assessment."""
    began = time.perf_counter()
    try:
        made.results[part.name] = yield from ask(part, experiment, circuit, settings)
    except WorkbenchError as error:
        made.failed[part.name] = str(error)
    made.seconds[part.name] = time.perf_counter() - began


def check_circuit(circuit: Circuit, name: str, graph: Graph) -> None:
    """Refuse a circuit of another model, and one that is not finished.

    Raises:
        WorkbenchError: which of the two it is.
    """
    if circuit.graph != graph:
        raise WorkbenchError(
            f"{name} belongs to another model: it has {circuit.graph.n_layers} layers of "
            f"{circuit.graph.n_heads} heads, this model {graph.n_layers} of {graph.n_heads}."
        )
    if not circuit.is_closed:
        raise WorkbenchError(
            f"{name} is open: inputs not yet expanded ({len(circuit.open_reached())}) read the "
            "clean residual, so that no number is its own; expand them or drop their nodes first."
        )


def check_experiment(experiment: Experiment) -> None:
    """Refuse a model whose metric is no number.

    Raises:
        WorkbenchError: of which run, and on how many pairs.
    """
    for run, what in ((experiment.clean, "model"), (experiment.corrupted, "corrupted run")):
        check_numbers(np.array(run.per_pair), what)


def _begun(name: str, circuit: Circuit) -> CircuitAssessment:
    """Of which nothing is known yet."""
    return CircuitAssessment(name, circuit.n_edges, len(circuit.nodes()))


def _compare(
    made: Assessment,
    part: Part,
    experiments: Sequence[Experiment],
    named: Sequence[tuple[str, Circuit]],
    settings: AssessmentSettings,
) -> Work[None]:
    """Add what a comparing part found, or why it found nothing."""
    try:
        made.compared[part.name] = yield from ask_together(part, experiments, named, settings)
    except WorkbenchError as error:
        made.failed[part.name] = str(error)


def _scored(
    named: list[tuple[str, Circuit]], path: str | os.PathLike[str], graph: Graph
) -> list[tuple[str, Circuit]]:
    """The circuits with the scores of a file of findings."""
    from workbench.discovery.findings_file import load_findings

    findings, _ = load_findings(path, graph)
    if np.isnan(findings.edges[all_edges(graph)]).any():
        raise WorkbenchError(
            f"{shown_path(path)} has no score for some edges: {findings.method} scores nodes, or "
            "was stopped before its end."
        )
    return [(name, replace(circuit, scores=findings.edges)) for name, circuit in named]


def _loaded(
    given: Sequence[Circuit | str | os.PathLike[str]],
    graph: Graph,
    selection: FileSelection | None,
) -> list[tuple[str, Circuit]]:
    """Each circuit with a name for it: its file's, with the folder where two are called alike."""
    from workbench.formats.chosen import load_chosen

    stems = [None if isinstance(one, Circuit) else Path(one).stem for one in given]
    named = []
    for i, (one, stem) in enumerate(zip(given, stems, strict=True)):
        if isinstance(one, Circuit):
            name, circuit = f"circuit {i + 1}", one
        else:
            name = str(stem) if stems.count(stem) == 1 else shown_path(one)
            circuit = load_chosen(one, graph, selection)
        check_circuit(circuit, name, graph)
        named.append((name, circuit))
    return named
