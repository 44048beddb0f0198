"""Runs that lie in a file because memory has no room for them: all numbers are the same."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.task import Task
from tests.support.tiny_families import gemma2, llama
from tests.support.tiny_models import tiny_llama
from workbench import Circuit, Model, assess, discover, load_task
from workbench.base import scratch_file
from workbench.base.scratch_file import ScratchFile, scratch_folder
from workbench.discovery.catalogue import BUILT_IN
from workbench.discovery.run import Discovery
from workbench.engine.evaluator import Edit, Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment import room
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import parse_all
from workbench.experiment.prepare import prepare
from workbench.experiment.room import needed_bytes
from workbench.models import device
from workbench.prompts.batch import Batch, make_batch
from workbench.transformer.recording import Run

N_PAIRS = 5
NUMBERS: dict[str, dict[str, Any]] = {
    "acdc": {"threshold": 0.01},
    "edge-pruning": {"edges": 30, "steps": 4},
    "greedy-growth": {"edges": 6},
    "greedy-pruning": {"edges": 12},
    "atp-star": {"nodes": 4},
}


@pytest.fixture(scope="module", params=[llama, gemma2])
def model(request: pytest.FixtureRequest) -> Model:
    return Model.from_hf(*request.param(), name="tiny")


@pytest.fixture(scope="module")
def small() -> Model:
    return Model.from_hf(*tiny_llama(layers=2, heads=2, n_kv_heads=1), name="tiny")


@pytest.fixture(scope="module")
def task(model: Model) -> Task:
    return pairs_of(model)


def pairs_of(model: Model) -> Task:
    """Pairs of two lengths, in turns."""
    made = load_task("ioi", model, pairs=N_PAIRS, seed=5)
    pairs = [
        replace(one, clean=f"And {one.clean}", corrupted=f"And {one.corrupted}", roles=())
        if place % 2
        else replace(one, roles=())
        for place, one in enumerate(made.pairs)
    ]
    return replace(made, pairs=tuple(pairs))


@pytest.fixture
def batch(model: Model, task: Task) -> Batch:
    return make_batch(task, model.tokenizer)


@pytest.fixture
def short(model: Model, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes memory short from now on."""
    return lambda: make_short(model, batch, monkeypatch)


