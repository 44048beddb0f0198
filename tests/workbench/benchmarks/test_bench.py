"""The measurements: that they measure what they say, on a tiny model."""

from __future__ import annotations

import json
import math
import random
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.benchmarks import app, assessment, engine, key_answers, toggles
from workbench.benchmarks.discovery import copies_bytes, measure_discovery
from workbench.benchmarks.figures import Figure, quantile
from workbench.benchmarks.pseudo_terminal import Screen
from workbench.benchmarks.stopwatch import Stopwatch, peak_memory
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.experiment.prepare import load_task
from workbench.models.folder import sharing_weights
from workbench.models.model import Model
from workbench.prompts.batch import make_batch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    model, tokenizer = tiny_llama(layers=3)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_everything_is_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LONG", 200)
    told: list[str] = []
    figures = engine.measure(
        str(folder),
        pairs=4,
        device="cpu",
        rounds=2,
        long=True,
        progress=lambda m, f: told.append(m),
    )
    names = " | ".join(figure.name for figure in figures.figures)
    parts = (
        "one plain forward pass",
        "one backward pass",
        "toggling a kept edge in",
        "toggling an edge between two of its nodes in",
        "accuracy and KL",
        "differing early",
        "from nothing",
        "all edges",
        "random half",
        "EAP",
        "into the logits",
        "along the circuit into a",
        "peak memory",
        "200 toggles",
        "memory grown",
    )
    for part in parts:
        assert part in names
    for figure in figures.figures:
        assert math.isfinite(figure.value), figure
        if figure.unit in ("F", "2F+B", "s"):
            assert figure.value > 0
    drift = next(figure for figure in figures.figures if "off a fresh evaluation" in figure.name)
    assert drift.value < 1e-4
    told_names = set(told)
    assert "Measuring toggles" in told_names
    strict = json.loads(json.dumps(figures.to_json(), allow_nan=False))
    assert len(strict["figures"]) == len(figures.figures)
    assert any("aim 0.02" in line for line in figures.lines())


def test_an_assessment_is_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {part: assessment.PARTS[part] for part in ("directions", "curve")}
    monkeypatch.setattr(assessment, "PARTS", chosen)
    found = assessment.measure_assessment(str(folder), pairs=4, device="cpu").figures
    names = [figure.name for figure in found]
    assert [name.split(" of ")[0] for name in names[1:3]] == ["directions", "curve"]
    assert names[3:] == ["edge pruning, a step", "EAP-IG-activations"]
    assert all(figure.value > 0 and figure.aim and figure.unit == "F" for figure in found[1:])
    step, once = (f.seconds or 0 for f in found[3:])
    assert step > 0 and once > 0


