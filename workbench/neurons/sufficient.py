"""Which neurons of an MLP are enough: the fewest of the best that reach a faithfulness.

The neurons are ranked by the size of their effects. Of ever more of the best of them the circuit's
exact faithfulness is computed, doubling and then halving the step, so that about 2 log2(neurons)
circuits are evaluated; where some of the neurons lower the faithfulness this finds one crossing,
not for certain the first. Then those are dropped, the least needed first, without which the
faithfulness still holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Work, finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import neuron_name
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.narrowed import all_neurons
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.neurons.listing import layer_of, neuron_list
from workbench.neurons.results import Sufficient

TRIMMED = 64
"""Of more neurons than these none is tried to be dropped again: that takes a run each."""
LOST = 0.01
"""Share of the faithfulness with all neurons that may be lost, where none is asked for."""


def sufficient(
    experiment: Experiment,
    circuit: Circuit,
    mlp: str,
    ranked: Sequence[int],
    faithfulness: float | None = None,
) -> Work[Sufficient]:
    """The neurons of an MLP that are enough in a circuit.

    Args:
        circuit: of which all else stays as it is; what it keeps of this MLP now plays no part.
        ranked: the MLP's neurons, the best first; those that are not named are never kept.
        faithfulness: what is to be reached; None: 0.99 of what the circuit has with all neurons.

    Raises:
        WorkbenchError: the circuit has no faithfulness, or does not reach what is asked with all
            of the neurons.
    """
    layer = layer_of(experiment.graph, mlp)
    every = tuple(all_neurons(experiment.parts, layer))
    base = circuit.copy()
    base.neurons = {name: kept for name, kept in base.neurons.items() if name != mlp}
    evaluator = Evaluator(experiment, base)
    whole = experiment.faithfulness(evaluator.value().metric)
    if whole is None:
        raise WorkbenchError(
            "The metric is the same on clean and corrupted prompts: there is no faithfulness."
        )
    if faithfulness is not None and not math.isfinite(faithfulness):
        raise WorkbenchError(f"{faithfulness} is no faithfulness: ask for a number, such as 0.9.")
    asked = whole - LOST * abs(whole) if faithfulness is None else faithfulness
    if whole < asked:
        raise WorkbenchError(
            f"With all of {mlp}'s neurons the circuit's faithfulness is {whole:.4f}: ask for no "
            "more than that."
        )

    def reached(kept: Sequence[int]) -> float:
        tried = base.copy()
        tried.neurons = {**base.neurons, mlp: tuple(sorted(kept))}
        value = experiment.faithfulness(evaluator.become(tried).metric)
        assert value is not None
        return value

    low, high = 0, 0
    while high < len(ranked) and reached(ranked[:high]) < asked:
        low, high = high, min(len(ranked), max(1, 2 * high))
        yield 0.3 * high / len(ranked)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(ranked[:middle]) >= asked else (middle, high)
        yield 0.5
    kept = list(ranked[:high])
    if reached(kept) < asked:
        kept = list(every)
    if len(kept) <= TRIMMED:
        kept = yield from _trimmed(experiment, evaluator, mlp, kept, asked)
    return Sufficient(mlp, tuple(sorted(kept)), len(every), asked, reached(kept), whole)


def _trimmed(
    experiment: Experiment, evaluator: Evaluator, mlp: str, kept: list[int], asked: float
) -> Work[list[int]]:
    """The same without those that can be done without.

    Each round drops, of the neurons by how little they cost alone, the longest run that can go
    together.
    """

    def without(sets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        edits = [Edit(neurons=tuple(neuron_name(mlp, n) for n in one)) for one in sets]
        values = [experiment.faithfulness(float(m)) for m in evaluator.what_if(edits).mean(axis=1)]
        return np.array([-np.inf if value is None else value for value in values])

    start = len(kept)
    while kept:
        circuit = evaluator.circuit.copy()
        circuit.neurons = {**circuit.neurons, mlp: tuple(sorted(kept))}
        evaluator.become(circuit)
        singly = without([(n,) for n in kept])
        order = [kept[i] for i in np.argsort(-singly, kind="stable") if singly[i] >= asked]
        if not order:
            break
        together = without([order[: i + 1] for i in range(len(order))])
        gone = order[: max(1, int(np.flatnonzero(together >= asked).max()) + 1)]
        kept = [n for n in kept if n not in gone]
        yield 0.5 + 0.5 * (1 - len(kept) / start)
    return kept


def sufficient_neurons(
    experiment: Experiment, circuit: Circuit, mlp: str, faithfulness: float | None = None
) -> Sufficient:
    """As `sufficient`, with the neurons ranked by their estimated effects.

    `circuit.neurons[mlp] = found.neurons` then narrows the circuit to them.
    """
    listed = finish(neuron_list(experiment, mlp))
    ranked = [row.neuron for row in listed.sorted_by("effect")]
    return finish(sufficient(experiment, circuit, mlp, ranked, faithfulness))
