"""The figures that the workbench is held to, measured on any model and task.

All times are multiples of F, one plain forward pass by transformers of the same batch in the same
run; B is one backward pass without gradients of parameters.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.benchmarks.figures import Figure, Figures
from workbench.benchmarks.one_pair import one_pair
from workbench.benchmarks.stopwatch import Stopwatch, peak_memory, resident
from workbench.benchmarks.toggles import (
    AIMS,
    EARLY,
    EARLY_AIMS,
    among_its_nodes,
    differing_early,
    toggle_figures,
    toggled_edges,
)
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import LOGITS, Graph
from workbench.discovery.estimates import eap
from workbench.discovery.findings import Findings
from workbench.discovery.selection import Selection, select
from workbench.engine.effect_settings import ALONG, FULL
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY, load_task
from workbench.experiment.provenance import versions
from workbench.models.folder import sharing_weights
from workbench.models.model import Model, load_model, read_model
from workbench.prompts.batch import Batch, make_batch

SMALL, LARGE = 200, 1000
"""Edges of the two circuits that are toggled in."""

LONG = 10_000
"""Toggles of the long run."""


@dataclass
class Bench:
    """What is measured on.

    Attributes:
        model: loaded, with `watch`'s plain model sharing its weights.
        batch: the task's pairs.
        experiment: both runs, recorded.
        scores: EAP's, [source, destination].
        circuits: of about `SMALL` and `LARGE` edges.
        watch: the stopwatch.
    """

    model: Model
    batch: Batch
    experiment: Experiment
    scores: NDArray[np.float32]
    circuits: dict[int, Circuit]
    watch: Stopwatch


def measure(
    name: str,
    task: str = "ioi",
    *,
    pairs: int = 32,
    seed: int = 0,
    device: str | None = None,
    device_map: str | None = None,
    dtype: str | None = None,
    rounds: int = 5,
    long: bool = False,
    progress: Progress | None = None,
) -> Figures:
    """Measure the engine.

    Args:
        name: as for `load_model`.
        task, pairs, seed: as for `load_task`.
        device, dtype: as for `load_model`.
        rounds: how often each item is timed.
        long: also 10,000 toggles: drift and memory.
        progress: told what is being measured.

    Raises:
        WorkbenchError: the model or task cannot be loaded, or there is too little memory.
    """
    say = progress or silent
    model, batch, watch, figures = prepared(name, task, pairs, seed, device, dtype, say, device_map)
    with memory_errors(NO_MEMORY):
        say("Measuring memory", None)
        with peak_memory(model.device) as peak:
            bench = _once(model, batch, watch, seed)
        for work in (bench.watch.forward, bench.watch.backward):
            work()  # the first one is slower
        items: list[tuple[str, Callable[[], Sequence[Figure]]]] = [
            ("toggles", lambda: _toggles(bench, seed, rounds)),
            ("prompts that differ early", lambda: _early(bench, rounds, seed)),
            ("evaluations", lambda: _evaluations(bench, rounds, seed)),
            ("EAP", lambda: _eap(bench, rounds)),
            ("effects into the logits", lambda: _into_logits(bench, rounds)),
            ("effects into one head", lambda: _into_heads(bench)),
            (
                "one typed pair",
                lambda: one_pair(bench.experiment, watch, bench.circuits[SMALL], rounds),
            ),
        ]
        for number, (what, item) in enumerate(items):
            say(f"Measuring {what}", number / len(items))
            for figure in item():
                figures.add(figure)
        figures.add(
            Figure(
                "peak memory of all this above the loaded model",
                peak.bytes / 2**20,
                "MiB",
                aim=2048,
                note="recording, EAP, circuits, toggles and effects, once each",
            )
        )
        if long:
            for figure in _long(bench, seed, say):
                figures.add(figure)
    forward, backward = watch.forward_seconds, watch.backward_seconds
    figures.figures[:0] = [
        Figure.of("F, one plain forward pass of the batch", forward, "s", percentile=True),
        Figure.of("B, one backward pass without parameter gradients", backward, "s"),
    ]
    return figures


def prepared(
    name: str,
    task: str,
    pairs: int,
    seed: int,
    device: str | None,
    dtype: str | None,
    say: Progress,
    device_map: str | None = None,
) -> tuple[Model, Batch, Stopwatch, Figures]:
    """A model, a batch, a stopwatch that times the plain model beside it, and no figures yet."""
    if device_map is None:
        hf_model, tokenizer, where = read_model(name, device=device, dtype=dtype, progress=say)
        plain = sharing_weights(hf_model)
        model = Model.from_hf(hf_model, tokenizer, name=name, where=where, progress=say)
    else:
        model = load_model(name, device=device, dtype=dtype, device_map=device_map, progress=say)
        plain, tokenizer = model.hf, model.tokenizer
    made = load_task(task, model, pairs=pairs, seed=seed)
    batch = make_batch(made, tokenizer, device=model.device)
    watch = Stopwatch(plain, batch, model.device)
    return model, batch, watch, Figures(_about(model, batch, made.metric))


def _about(model: Model, batch: Batch, metric: str) -> dict[str, object]:
    info = model.info
    return {
        "model": f"{info.name} ({info.family}, {info.layers} layers of {info.heads} heads)",
        "parameters": info.parameters,
        "edges": info.edges,
        "device": info.device,
        "dtype": info.dtype,
        "task": f"{batch.task.name}, {batch.n_pairs} pairs of "
        f"{', '.join(str(group.length) for group in batch.groups)} tokens, {metric}",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores",
        "versions": ", ".join(f"{package} {version}" for package, version in versions().items()),
    }


def _once(model: Model, batch: Batch, watch: Stopwatch, seed: int) -> Bench:
    """Everything once: it is what the memory is measured of, and what the timings start from."""
    experiment = Experiment(model, batch, metric="logit_diff")
    scores = eap(experiment)
    circuits = {n: top_circuit(model.graph, scores, n) for n in (SMALL, LARGE)}
    bench = Bench(model, batch, experiment, scores, circuits, watch)
    for circuit in (*circuits.values(), Circuit.full(model.graph), random_half(model.graph, seed)):
        Evaluator(experiment, circuit).value()
    for circuit in circuits.values():
        evaluator = Evaluator(experiment, circuit)
        for edge in toggled_edges(circuit, random.Random(seed), 5):
            evaluator.commit(Edit(toggle=(edge,)))
    evaluator = Evaluator(experiment, circuits[SMALL])
    _run_effects(evaluator, _edges_into(model.graph, LOGITS), FULL)
    for _, edges in _heads(circuits[SMALL])[-1:]:
        _run_effects(evaluator, edges, ALONG)
    return bench


def top_circuit(graph: Graph, scores: NDArray[np.float32], n_edges: int) -> Circuit:
    """The edges of largest |score|, dead ends pruned, about `n_edges` of them.

    As many as make the circuit come nearest to `n_edges` from below, or the first that has any
    edge.
    """
    found = Findings(graph, "eap", scores)
    selected = select(found, Selection("top", n_edges, fill=True))
    if selected.kept == 0:
        selected = select(found, Selection("top", selected.chosen + 1))
    if selected.kept == 0:
        raise WorkbenchError(f"EAP finds no circuit of about {n_edges} edges in this model.")
    return selected.circuit


def random_half(graph: Graph, seed: int) -> Circuit:
    """A circuit of half of all edges."""
    real = all_edges(graph)
    return Circuit(graph, real & (np.random.default_rng(seed).random(real.shape) < 0.5))


def _toggles(bench: Bench, seed: int, rounds: int) -> list[Figure]:
    figures = []
    for n in (SMALL, LARGE):
        circuit = bench.circuits[n]
        figures += toggle_figures(
            bench.experiment, bench.watch, circuit, seed, rounds, AIMS if n == SMALL else {}
        )
    return figures


def _early(bench: Bench, rounds: int, seed: int) -> list[Figure]:
    """The same of prompts that differ from the first token on, so that nothing is shared."""
    batch = differing_early(bench.batch)
    experiment = Experiment(bench.model, batch, metric="logit_diff")
    circuit = top_circuit(bench.model.graph, eap(experiment), SMALL)
    measured = experiment, bench.watch, circuit, seed, rounds
    figures = toggle_figures(*measured, EARLY_AIMS, EARLY)
    graph = bench.model.graph
    for label, one, aim in (
        (f"{circuit.n_edges} edges", circuit, 0.36),
        ("all edges", Circuit.full(graph), 1.1),
        ("a random half", random_half(graph, seed), 1.6),
    ):
        ratios, seconds = bench.watch.ratios(partial(value_of, experiment, one), rounds)
        name = f"from nothing: {label}{EARLY}"
        figures.append(Figure.of(name, ratios, "F", aim=aim, seconds=seconds))
    return figures


def _evaluations(bench: Bench, rounds: int, seed: int) -> list[Figure]:
    graph = bench.model.graph
    small, large = bench.circuits[SMALL], bench.circuits[LARGE]
    figures = []
    for label, circuit, aim in (
        (f"{small.n_edges} edges", small, 0.5),
        (f"{large.n_edges} edges", large, 0.8),
        ("all edges", Circuit.full(graph), 1.3),
        ("a random half of all edges", random_half(graph, seed), 3.0),
    ):
        ratios, seconds = bench.watch.ratios(partial(value_of, bench.experiment, circuit), rounds)
        name = f"evaluating from nothing: {label}"
        figures.append(Figure.of(name, ratios, "F", aim=aim, seconds=seconds))
    return figures


def value_of(experiment: Experiment, circuit: Circuit) -> float:
    """A circuit's metric, evaluated from nothing."""
    return Evaluator(experiment, circuit).value().metric