def burn(seconds: float) -> None:
    """Keep this thread busy for so long by its own clock."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_one_thread_is_timed_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    hf, tokenizer = tiny_gpt2()
    batch = make_batch(load_task("ioi", Model.from_hf(hf, tokenizer), pairs=2), tokenizer)
    watch = Stopwatch(sharing_weights(hf), batch, torch.device("cpu"))
    for threads, least, most in ((1, 0.0, 0.05), (2, 0.1, 60.0)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert least <= watch.seconds(lambda: time.sleep(0.1)) <= most
        assert watch.seconds(lambda: burn(0.1)) >= 0.1
    rounds = watch.alternating((lambda: burn(0.01), lambda: burn(0.05)), 2)
    assert len(rounds) == 2 and all(first >= 0.01 and second >= 0.05 for first, second in rounds)


def test_a_ratio_is_to_the_forward_passes_beside_it() -> None:
    hf, tokenizer = tiny_gpt2()
    plain = sharing_weights(hf)
    model = Model.from_hf(hf, tokenizer)
    batch = make_batch(load_task("ioi", model, pairs=2), tokenizer)
    watch = Stopwatch(plain, batch, torch.device("cpu"))
    watch.forward = lambda: 0.02  # type: ignore[method-assign]
    ratios, seconds = watch.ratios(lambda: burn(0.1), 3)
    assert len(ratios) == 3
    for ratio, taken in zip(ratios, seconds, strict=True):
        assert taken >= 0.1
        assert ratio == pytest.approx(taken / 0.02)


def test_b_is_a_backward_pass_of_the_plain_model() -> None:
    hf, tokenizer = tiny_gpt2()
    plain = sharing_weights(hf)
    model = Model.from_hf(hf, tokenizer)
    batch = make_batch(load_task("ioi", model, pairs=3), tokenizer)
    watch = Stopwatch(plain, batch, torch.device("cpu"))
    assert watch.backward() > 0
    assert all(parameter.grad is None for parameter in plain.parameters())


def test_the_plain_model_shares_weights_and_nothing_wraps_it() -> None:
    for make in (tiny_gpt2, tiny_llama):
        hf, tokenizer = make()
        plain = sharing_weights(hf)
        assert {p.data_ptr() for p in plain.parameters()} == {p.data_ptr() for p in hf.parameters()}
        tokens = torch.tensor([[3, 5, 7]])
        expected = hf(tokens).logits
        Model.from_hf(hf, tokenizer)
        torch.testing.assert_close(plain(tokens).logits, expected)
        assert not any("Bridge" in type(module).__name__ for module in plain.modules())


def test_peak_memory_sees_what_was_freed_again() -> None:
    size = 200 * 2**20
    with peak_memory(torch.device("cpu")) as peak:
        torch.ones(size // 4).sum()
        time.sleep(0.05)
    assert 0.9 * size < peak.bytes < 1.5 * size
    with peak_memory(torch.device("cpu")) as small:
        pass
    assert small.bytes < 0.1 * size


def test_a_circuit_of_about_so_many_edges() -> None:
    graph = Graph(4, 4)
    scores = np.random.default_rng(0).standard_normal(all_edges(graph).shape).astype(np.float32)
    for n in (20, 60):
        circuit = engine.top_circuit(graph, scores, n)
        assert 0 < circuit.n_edges <= n
        assert circuit == circuit.pruned()
        # Its edges are the strongest: none outside a stronger circuit is stronger than all inside.
        kept = np.abs(scores[circuit.mask])
        assert kept.min() > np.median(np.abs(scores[all_edges(graph)]))
    half = engine.random_half(graph, 0)
    assert 0.4 < half.n_edges / graph.n_edges < 0.6


def test_toggled_edges_are_kept_and_dropped_ones() -> None:
    graph = Graph(3, 3)
    circuit = Circuit.from_edges(graph, ["input->a0.h0<v>", "a0.h0->m2", "m2->logits"])
    edges = toggles.toggled_edges(circuit, random.Random(0), 50)
    kept = [edge for edge in edges if circuit.has(edge)]
    assert sorted(kept) == sorted(circuit.edges())
    assert len(edges) == len(set(edges)) == 53
    inside = toggles.among_its_nodes(circuit)
    names = {graph.edge_name(int(s), int(d)) for s, d in np.argwhere(inside)}
    assert "input->m2" in names and "input->logits" in names and "a0.h0->logits" in names
    assert not any("m1" in name or "a1" in name for name in names)


def test_kinds_of_toggles_are_all_edges_once() -> None:
    graph = Graph(3, 3)
    circuit = Circuit.from_edges(graph, ["input->a0.h0<v>", "a0.h0->m2", "m2->logits"])
    kinds = toggles.toggle_kinds(circuit)
    assert np.array_equal(sum(mask.astype(int) for mask in kinds.values()), all_edges(graph))
    assert kinds["an edge between two of its nodes"].sum() > 0


def test_prompts_that_differ_early_differ_in_every_pair() -> None:
    hf, tokenizer = tiny_gpt2()
    batch = make_batch(load_task("ioi", Model.from_hf(hf, tokenizer), pairs=4), tokenizer)
    for before, group in zip(batch.groups, toggles.differing_early(batch).groups, strict=True):
        at = group.first_difference
        assert at == int(batch.prepend_bos)
        assert bool((group.corrupted[:, at] != group.clean[:, at]).all())
        assert torch.equal(group.corrupted[:, at + 1 :], before.corrupted[:, at + 1 :])


def test_quantiles_and_lines() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.5) == 1.5
    assert quantile([5.0], 0.9) == 5.0
    missed = Figure.of("a", [1.0, 2.0, 9.0], "F", percentile=True, aim=3.0, aim_p90=4.0)
    assert missed.value == 2.0 and missed.missed and "MISSED" in missed.line()
    assert not Figure.of("a", [1.0, 2.0], "F", aim=1.5).missed


needs_terminals = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


@needs_terminals
def test_first_paint_waits_for_a_full_screen(tmp_path: Path) -> None:
    environment = {"WORKBENCH_STATE": str(tmp_path)}
    pause = (
        "import time; print('x' * 100, flush=True); time.sleep(1); print('x' * 7000, flush=True)"
    )
    taken = app.first_paint([sys.executable, "-c", f"{pause}; time.sleep(60)"], environment)
    assert 1.0 < taken < 10.0
    with pytest.raises(WorkbenchError, match="painted nothing"):
        app.first_paint([sys.executable, "-c", "print('x')"], environment)


@needs_terminals
def test_the_app_paints(tmp_path: Path) -> None:
    environment = {"WORKBENCH_STATE": str(tmp_path)}
    assert app.first_paint([sys.executable, "-m", "workbench"], environment) < 30.0


class Written:
    """Stands in for a child: chunks that were written at certain times."""

    def __init__(self, *chunks: tuple[float, str]) -> None:
        self.chunks = [(when, text.encode()) for when, text in chunks]
        self.coming: list[tuple[float, bytes]] = []

    def read_some(self, seconds: float) -> bool:
        self.chunks += self.coming[:1]
        return bool(self.coming and self.coming.pop(0))


def test_a_key_is_answered_when_the_cursor_has_moved() -> None:
    head = "\x1b[1;1H╭─ 2 Edges into a1.h0 ───╮"
    at = "\x1b[{};1H│▸ a0.h0"
    gone = "\x1b[{};1H│  a0.h0"
    screen = Screen()
    child = Written((0.0, head + at.format(3)))
    screen.take(child)  # type: ignore[arg-type]
    assert screen.cursor() == 2
    child.coming = Written(
        (1.01, "\x1b[9;1Hexact 3/40"),  # the sweep draws: no answer
        (1.03, gone.format(3) + at.format(4)),
        (2.50, gone.format(4) + at.format(5)),
    ).chunks
    later = time.perf_counter() + 60
    assert screen.cursor_moved(child, later) == 1.03  # type: ignore[arg-type]
    assert screen.cursor_moved(child, later) == 2.50  # type: ignore[arg-type]
    assert screen.cursor_moved(child, 7.0) == 7.0, "no answer"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "runs", "over"),
    [
        (key_answers.sweep_of("m1"), "0.1: 3 of 9 pass   exact 1/40… (c stops)", "exact: all 40"),
        (key_answers.discovery_by("eap"), " eap ██░░   3%    S stop, keep", "eap-ig ██░ S stop"),
    ],
)
def test_what_runs_is_seen(what: key_answers.Computation, runs: str, over: str) -> None:
    assert re.search(what.running, f"a line\n{runs}\n")
    assert not re.search(what.running, f"a line\n{over}\n")


def test_discovery_is_measured_in_one_run(folder: Path) -> None:
    figures = measure_discovery(str(folder), pairs=2, rounds=1, threshold=0.01).figures
    names = [figure.name for figure in figures]
    assert len(set(names)) == len(names)
    assert all(figure.value > 0 for figure in figures if figure.aim != 0)
    agree = [figure for figure in figures if "sequential" in figure.name]
    assert len(agree) == 2 and all(f.aim == f.value == 0 for f in agree), "one aim is no difference"
    aims = {figure.name: figure.aim for figure in figures}
    assert aims["EAP for all edges"] == aims["EAP-IG with 5 steps"] == 1.3


def test_the_copies_that_memory_is_compared_with() -> None:
    hf, tokenizer = tiny_gpt2(layers=2, heads=3)
    model = Model.from_hf(hf, tokenizer)
    batch = make_batch(load_task("ioi", model, pairs=3), tokenizer)
    tokens = sum(len(group.indices) * group.length for group in batch.groups)
    sources = 1 + 2 * (3 + 1)
    assert copies_bytes(model, batch) == 2 * sources * tokens * hf.config.n_embd * 4
