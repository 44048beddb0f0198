"""A page on a GPU, to hand back: what is worth knowing of it, measured by one command.

The same few figures of a model in float32 and bfloat16, and of a model of Llama-3.1-8B's shape with
random weights: a toggle, EAP, a circuit from nothing, ACDC beside its loop, memory beside what was
predicted, and that the numbers are those of the CPU.
"""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import Work
from workbench.base.write_file import write_whole
from workbench.benchmarks.engine import (
    LARGE,
    SMALL,
    Bench,
    top_circuit,
    value_of,
)
from workbench.benchmarks.figures import Figure
from workbench.benchmarks.stopwatch import Stopwatch, peak_memory
from workbench.benchmarks.toggles import TOGGLES, toggle_times
from workbench.discovery.estimates import eap
from workbench.discovery.findings import Findings
from workbench.discovery.methods import acdc, acdc_sequential
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY, load_task
from workbench.experiment.provenance import now, versions
from workbench.experiment.room import Shape
from workbench.model_report.footprint import predict
from workbench.models.device import choose_device, devices, free_memory
from workbench.models.folder import sharing_weights
from workbench.models.model import Model, read_model
from workbench.prompts.batch import Batch, make_batch

TASK, PAIRS = "ioi", 16

LLAMA = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
"""Llama-3.1-8B's shape."""

LLAMA_BYTES = 24 * 2**30
"""Free memory from which it is measured: 16 GB of weights, and room to work."""

TRIED = 400
"""Edges that ACDC and the loop try for their times."""

COMPARED_BYTES = 4 * 2**30
"""Weights up to which a model is also run on the CPU, to compare the numbers."""

NO_GPU = (
    "There is no GPU here that torch sees, so there is nothing to report: run this where there is "
    "one, with a build of torch for it."
)


def write_gpu_report(
    name: str,
    path: str | os.PathLike[str],
    *,
    rounds: int = 5,
    progress: Progress | None = None,
) -> None:
    """Measure a model, and one of Llama-3.1-8B's shape, on the GPU here; write the page.

    Args:
        name: as for `load_model`.
        path: of the page, Markdown; it is replaced.
        rounds: how often each item is timed; medians are reported.
        progress: told what is being measured.

    Raises:
        WorkbenchError: there is no GPU, or the model cannot be loaded.
    """
    device, say = gpu(), progress or silent
    lines = [
        "# A GPU report of the circuit workbench",
        "",
        f"{now()}. {'; '.join(one for one in devices() if one != 'cpu')}. "
        + ", ".join(f"{package} {version}" for package, version in versions().items())
        + ".",
    ]
    for dtype in ("float32", "bfloat16"):
        say(f"Reading {name} in {dtype}", None)
        hf, tokenizer, _ = read_model(name, device=device, dtype=dtype, progress=say)
        lines += section(hf, tokenizer, f"{name}, {dtype}", rounds, say)
        del hf
    free = free_memory(torch.device(device))
    if free < LLAMA_BYTES:
        lines += [
            "",
            "## A random model of Llama-3.1-8B's shape, bfloat16",
            "",
            f"Left out: {free / 2**30:.0f} GiB are free, and it takes {LLAMA_BYTES / 2**30:.0f}.",
        ]
    else:
        say("Making a random model of Llama-3.1-8B's shape", None)
        hf = random_llama(LLAMA, torch.device(device), torch.bfloat16)
        title = "A random model of Llama-3.1-8B's shape, bfloat16"
        lines += section(hf, tokenizer, title, rounds, say)
    write_whole(path, "\n".join([*lines, ""]))


def gpu() -> str:
    """The name of this machine's GPU for `load_model`.

    Raises:
        WorkbenchError: there is none.
    """
    found = choose_device()
    if found.type == "cpu":
        raise WorkbenchError(NO_GPU)
    return str(found)


def random_llama(shape: dict[str, Any], device: torch.device, dtype: torch.dtype) -> Any:
    """A Llama of such a shape with random weights, made on the device it is to run on."""
    from transformers import LlamaConfig, LlamaForCausalLM

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made = LlamaForCausalLM(LlamaConfig(**shape))
    finally:
        torch.set_default_dtype(before)
    return made.eval().requires_grad_(False)


def section(hf: Any, tokenizer: Any, title: str, rounds: int, say: Progress) -> list[str]:
    """The lines of one model; what fails is said in its place."""
    try:
        with memory_errors(NO_MEMORY):
            body = [figure.line() for figure in measured(hf, tokenizer, title, rounds, say)]
    except WorkbenchError as error:
        body = [str(error)]
    return ["", f"## {title}", "", "```", *body, "```"]


