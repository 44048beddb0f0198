"""What a circuit scores on a task, in one call, for scripts and the command line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Unpack

from tasks.task import Task
from workbench.base.progress import Progress, silent
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.interventions import interventions_of
from workbench.experiment.prepare import NO_MEMORY, prepare_some
from workbench.experiment.settings import ExperimentSettings, TaskChoices

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Evaluation, Experiment
    from workbench.experiment.interventions import Intervention
    from workbench.experiment.pieces import Pieces, Values
    from workbench.models.model import Model


@dataclass(frozen=True)
class CircuitScore:
    """What a circuit scores, beside the model that it is a part of.

    Attributes:
        clean, corrupted, circuit: mean of the metric over the pairs in the clean run, in the
            corrupted run, and in the circuit with everything outside it corrupted.
        faithfulness: (circuit - corrupted) / (clean - corrupted); None where the model does not
            tell clean from corrupted prompts.
        edges, nodes: kept edges; nodes from which they lead to the logits, the logits included.
        all_edges, all_nodes: of the whole model.
        closed: nothing that the metric depends on is left open.
        accuracy: share of pairs on which the circuit puts the best answer above the best wrong one.
        clean_accuracy: the same in the clean run.
        kl: mean over pairs of KL(model || circuit) at the last position, summed over the
            vocabulary, in nats.
        pairs, dropped: pairs used; pairs left out, which could not be.
        metric, metric_definition, ablation: what was measured and how.
        bos: whether a BOS token stood before the prompts.
        model, task, device, dtype: on what.
        check_difference: of the engine's logits from the model's own, relative to their scale.
        circuit_per_pair, clean_per_pair, corrupted_per_pair: the metric of each pair.
    """

    clean: float
    corrupted: float
    circuit: float
    faithfulness: float | None
    edges: int
    nodes: int
    all_edges: int
    all_nodes: int
    closed: bool
    accuracy: float
    clean_accuracy: float
    kl: float
    pairs: int
    dropped: int
    metric: str
    metric_definition: str
    ablation: str
    bos: bool
    model: str
    task: str
    device: str
    dtype: str
    check_difference: float
    circuit_per_pair: tuple[float, ...]
    clean_per_pair: tuple[float, ...]
    corrupted_per_pair: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)


def evaluate(
    model: Model,
    task: Task | str | os.PathLike[str],
    circuit: Circuit | str | os.PathLike[str],
    *,
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    interventions: Iterable[Intervention | str] | None = None,
    **choices: Unpack[TaskChoices],
) -> CircuitScore:
    """Score a circuit exactly, with everything outside it corrupted.

    More pairs than memory holds at once are run some at a time.

    Args:
        model: from `load_model`.
        task: from `load_task`, or the name or file to load it from.
        circuit: from `load_circuit`, or the file to load it from.
        under: how the task is run; None: by the defaults.
        progress: told what is being done and the fraction done.
        interventions: what is done to the model, clean and corrupted, or their lines of text;
            None: what the circuit's file says.
        choices: settings by their names; `pairs` is of use where `task` is a name or a file.

    Raises:
        WorkbenchError: the circuit is another model's, or the task does not suit the tokenizer.
    """
    settings = ExperimentSettings.of(model, task, under, **choices)
    from workbench.base.failures import memory_errors
    from workbench.engine.score_pieces import cells_of, score_some
    from workbench.formats.chosen import load_chosen

    say = progress or silent
    if isinstance(circuit, str | os.PathLike):
        circuit = load_chosen(circuit, model.graph)
    done = interventions_of(circuit) if interventions is None else interventions
    found = prepare_some(model, task, settings, say, done, beside=cells_of(circuit, model))
    with memory_errors(NO_MEMORY):
        scored = score_some(found, circuit, say)
    for warning in scored.warnings:
        warnings.warn(warning, stacklevel=2)
    return scored.score


def score(experiment: Experiment, circuit: Circuit) -> CircuitScore:
    """Score a circuit of an experiment's model, from nothing."""
    from workbench.engine.evaluator import Evaluator

    value = Evaluator(experiment, circuit).value()
    return circuit_score(experiment, circuit, value, experiment.clean, experiment.corrupted)


def circuit_score(
    experiment: Experiment | Pieces,
    circuit: Circuit,
    value: Evaluation | Values,
    clean: Evaluation | Values,
    corrupted: Evaluation | Values,
) -> CircuitScore:
    """What a circuit scores, of what it and the two runs give."""
    from workbench.metrics.catalogue import find_metric

    model, batch = experiment.model, experiment.batch
    return CircuitScore(
        clean=clean.metric,
        corrupted=corrupted.metric,
        circuit=value.metric,
        faithfulness=faithfulness(value.metric, clean.metric, corrupted.metric),
        edges=circuit.n_edges,
        nodes=len(circuit.reached()),
        all_edges=circuit.graph.n_edges,
        all_nodes=len(circuit.graph.nodes),
        closed=circuit.is_closed,
        accuracy=value.accuracy,
        clean_accuracy=clean.accuracy,
        kl=value.kl,
        pairs=len(value.per_pair),
        dropped=batch.dropped,
        metric=experiment.metric_name,
        metric_definition=find_metric(experiment.metric_name).definition,
        ablation=experiment.ablation,
        bos=batch.prepend_bos,
        model=model.name,
        task=batch.task.name,
        device=model.info.device,
        dtype=model.info.dtype,
        check_difference=model.info.check_difference,
        circuit_per_pair=value.per_pair,
        clean_per_pair=clean.per_pair,
        corrupted_per_pair=corrupted.per_pair,
    )
