"""What discovery and assessment cost, as multiples of plain passes of the same batch.

F is one plain forward pass by transformers, B one backward pass without gradients of parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from workbench.assessment.parts import chance, minimality
from workbench.assessment.settings import AssessmentSettings
from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import Work, finish
from workbench.benchmarks.engine import SMALL, prepared, top_circuit
from workbench.benchmarks.figures import Figure, Figures
from workbench.benchmarks.stopwatch import Stopwatch, peak_memory
from workbench.discovery.estimates import estimates
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.scoring import streamed_scores
from workbench.discovery.methods import acdc, acdc_sequential, eap, eap_ig
from workbench.discovery.options import Options
from workbench.engine.kept_edges import is_kept
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY, prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model, load_model
from workbench.prompts.batch import Batch

STEPS = 5
"""Of EAP-IG."""

THRESHOLD_SHARE = 0.02
"""ACDC's first threshold, as a share of what corrupting the prompts does to the metric."""

FORWARD_SECONDS = 20.0
"""Of a search, between two plain forward passes."""

SEARCH_SECONDS = 900.0
"""A search that takes longer is stopped, and measured as far as it came."""

SHARE_WITH_SEQUENTIAL = 0.02
"""Of the edges, those on which the sequential loop is timed on a GPU."""

SMALL_MODEL, SMALL_TASK, SMALL_PAIRS = "pocket", "greater-than", 8
"""Four layers, on which ACDC is held to the sequential loop."""