def _eap(bench: Bench, rounds: int) -> list[Figure]:
    watch = bench.watch

    def unit() -> float:
        return watch.forward() + watch.forward() + watch.backward()

    def everything() -> None:
        eap(Experiment(bench.model, bench.batch, metric="logit_diff"))

    ratios, seconds = watch.ratios(everything, rounds, unit=unit)
    return [
        Figure.of(
            "EAP for all edges",
            ratios,
            "2F+B",
            aim=1.5,
            seconds=seconds,
            note="both runs recorded anew",
        )
    ]


def _into_logits(bench: Bench, rounds: int) -> list[Figure]:
    edges = _edges_into(bench.model.graph, LOGITS)
    evaluator = Evaluator(bench.experiment, bench.circuits[SMALL])
    ratios, seconds = bench.watch.ratios(partial(_run_effects, evaluator, edges, FULL), rounds)
    name = f"exact effects of all {len(edges)} edges into the logits, in all"
    return [Figure.of(name, ratios, "F", aim=0.5, seconds=seconds)]


def _into_heads(bench: Bench) -> list[Figure]:
    """An early, a middle and a late head, once each: that is some thousand edges."""
    circuit = bench.circuits[SMALL]
    evaluator = Evaluator(bench.experiment, circuit)
    figures = []
    for head, edges in _heads(circuit):
        ratios, seconds = bench.watch.ratios(partial(_run_effects, evaluator, edges, ALONG), 1)
        figures.append(
            Figure.of(
                f"exact effects along the circuit into {head}, an edge",
                [ratio / len(edges) for ratio in ratios],
                "F",
                aim=0.05,
                seconds=[taken / len(edges) for taken in seconds],
                note=f"all {len(edges)} edges into its q, k and v, batched",
            )
        )
    return figures


