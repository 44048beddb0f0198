"""What trying one typed pair costs: in the model, and what a circuit adds to that."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from workbench.benchmarks.figures import Figure
from workbench.benchmarks.stopwatch import Stopwatch
from workbench.circuits.circuit import Circuit
from workbench.engine.pair_trial import try_like
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch


def one_pair(
    experiment: Experiment, watch: Stopwatch, circuit: Circuit, rounds: int
) -> list[Figure]:
    """The first pair as it is tried on the prompt bench: in F of that pair's own clean prompt."""
    model, batch = experiment.model, experiment.batch
    pair = batch.task.pairs[0]
    alone = replace(batch.task, pairs=(pair,))
    bos = batch.prepend_bos
    watch = watch.of(make_batch(alone, model.tokenizer, prepend_bos=bos, device=model.device))
    tried = partial(try_like, experiment, pair)
    times = watch.alternating((watch.forward, tried, partial(tried, circuit)), 4 * rounds)
    in_model = [own / forward for forward, own, _ in times]
    more = [(both - own) / forward for forward, own, both in times]
    note = "F of this one prompt; both prompts run, ranks and top tokens too"
    return [
        Figure.of(
            "trying one typed pair in the model",
            in_model,
            "F",
            aim=1.5,
            seconds=[own for _, own, _ in times],
            note=note,
        ),
        Figure.of(
            f"  what a circuit of {circuit.n_edges} edges adds to that",
            more,
            "F",
            aim=0.5,
            seconds=[both - own for _, own, both in times],
        ),
    ]