def measure_discovery(
    name: str,
    task: str = "ioi",
    *,
    pairs: int = 16,
    seed: int = 0,
    device: str | None = None,
    device_map: str | None = None,
    dtype: str | None = None,
    rounds: int = 5,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> Figures:
    """Measure everything.

    Args:
        name, task, pairs, seed, device, dtype, rounds: as for `engine.measure`.
        threshold: ACDC's; None: a share of what corrupting the prompts does to the metric.
        progress: told what is being measured.

    Raises:
        WorkbenchError: the model or task cannot be loaded, or there is too little memory.
    """
    say = progress or silent
    model, batch, watch, figures = prepared(name, task, pairs, seed, device, dtype, say, device_map)
    with memory_errors(NO_MEMORY):
        say("Measuring EAP", None)
        watch.forward()
        watch.backward()
        figures.add(_memory(model, batch))
        for figure in _gradients(model, batch, watch, rounds):
            figures.add(figure)
        experiment = Experiment(model, batch)
        for figure in _assessment(experiment, watch, seed, say):
            figures.add(figure)
        if threshold is None:
            span = abs(experiment.clean.metric - experiment.corrupted.metric)
            threshold = THRESHOLD_SHARE * span
        for figure in _acdc(experiment, watch, threshold, say):
            figures.add(figure)
        say("Comparing ACDC with the sequential loop", None)
        for figure in _agreement():
            figures.add(figure)
    figures.figures[:0] = [
        Figure.of("F, one plain forward pass of the batch", watch.forward_seconds, "s"),
        Figure.of("B, one backward pass without parameter gradients", watch.backward_seconds, "s"),
    ]
    return figures


def _eap(model: Model, batch: Batch) -> None:
    finish(streamed_scores(model, batch, eap.scorer(Options())))


def _memory(model: Model, batch: Batch) -> Figure:
    copies = copies_bytes(model, batch)
    with peak_memory(model.device) as peak:
        _eap(model, batch)
    return Figure(
        "peak memory of EAP above the loaded model",
        peak.bytes / 2**20,
        "MiB",
        aim=copies / 3 / 2**20,
        note="both runs included; the aim is a third of a copy of every source for both runs",
    )


def copies_bytes(model: Model, batch: Batch) -> int:
    """What one value [pair, position, d_model] of every source takes, for both runs."""
    parts = model.parts
    tokens = sum(group.clean.numel() for group in batch.groups)
    element = parts.w_u.element_size()
    return 2 * model.graph.n_sources * tokens * parts.d_model * element


def _gradients(model: Model, batch: Batch, watch: Stopwatch, rounds: int) -> list[Figure]:
    ig = eap_ig.scorer(Options(steps=STEPS))
    figures = []
    for label, work, unit, forwards, backwards in (
        ("EAP for all edges", partial(_eap, model, batch), "2F+B", 2, 1),
        (
            f"EAP-IG with {STEPS} steps",
            lambda: finish(streamed_scores(model, batch, ig)),
            f"2F+{STEPS}(F+B)",
            2 + STEPS,
            STEPS,
        ),
    ):

        def measured(forwards: int = forwards, backwards: int = backwards) -> float:
            """Two of each, since one may be off."""
            forward = (watch.forward() + watch.forward()) / 2
            backward = (watch.backward() + watch.backward()) / 2
            return forwards * forward + backwards * backward

        work()
        ratios, seconds = watch.ratios(work, rounds, unit=measured)
        note = "both runs recorded anew"
        figures.append(Figure.of(label, ratios, unit, aim=1.3, seconds=seconds, note=note))
    return figures


def _assessment(experiment: Experiment, watch: Stopwatch, seed: int, say: Progress) -> list[Figure]:
    say("Measuring the assessment", None)
    circuit = top_circuit(experiment.graph, estimates(experiment), SMALL)
    settings = AssessmentSettings(seed=seed)

    def whole(assess: Callable[..., Work[object]]) -> tuple[float, float]:
        """In F and in seconds."""
        before = (watch.forward() + watch.forward()) / 2
        taken = watch.seconds(lambda: finish(assess(experiment, circuit, settings)))
        after = (watch.forward() + watch.forward()) / 2
        return taken / ((before + after) / 2), taken

    ratio, taken = whole(minimality.assess_part)
    figures = [
        Figure(
            f"minimality of all {circuit.n_edges} edges and their nodes, in all",
            ratio,
            "F",
            aim=20,
            seconds=taken,
            note="exact",
        )
    ]
    ratio, taken = whole(chance.assess_part)
    n = 2 * settings.n_random
    figures.append(
        Figure(
            f"a random circuit of its size or shape ({n} of them)",
            ratio / n,
            "F",
            aim=0.5,
            seconds=taken / n,
            note="drawing it included",
        )
    )
    return figures


def _acdc(
    experiment: Experiment, watch: Stopwatch, threshold: float, say: Progress
) -> list[Figure]:
    findings = Findings.of(experiment.graph, "acdc", experiment.metric_name)
    options = Options(threshold=threshold)
    taken, forwards, rates = 0.0, [watch.forward()], []
    looked, seconds = 0, 0.0
    work = acdc.find(experiment, findings, options)
    while True:
        began = time.perf_counter()
        fraction = next(work, None)
        seconds += time.perf_counter() - began
        if fraction is None or seconds > FORWARD_SECONDS:
            forwards.append(watch.forward())
            if findings.tried > looked:
                forward = (forwards[-1] + forwards[-2]) / 2
                rates.append(seconds / (findings.tried - looked) / forward)
            taken, seconds, looked = taken + seconds, 0.0, findings.tried
            say("Measuring ACDC", fraction)
        if fraction is None or taken > SEARCH_SECONDS:
            break
    assert findings.kept is not None
    tried = max(1, findings.tried)
    figures = [
        Figure(
            f"ACDC, an edge tried ({findings.tried:,} tried, {int(findings.kept.sum()):,} kept)",
            taken / tried / float(np.mean(forwards)),
            "F",
            low=min(rates, default=None),
            high=max(rates, default=None),
            aim=0.3,
            seconds=taken / tried,
            note=f"signed, on the task's metric, threshold {threshold:.4g}"
            + ("" if fraction is None else "; stopped on the way, what it had not tried is kept"),
        )
    ]
    if experiment.parts.device.type != "cpu":
        figures.append(_beside_sequential(experiment, options))
    return figures


def _beside_sequential(experiment: Experiment, options: Options) -> Figure:
    """Both on the same first edges of the search."""
    share = SHARE_WITH_SEQUENTIAL

    def seconds_an_edge(find: Callable[..., Work[None]]) -> float:
        findings = Findings.of(experiment.graph, "acdc", experiment.metric_name)
        began = time.perf_counter()
        for fraction in find(experiment, findings, options):
            if fraction >= share:
                break
        return (time.perf_counter() - began) / max(1, findings.tried)

    ratio = seconds_an_edge(acdc.find) / seconds_an_edge(acdc_sequential.find)
    note = f"an edge tried, over the first {share:.0%} of the search"
    return Figure("ACDC beside the sequential loop", ratio, "x", aim=1 / 20, note=note)


def _agreement() -> list[Figure]:
    """On how many edges ACDC and the sequential loop disagree, on a small model."""
    settings = ExperimentSettings(SMALL_MODEL, SMALL_TASK, pairs=SMALL_PAIRS)
    experiment = prepare(load_model(settings.model), settings.task, settings)
    span = abs(experiment.clean.metric - experiment.corrupted.metric)
    figures = []
    for absolute in (False, True):
        options = Options(threshold=0.005 * span, absolute=absolute)
        ours = _kept(experiment, acdc.find, options)
        theirs = _kept(experiment, acdc_sequential.find, options)
        figures.append(
            Figure(
                f"edges kept by one of ACDC and the sequential loop, "
                f"{'absolute' if absolute else 'signed'}",
                float((ours != theirs).sum()),
                "",
                aim=0,
                note=f"{SMALL_MODEL}, {SMALL_TASK}; {int(theirs.sum())} are kept by the loop",
            )
        )
    return figures


def _kept(
    experiment: Experiment, find: Callable[..., Work[None]], options: Options
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    findings = Findings.of(experiment.graph, "acdc", experiment.metric_name)
    finish(find(experiment, findings, options))
    assert findings.kept is not None
    return is_kept(findings.kept)