def measured(hf: Any, tokenizer: Any, title: str, rounds: int, say: Progress) -> Iterator[Figure]:
    """The figures of a transformers model, where it is."""
    plain = sharing_weights(hf)
    model = Model.from_hf(hf, tokenizer, name=title, progress=say)
    batch = make_batch(load_task(TASK, model, pairs=PAIRS), tokenizer, device=model.device)
    watch = Stopwatch(plain, batch, model.device)
    for work in (watch.forward, watch.backward):
        work()  # the first one is slower
    say(f"{title}: EAP and memory", None)
    with peak_memory(model.device) as peak:
        experiment = Experiment(model, batch)
        scores = eap(experiment)
    circuits = {n: top_circuit(model.graph, scores, n) for n in (SMALL, LARGE)}
    bench = Bench(model, batch, experiment, scores, circuits, watch)
    say(f"{title}: toggles", None)
    for circuit in circuits.values():
        edges = [str(edge) for edge in circuit.edges()]
        chosen = random.Random(0).sample(edges, min(TOGGLES, len(edges)))
        ratios, seconds = toggle_times(bench.experiment, bench.watch, circuit, chosen)
        what = f"toggling a kept edge of {circuit.n_edges}"
        milliseconds = [1000 * taken for taken in seconds]
        aim = 10 if circuit is circuits[SMALL] else None
        yield Figure.of(what, milliseconds, "ms", percentile=True, aim=aim)
        yield Figure.of(what, ratios, "F", percentile=True)
    say(f"{title}: circuits from nothing, EAP", None)
    large = circuits[LARGE]
    ratios, _ = watch.ratios(partial(value_of, experiment, large), rounds)
    yield Figure.of(f"from nothing: {large.n_edges} edges", ratios, "F", aim=1)
    ratios, _ = watch.ratios(
        lambda: eap(Experiment(model, batch)),
        rounds,
        unit=lambda: watch.forward() + watch.forward() + watch.backward(),
    )
    yield Figure.of("EAP, both runs recorded anew", ratios, "2F+B", aim=1.3)
    say(f"{title}: ACDC beside its loop", None)
    span = abs(experiment.clean.metric - experiment.corrupted.metric)
    yield beside_its_loop(experiment, Options(threshold=0.02 * span), TRIED)
    footprint = predict(
        model.parts, [Shape(len(g.indices), g.length, g.first_difference) for g in batch.groups]
    )
    predicted = (footprint.runs + footprint.probabilities + footprint.eap) / 2**20
    note = f"predicted {predicted:.0f} MiB"
    yield Figure("peak memory of both runs and EAP", peak.bytes / 2**20, "MiB", note=note)
    yield Figure.of("F", watch.forward_seconds, "s", percentile=True)
    yield Figure.of("B", watch.backward_seconds, "s")
    weights = sum(weight.nbytes for weight in hf.parameters())
    if model.device.type != "cpu" and weights <= COMPARED_BYTES:
        say(f"{title}: the same on the CPU", None)
        yield from as_on_the_cpu(bench, hf, tokenizer)


def beside_its_loop(experiment: Experiment, options: Options, tried: int) -> Figure:
    """Seconds an edge of ACDC divided by those of the sequential loop, on its first edges."""

    def seconds_an_edge(find: Callable[..., Work[None]]) -> float:
        findings = Findings.of(experiment.graph, "acdc", experiment.metric_name)
        began = time.perf_counter()
        for _ in find(experiment, findings, options):
            if findings.tried >= tried:
                break
        return (time.perf_counter() - began) / max(1, findings.tried)

    ratio = seconds_an_edge(acdc.find) / seconds_an_edge(acdc_sequential.find)
    note = f"an edge tried, of the first {tried}"
    return Figure("ACDC beside the sequential loop", ratio, "x", aim=1 / 20, note=note)


def as_on_the_cpu(bench: Bench, hf: Any, tokenizer: Any) -> Iterator[Figure]:
    """How far what it scores is from the CPU's in float32, as shares of the span."""
    moved = copy.deepcopy(hf).to(device="cpu", dtype=torch.float32)
    model = Model.from_hf(moved, tokenizer, name="on the CPU")
    batch: Batch = make_batch(bench.batch.task, tokenizer)
    there = Experiment(model, batch)
    span = abs(there.clean.metric - there.corrupted.metric)
    for circuit in bench.circuits.values():
        here = value_of(bench.experiment, circuit) - bench.experiment.corrupted.metric
        expected = value_of(there, circuit) - there.corrupted.metric
        off = abs(here - expected) / span
        name = f"off the CPU's float32: the metric of {circuit.n_edges} edges"
        yield Figure(name, off, "span", aim=0.01)
    off = float(abs(bench.scores - eap(there)).max()) / span
    yield Figure("off the CPU's float32: EAP, at most", off, "span", aim=0.01)
