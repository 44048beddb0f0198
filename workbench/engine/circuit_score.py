"""What a circuit scores on an experiment's pairs, beside the model that it is a part of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.experiment.faithfulness import faithfulness

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Evaluation, Experiment
    from workbench.experiment.pieces import Pieces, Values


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
        at_roles: of the kept edges, those that are kept at some token roles only.
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
    at_roles: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)


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
        at_roles=len(circuit.at.kept),
    )