def _heads(circuit: Circuit) -> list[tuple[str, list[str]]]:
    """The first, middle and last head of a circuit past layer 0, with all edges into it."""
    graph = circuit.graph
    heads = [node for node in circuit.nodes() if graph.is_head(node) and graph.layer_of(node) > 0]
    chosen = dict.fromkeys(heads[place] for place in (0, len(heads) // 2, -1)) if heads else {}
    return [(head, _edges_into(graph, head)) for head in chosen]


def _edges_into(graph: Graph, node: str) -> list[str]:
    return [
        graph.edge_name(source, graph.destination_index(destination))
        for destination in graph.destinations_of(node)
        for source in range(graph.n_parents(graph.destination_index(destination)))
    ]


def _run_effects(evaluator: Evaluator, edges: Sequence[str], setting: str) -> None:
    for _ in edge_effects(evaluator, edges, setting):
        pass


def _long(bench: Bench, seed: int, say: Progress) -> list[Figure]:
    """Thousands of toggles in one evaluator: does it forget, does it grow?"""
    circuit = bench.circuits[SMALL]
    generator = random.Random(seed)
    evaluator = Evaluator(bench.experiment, circuit)
    edges = toggled_edges(circuit, generator, LONG // 20)
    inside = np.argwhere(among_its_nodes(circuit))
    edges += [circuit.graph.edge_name(int(s), int(d)) for s, d in inside]
    early = 0
    for number in range(LONG):
        evaluator.commit(Edit(toggle=(generator.choice(edges),)))
        if number == LONG // 10:
            early = resident()
        if number % 100 == 0:
            say(f"Toggling {LONG:,} times", number / LONG)
    late = resident()
    kept = evaluator.value().metric
    fresh = Evaluator(bench.experiment, evaluator.circuit).value().metric
    return [
        Figure(
            f"metric after {LONG:,} toggles, off a fresh evaluation by",
            abs(kept - fresh),
            "",
            aim=1e-4,
        ),
        Figure(
            f"memory grown between the {LONG // 10:,}th and the last of them",
            (late - early) / 2**20,
            "MiB",
            aim=16.0,
        ),
    ]
