"""More pairs than memory holds at once: in any pieces the numbers are those of the whole."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.task import Task
from tests.support.tiny_models import tiny_llama
from workbench import Circuit, Model, discover, evaluate, load_task
from workbench.base import scratch_file
from workbench.base.progress import silent
from workbench.cli import main
from workbench.discovery.catalogue import BUILT_IN, METHODS
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.run import Discovery, discovery_in_pieces
from workbench.engine import budget
from workbench.engine.circuit_score import CircuitScore, score
from workbench.engine.evaluator import Evaluator
from workbench.engine.pair_row import PairRow
from workbench.engine.pair_rows import pair_rows, rows_of
from workbench.engine.score_pieces import score_pieces, score_some
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment import room
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import parse_all
from workbench.experiment.pieces import Pieces
from workbench.experiment.prepare import prepare
from workbench.experiment.room import needed_bytes
from workbench.models import device
from workbench.prompts.batch import Batch, make_batch

N_PAIRS = 9
UNEVEN = ((4, 0), (1, 2, 3, 5, 8), (7,), (6,))
ADDING_UP = [(one.name, ablation) for one in BUILT_IN if one.adds_up for ablation in one.ablations]
DONE = ["m0 + 0.5 * mean", "a1.h0 = corrupted"]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_hf(*tiny_llama(layers=2), name="tiny")


@pytest.fixture(scope="module")
def task(model: Model) -> Task:
    """Pairs of two lengths, in turns."""
    made = load_task("ioi", model, pairs=N_PAIRS, seed=5)
    pairs = [replace(pair, roles=()) for pair in made.pairs]
    for place in range(0, N_PAIRS, 2):
        one = pairs[place]
        pairs[place] = replace(
            one, clean=f"And then {one.clean}", corrupted=f"And then {one.corrupted}"
        )
    return replace(made, pairs=tuple(pairs))


def batch_of(model: Model, task: Task) -> Batch:
    batch = make_batch(task, model.tokenizer)
    assert len(batch.groups) == 2
    return batch


def cut(monkeypatch: pytest.MonkeyPatch, cuts: Sequence[Sequence[int]]) -> None:
    """Let all pieces be these."""
    monkeypatch.setattr(Pieces, "cuts", lambda self, beside=0.0: [tuple(one) for one in cuts])


def pieces_of(
    model: Model, task: Task, ablation: str = "patching", done: Sequence[str] = ()
) -> Pieces:
    batch = batch_of(model, task)
    return Pieces.of(model, batch, "logit_diff", ablation, None, parse_all(done), 2**20)


def asked(method: str, ablation: str) -> DiscoveryRequest:
    number: dict[str, Any] = {"nodes": 4} if METHODS[method].kind == "nodes" else {"edges": 30}
    request = DiscoveryRequest.parse(method, **number)
    return request.checked(metric="logit_diff", ablation=ablation)


def same_score(one: CircuitScore, other: CircuitScore) -> None:
    for name, value in one.to_json().items():
        theirs = getattr(other, name)
        if isinstance(value, str) or value is None:
            assert theirs == value, name
        else:
            np.testing.assert_allclose(theirs, value, atol=2e-5, rtol=1e-4, err_msg=name)


def same(whole: Discovery, some: Discovery) -> None:
    one, other = whole.findings, some.findings
    for name in ("edges", "nodes", "positions"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            np.testing.assert_allclose(theirs, mine, atol=1e-5, err_msg=name)
    assert one.neurons.keys() == other.neurons.keys()
    for mlp, values in one.neurons.items():
        np.testing.assert_allclose(other.neurons[mlp], values, atol=1e-5)
    for name in ("needed", "same_input", "tried", "complete", "kept"):
        assert getattr(one, name) == getattr(other, name), name
    assert other.remarks[1:] == one.remarks
    assert whole.circuit == some.circuit
    same_score(whole.score, some.score)
    for name in ("model", "task", "metric", "ablation", "seed"):
        assert whole.circuit.provenance[name] == some.circuit.provenance[name]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("method", "ablation"), ADDING_UP)
def test_scores_are_those_of_the_whole(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch, method: str, ablation: str
) -> None:
    request = asked(method, ablation)
    whole = discover(model, task, request, ablation=ablation)
    cut(monkeypatch, UNEVEN)
    some, _ = discovery_in_pieces(pieces_of(model, task, ablation), request, silent)
    assert some.remarks[0].startswith("In 4 pieces of up to 5 pairs, since ")
    same(whole, some)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_pieces_give_the_numbers_of_the_whole(model: Model, task: Task) -> None:
    request = asked("eap", "mean")
    whole = discover(model, task, request, ablation="mean")
    pieces = pieces_of(model, task, "mean")

    @settings(max_examples=3, deadline=None)
    @given(st.permutations(range(N_PAIRS)), st.sets(st.integers(1, N_PAIRS - 1)))
    def check(order: list[int], ends: set[int]) -> None:
        bounds = [0, *sorted(ends), N_PAIRS]
        with pytest.MonkeyPatch.context() as patched:
            cut(patched, [order[a:b] for a, b in pairwise(bounds)])
            some, _ = discovery_in_pieces(pieces, request, silent)
        same(whole, some)

    check()


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
def test_a_circuit_scores_the_same_with_interventions_too(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch, ablation: str
) -> None:
    circuit = Circuit.full(model.graph)
    circuit.mask &= np.random.default_rng(3).random(circuit.mask.shape) < 0.4
    for done in ((), DONE):
        whole = Experiment(
            model, batch_of(model, task), ablation=ablation, interventions=parse_all(done)
        )
        cut(monkeypatch, UNEVEN)
        pieces = pieces_of(model, task, ablation, done)
        some = score_pieces(pieces, circuit, rows=True)
        same_score(score(whole, circuit), some.score)
        for one, other in zip(pair_rows(whole, circuit), some.rows, strict=True):
            assert (one.index, one.clean_prompt) == (other.index, other.clean_prompt)
            assert other.shortfall == pytest.approx(one.shortfall, abs=2e-5)
            assert other.circuit_top.token == one.circuit_top.token


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The one item is how many bytes are free; everything is worth a look."""
    bytes_left = [2.0**40]
    monkeypatch.setattr(device, "free_memory", lambda _: int(bytes_left[0]))
    monkeypatch.setattr(room, "WORTH_A_LOOK", 0)
    return bytes_left


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pieces_are_made_where_memory_is_short(
    model: Model, task: Task, left: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = discover(model, task, "eap", edges=30)
    left[0] = needed_bytes(model.parts, batch_of(model, task), "patching") / 2
    alive: weakref.WeakSet[Experiment] = weakref.WeakSet()
    begin = Experiment.__init__
    sizes = []

    def alone(self: Experiment, given: Model, batch: Batch, *rest: Any, **named: Any) -> None:
        assert not alive, "the runs of an earlier piece are still there"
        alive.add(self)
        sizes.append(batch.n_pairs)
        begin(self, given, batch, *rest, **named)

    monkeypatch.setattr(Experiment, "__init__", alone)
    fractions: list[float] = []
    some = discover(
        model, task, "eap", edges=30, progress=lambda _, done: fractions.append(done or 0.0)
    )
    same(whole, some)
    # Once to find and once to score: none larger than what may be taken, in order of length.
    assert sum(sizes) == 2 * N_PAIRS
    assert max(sizes) <= 0.6 * N_PAIRS / 2 + 1
    assert min(fractions) >= 0
    assert max(fractions) <= 1
    found = evaluate(model, task, whole.circuit)
    same_score(whole.score, found)
    assert len(found.circuit_per_pair) == N_PAIRS


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_means_of_other_prompts_are_those_of_the_whole(
    model: Model, task: Task, left: list[float]
) -> None:
    how: dict[str, Any] = {"ablation": "mean", "means": "subject-verb-agreement"}
    whole = discover(model, task, "eap", edges=30, **how)
    left[0] = needed_bytes(model.parts, batch_of(model, task), "mean") / 2
    some = discover(model, task, "eap", edges=30, **how)
    assert some.remarks[0].startswith("In ")
    assert some.circuit.provenance["ablation"]["means_from"]["task"] == "subject-verb-agreement"
    same(whole, some)


def test_cuts_hold_every_pair_once_and_the_more_memory_the_fewer(model: Model, task: Task) -> None:
    pieces = pieces_of(model, task)
    needed = needed_bytes(model.parts, pieces.batch, "patching")
    before = N_PAIRS + 1
    for share in (0.01, 0.3, 0.7, 1.1, 2.0):
        cuts = replace(pieces, room=0.6 * needed * share).cuts()
        assert sorted(index for one in cuts for index in one) == list(range(N_PAIRS))
        assert len(cuts) <= before
        before = len(cuts)
    assert before == 1
    assert len(replace(pieces, room=1.2 * needed).cuts(beside=2 * needed)) > 1


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pieces_are_of_a_bounded_size_where_memory_is_plenty(
    model: Model, task: Task, left: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = discover(model, task, "eap", edges=30)
    most = needed_bytes(model.parts, batch_of(model, task), "patching") / 3
    monkeypatch.setitem(room.AT_ONCE, "cpu", most)
    some = discover(model, task, "eap", edges=30)
    assert some.remarks[0].startswith("In 3 pieces of up to ")
    same(whole, some)
    monkeypatch.setattr(room, "AT_ONCE", {})  # a device on which the more at once, the faster
    assert discover(model, task, "eap", edges=30).remarks == whole.remarks


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_where_memory_runs_out_pieces_are_halved(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a piece had come to by then is not counted twice."""
    request = asked("eap", "patching")
    whole = discover(model, task, request)
    cut(monkeypatch, UNEVEN)
    begin = Pieces.run
    told: list[str] = []

    def run(self: Pieces, indices: Sequence[int], *rest: Any) -> Experiment:
        if len(indices) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return begin(self, indices, *rest)

    monkeypatch.setattr("workbench.experiment.pieces.notice", told.append)
    monkeypatch.setattr(Pieces, "run", run)
    pieces = pieces_of(model, task)
    some, _ = discovery_in_pieces(pieces, request, silent)
    same(whole, some)
    assert told and all("taken in two halves" in sentence for sentence in told)
    monkeypatch.setattr(Pieces, "run", begin)
    failed: list[int] = []

    def rows(experiment: Experiment, evaluator: Evaluator) -> tuple[PairRow, ...]:
        if experiment.n_pairs > 2:
            failed.append(experiment.n_pairs)
            raise MemoryError
        return rows_of(experiment, evaluator)

    monkeypatch.setattr("workbench.engine.score_pieces.rows_of", rows)
    scored = score_pieces(pieces, whole.circuit, rows=True)
    same_score(whole.score, scored.score)
    assert failed and sorted(row.index for row in scored.rows) == list(range(N_PAIRS))


def test_one_pair_over_which_memory_runs_out_is_a_failure(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Pieces, indices: Sequence[int], *rest: Any) -> Experiment:
        raise MemoryError

    monkeypatch.setattr(Pieces, "run", run)
    with pytest.raises(MemoryError):
        score_pieces(pieces_of(model, task), Circuit.full(model.graph))


def test_a_large_circuit_is_scored_in_pieces_where_the_runs_alone_would_fit(
    model: Model, task: Task, left: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "WORTH_A_LOOK", 0)
    whole = evaluate(model, task, Circuit.full(model.graph))
    left[0] = 1.05 * needed_bytes(model.parts, batch_of(model, task), "patching")
    told: list[str] = []
    monkeypatch.setattr("workbench.engine.score_pieces.notice", told.append)
    same_score(whole, evaluate(model, task, Circuit.full(model.graph)))
    assert len(told) == 1
    assert told[0].startswith("In ") and "all 9 at once need" in told[0]
    assert whole.circuit == pytest.approx(whole.clean, abs=1e-4)


@pytest.mark.parametrize("method", [method.name for method in BUILT_IN if not method.adds_up])
def test_a_method_that_needs_all_at_once_is_refused(
    model: Model,
    task: Task,
    left: list[float],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    monkeypatch.setattr(scratch_file, "scratch_folder", lambda: None)  # no file helps
    left[0] = needed_bytes(model.parts, batch_of(model, task), "patching") / 2
    number: dict[str, Any] = {"nodes": 3} if METHODS[method].kind == "nodes" else {"edges": 3}
    if method == "acdc":
        number = {"threshold": 0.1}
    with pytest.raises(WorkbenchError, match=r"about [34] pairs fit .* needs all of them at once"):
        discover(model, task, method, **number)


def test_not_one_pair_fits(model: Model, task: Task, left: list[float]) -> None:
    left[0] = 10
    with pytest.raises(WorkbenchError, match="not one pair fits"):
        discover(model, task, "eap", edges=3)
    with pytest.raises(WorkbenchError, match="not one pair fits"):
        prepare(model, task)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_was_found_by_then_is_kept(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(monkeypatch, UNEVEN)
    request, pieces = asked("eap", "patching"), pieces_of(model, task)

    def stopped(at: float, message: str) -> Discovery:
        event = threading.Event()

        def say(told: str, fraction: float | None) -> None:
            if message in told and fraction is not None and fraction > at:
                event.set()

        return discovery_in_pieces(pieces, request, say, event)[0]

    # 2 and 5 of 9 pairs are done before the third piece.
    found = stopped(7 / N_PAIRS, "Running")
    assert not found.complete and "found on 7 of 9 pairs" in found.remarks[1]
    cut(monkeypatch, UNEVEN[:2])
    first = discovery_in_pieces(pieces, request, silent)[0]
    np.testing.assert_allclose(found.findings.edges, first.findings.edges, atol=1e-6)
    cut(monkeypatch, UNEVEN)
    assert found.score.pairs == len(UNEVEN[0])
    # Stopped while the circuit is scored, it is scored on the pieces that are done.
    late = stopped(1 / N_PAIRS, "Scoring")
    assert not late.complete and late.score.pairs == 7
    assert any("scored on 7 of 9 pairs" in remark for remark in late.remarks)
    with pytest.raises(Cancelled):
        stopped(-1, "Running")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_speaks_against_the_task_is_told_once_of_all_pairs(
    model: Model, task: Task, left: list[float]
) -> None:
    with pytest.warns(UserWarning) as whole:
        discover(model, task, "eap", edges=3)
    left[0] = needed_bytes(model.parts, batch_of(model, task), "patching") / 2
    with pytest.warns(UserWarning) as some:
        discover(model, task, "eap", edges=3)
    assert [str(one.message) for one in some] == [str(one.message) for one in whole]
    assert all(one.filename == __file__ for one in (*whole, *some))


def test_the_commands_work_in_pieces(
    capfd: pytest.CaptureFixture[str], left: list[float], tmp_path: Path
) -> None:
    words = ["pocket", "ioi", "--pairs", "16", "--json"]
    file = str(tmp_path / "found.json")
    find = ["discover", *words, "--method", "eap", "--edges", "20", "-o", file]
    score_it = ["evaluate", "pocket", "ioi", file, "--pairs", "16", "--json", "--by-pair"]
    answers = []
    for free in (2**40, 2**21):
        left[0] = free
        for command in (find, score_it):
            assert main.main(command) == 0
            out, err = capfd.readouterr()
            answers.append(json.loads(out))
    found, scored, in_pieces, scored_in_pieces = answers
    assert "pieces of up to" in err
    assert in_pieces["remarks"][0].startswith("In ") and in_pieces["edges"] == found["edges"]
    for one, other in ((found["evaluation"], in_pieces["evaluation"]), (scored, scored_in_pieces)):
        assert other["faithfulness"] == pytest.approx(one["faithfulness"], abs=1e-5)
        np.testing.assert_allclose(other["circuit_per_pair"], one["circuit_per_pair"], atol=1e-4)
    rows, others = scored["by_pair"], scored_in_pieces["by_pair"]
    assert {row["index"] for row in others} == set(range(16))
    assert len(rows) == len(others) == 16


def test_what_fits_is_scored_at_once(model: Model, task: Task) -> None:
    experiment = Experiment(model, batch_of(model, task))
    found = score_some(experiment, Circuit.full(model.graph), silent)
    assert found.score == score(experiment, Circuit.full(model.graph)) and found.rows == ()