def make_short(model: Model, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what is needed is free, and a group is one pair."""
    needed = needed_bytes(model.parts, batch, "zero")
    monkeypatch.setattr(room, "WORTH_A_LOOK", 0)
    monkeypatch.setattr(room, "TOGETHER", 1)
    monkeypatch.setattr(room, "OF_A_GROUP", needed / N_PAIRS / 6)
    monkeypatch.setattr(device, "free_memory", lambda _: int(needed / 2))


def same(one: Discovery, other: Discovery) -> None:
    assert other.circuit == one.circuit
    assert other.score.metric == pytest.approx(one.score.metric, abs=1e-5)
    for name in ("edges", "nodes", "positions"):
        mine, theirs = getattr(one.findings, name), getattr(other.findings, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_allclose(theirs, mine, atol=2e-5, err_msg=name)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("ablation", ["patching", "mean"])
@pytest.mark.parametrize("method", [one.name for one in BUILT_IN if not one.adds_up])
def test_what_needs_all_pairs_at_once_finds_the_same(
    small: Model, monkeypatch: pytest.MonkeyPatch, method: str, ablation: str
) -> None:
    how: dict[str, Any] = {"ablation": ablation, **NUMBERS[method]}
    task = pairs_of(small)
    told: list[str] = []
    monkeypatch.setattr(room, "notice", told.append)
    # It goes through pairs in such numbers, of which groups there are multiples.
    monkeypatch.setattr("workbench.discovery.methods.edge_pruning.CHUNK", 1)
    whole = discover(small, task, method, **how)
    make_short(small, make_batch(task, small.tokenizer), monkeypatch)
    same(whole, discover(small, task, method, **how))
    assert len(told) == 1 and "they lie in a file in" in told[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_assessment_is_the_same(model: Model, task: Task, short: Callable[[], None]) -> None:
    circuit = discover(model, task, "eap", edges=12).circuit
    parts = ["completeness", "minimality", "hypotheses", "directions", "curve", "faithfulness"]
    whole = assess(model, task, circuit, parts=parts)
    short()
    some = assess(model, task, circuit, parts=parts)

    def close(one: Any, other: Any, place: str = "") -> None:
        if isinstance(one, dict):
            for name in one.keys() - {"created", "seconds"}:
                close(one[name], other[name], f"{place}.{name}")
        elif isinstance(one, list | tuple):
            assert len(one) == len(other), place
            for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
                close(mine, theirs, f"{place}[{number}]")
        elif isinstance(one, float):
            assert other == pytest.approx(one, abs=1e-4, rel=1e-3), place
        else:
            assert other == one, place

    close(whole.to_json(), some.to_json())


@pytest.mark.parametrize("done", [(), ("m0 * 0.5 at END", "a1.h0 = corrupted")])
@pytest.mark.parametrize("ablation", ["patching", "mean", "zero"])
def test_edits_and_what_ifs_are_the_same(
    model: Model, batch: Batch, tmp_path: Path, ablation: str, done: tuple[str, ...]
) -> None:
    here, there = _both(model, batch, tmp_path, ablation, done)
    assert len(there.recordings) > len(here.recordings)
    graph = model.graph
    random = np.random.default_rng(3)
    edges = list(graph.edges())
    first = Circuit.from_edges(graph, [edges[i] for i in random.permutation(len(edges))[:40]])
    one, other = Evaluator(here, first), Evaluator(there, first)
    for step in range(6):
        assert other.value().per_pair == pytest.approx(one.value().per_pair, abs=2e-5)
        assert other.value().kl == pytest.approx(one.value().kl, abs=2e-5)
        tried = [Edit(toggle=(edges[i],)) for i in random.permutation(len(edges))[:5]]
        np.testing.assert_allclose(other.what_if(tried), one.what_if(tried), atol=2e-5)
        edit = tried[step % 5]
        if step == 3:
            edit = Edit(toggle=(f"{first.edges()[0]}@{batch.roles.names[-1]}",))
        one.commit(edit)
        other.commit(edit)
    full = Circuit.full(graph)
    assert other.become(full).metric == pytest.approx(there.clean.metric, abs=1e-5)


@pytest.mark.parametrize("ablation", ["patching", "zero"])
def test_what_is_made_of_the_runs_lies_there_too(
    model: Model, batch: Batch, tmp_path: Path, ablation: str
) -> None:
    here, there = _both(model, batch, tmp_path, ablation)
    for change in (
        lambda e: e.with_metric("kl"),
        lambda e: e.under("mean"),
        lambda e: e.under("zero", swapped=True),
        lambda e: e.under("patching"),
    ):
        one, other = change(here), change(there)
        assert other.clean.per_pair == pytest.approx(one.clean.per_pair, abs=2e-5)
        assert other.corrupted.per_pair == pytest.approx(one.corrupted.per_pair, abs=2e-5)
        assert all(recording.file is not None for recording in other.recordings)
    for pair in (0, N_PAIRS - 1):
        one, other = here.alone(pair), there.alone(pair)
        assert other.clean.metric == pytest.approx(one.clean.metric, abs=2e-5)


def test_what_is_held_is_bounded_and_shared(
    model: Model, batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, there = _both(model, batch, tmp_path, "patching")
    file = there.recordings[0].file
    assert file is not None
    runs: list[Run] = [r.whole for r in there.recordings] + [r.corrupted for r in there.recordings]
    sizes = [sum(t.nbytes for t in vars(layer).values() if t is not None)
             for run in runs for layer in run.layers]  # fmt: skip
    bound = 2 * max(sizes)
    monkeypatch.setattr(file, "_at_once", bound)
    released: list[int] = []
    plain = ScratchFile.release

    def release(self: ScratchFile) -> None:
        released.append(self.held)
        plain(self)

    monkeypatch.setattr(ScratchFile, "release", release)
    for run in runs:
        for index in range(len(run.layers)):
            run.layers[index].z.sum()
            assert file.held <= bound
    assert len(released) >= len(sizes) // 4
    for recording in there.recordings:
        one, other = recording.whole.layers[0], recording.clean.layers[0]
        assert one.z.untyped_storage().data_ptr() == other.z.untyped_storage().data_ptr()


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    file = ScratchFile(tmp_path, 2**20)
    tensor = file.empty((3, 5), torch.float32)
    tensor.copy_(torch.arange(15.0).view(3, 5))
    empty = file.empty((0, 4), torch.float32)
    assert list(tmp_path.iterdir()) == [] and empty.shape == (0, 4)
    file.release()
    assert tensor.sum() == 105
    room = file.room(200)
    one, other = room.take(3, torch.float32), room.take(5, torch.float64)
    other.fill_(2)
    one.fill_(1)
    assert other.sum() == 10


def test_a_full_disk_is_one_sentence(
    model: Model, task: Task, short: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    short()
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(WorkbenchError, match=r"No space left on device\. Make room there, set TMP"):
        prepare(model, task)


def test_without_a_folder_it_is_refused(
    model: Model, task: Task, short: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    short()
    monkeypatch.setattr(scratch_file, "scratch_folder", lambda: None)
    with pytest.raises(WorkbenchError, match=f"For both runs of {N_PAIRS} pairs"):
        prepare(model, task, ablation="zero")


def test_a_folder_that_is_memory_itself_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir():
        pytest.skip("no file system in memory here")
    monkeypatch.setattr("tempfile.tempdir", str(shm))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert scratch_folder() == tmp_path / "cache" / "models"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert scratch_folder() == tmp_path
    monkeypatch.delattr(mmap, "MADV_DONTNEED")
    assert scratch_folder() is None


def _both(
    model: Model, batch: Batch, folder: Path, ablation: str, done: tuple[str, ...] = ()
) -> tuple[Experiment, Experiment]:
    """The same runs in memory, and in a file in groups of two pairs."""
    how: dict[str, Any] = {"ablation": ablation, "interventions": parse_all(done)}
    file = ScratchFile(folder, 2**14)
    return (
        Experiment(model, batch, **how),
        Experiment(model, batch.in_groups_of(lambda _: 2), **how, file=file),
    )
