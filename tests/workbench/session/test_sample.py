"""Sessions of more pairs than edits are answered from: a sample at once, then all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.task import Task
from tests.support.tiny_sessions import tiny_model
from workbench.engine.circuit_score import score
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import parse_all
from workbench.experiment.pieces import Pieces
from workbench.experiment.prepare import prepare, task_batch
from workbench.experiment.room import needed_bytes
from workbench.experiment.settings import AS_FITS, ExperimentSettings
from workbench.models.model import Model
from workbench.session import sampling, settling
from workbench.session.pair_set import SetPair, in_use, sampled
from workbench.session.priority_lock import PriorityLock
from workbench.session.sampling import Sample, standard_error, with_sample
from workbench.session.session import Session
from workbench.session.start import another_session, build_session, resume_session

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N_PAIRS, N_SAMPLE = 12, 5


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()[0]


@pytest.fixture(scope="module")
def task(model: Model) -> Task:
    """Pairs of two lengths, in turns."""
    made = ExperimentSettings("", "ioi", pairs=N_PAIRS, seed=2).load_task(model.tokenizer)
    pairs = [replace(pair, roles=()) for pair in made.pairs]
    for place in range(0, N_PAIRS, 2):
        one = pairs[place]
        clean, corrupted = (f"And then {text}" for text in (one.clean, one.corrupted))
        pairs[place] = replace(one, clean=clean, corrupted=corrupted)
    return replace(made, pairs=tuple(pairs))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, model: Model, task: Task) -> None:
    """All pairs are several pieces, of which the machine's memory keeps some."""
    needed = needed_bytes(
        model.parts, task_batch(model, task, ExperimentSettings("", "")), "patching"
    )
    monkeypatch.setattr(settling, "PIECE_BYTES", needed / 5)


@pytest.fixture
def session(model: Model, task: Task, tmp_path: Path) -> Iterator[Session]:
    with build_session(model, task, journal=tmp_path / "s.jsonl", sample=N_SAMPLE) as made:
        yield made


def check_whole(session: Session, whole: Experiment) -> None:
    """What stands there of all pairs is what an experiment of all of them gives."""
    sample = session.status().sample
    assert sample is not None and sample.whole is not None
    found = sample.whole
    value = score(whole, session.circuit)
    assert found.pairs == len(value.circuit_per_pair)
    names = ("clean", "corrupted", "circuit", "faithfulness", "accuracy", "kl")
    mine = (
        *(found.model_metric, found.corrupted_metric, found.circuit_metric),
        *(found.faithfulness, found.accuracy, found.kl),
    )
    for name, number in zip(names, mine, strict=True):
        assert number == pytest.approx(getattr(value, name), abs=2e-5, rel=1e-4), name


def test_an_edit_is_answered_from_the_sample_and_all_pairs_follow(
    session: Session, model: Model, task: Task
) -> None:
    whole = prepare(model, task)
    drawn = [one.pair for one in session.pairs.all if one.used]
    assert len(drawn) == N_SAMPLE < len(session.pairs.all) == N_PAIRS
    some = prepare(model, replace(task, pairs=tuple(drawn)))
    status = session.expand("logits")
    sample = status.sample
    assert sample is not None and sample == Sample(N_SAMPLE, N_PAIRS, sample.error)
    here = score(some, session.circuit)
    assert status.faithfulness == pytest.approx(here.faithfulness, abs=1e-5)
    told: list[float] = []
    settled = session.settler.run(told.append)
    assert told == sorted(told) and min(told) >= 0 and max(told) <= 1
    assert replace(settled, sample=None) == replace(status, sample=None)
    assert session.status() == settled and not session.settler.wanted
    check_whole(session, whole)
    # Step after step, from what is kept of some pieces and from nothing of the others.
    for edge in sorted(session.circuit.edges())[:3]:
        now = session.toggle(edge).sample
        assert now is not None and now.whole is None
        session.settler.run()
        check_whole(session, whole)
    session.undo()
    session.settler.run()
    check_whole(session, whole)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_numbers_are_the_same_however_much_is_kept(
    session: Session, model: Model, task: Task, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "KEPT_SHARE", share)
    begin, runs = Pieces.run, []

    def run(self: Pieces, indices: Any, *rest: Any) -> Experiment:
        runs.append(len(indices))
        return begin(self, indices, *rest)

    monkeypatch.setattr(Pieces, "run", run)
    session.expand("logits")
    session.settler.run()
    assert len(runs) > 1 and sum(runs) == N_PAIRS - N_SAMPLE
    first = list(runs)
    session.toggle(next(iter(session.circuit.edges())))
    session.settler.run()
    assert runs == (first if share else first * 2)
    check_whole(session, prepare(model, task))


@pytest.mark.parametrize("how", ["mean", "intervention", "metric"])
def test_what_is_taken_over_the_pairs_is_taken_over_all_of_them(
    model: Model, task: Task, tmp_path: Path, how: str
) -> None:
    ablation = "mean" if how == "mean" else "patching"
    named: dict[str, Any] = {"ablation": ablation}
    session = build_session(model, task, journal=tmp_path / "s", sample=N_SAMPLE, **named)
    with session:
        if how == "intervention":
            named["interventions"] = done = parse_all(["m0 + 0.5 * mean"])
            session.interventions.set(done)
        if how == "metric":
            named["metric"] = "prob_diff"
            session.metric.set("prob_diff")
        session.expand("logits")
        session.settler.run()
        check_whole(session, prepare(model, task, **named))


def test_an_edit_that_comes_meanwhile_ends_it(session: Session) -> None:
    session.expand("logits")
    before = session.status()

    def edit(fraction: float) -> None:
        thread = threading.Thread(target=session.undo)
        thread.start()
        while not session._lock._commands_waiting:
            pass
        edits.append(thread)

    edits: list[threading.Thread] = []
    with pytest.raises(Cancelled):
        session.settler.run(lambda fraction: None if edits else edit(fraction))
    edits[0].join()
    assert session.status().revision == before.revision + 1
    assert session.settler.wanted


def test_it_can_be_stopped_and_begun_again(session: Session, model: Model, task: Task) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        session.settler.run(cancel=stop)
    assert session.settler.wanted
    session.settler.run()
    check_whole(session, prepare(model, task))


def test_where_memory_runs_out_pieces_are_halved_and_nothing_is_kept(
    session: Session, model: Model, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Pieces.run

    def run(self: Pieces, indices: Any, *rest: Any) -> Experiment:
        if len(indices) > most:
            raise MemoryError
        return begin(self, indices, *rest)

    monkeypatch.setattr(Pieces, "run", run)
    most = 1
    session.settler.run()
    check_whole(session, prepare(model, task))
    assert session.settler._held is not None and not session.settler._held.kept
    session.expand("logits")
    most, before = 0, session.status()
    with pytest.raises(WorkbenchError, match="not enough memory"):
        session.settler.run()
    assert session.status() == before


def test_a_session_is_resumed_with_its_sample(session: Session, model: Model) -> None:
    session.expand("logits")
    status, pairs, path = session.status(), session.pairs.all, session.path
    session.close()
    with resume_session(path, model=model) as again:
        assert again.pairs.all == pairs
        assert again.status().faithfulness == pytest.approx(status.faithfulness)
        assert again.status().sample == pytest.approx(status.sample)
        assert again.status().message == "Resumed after 1 command."
        again.settler.run()


def test_pairs_can_be_taken_into_the_sample_and_put_aside(
    session: Session, model: Model, task: Task
) -> None:
    out = [index for index, one in enumerate(session.pairs.all) if one.unsampled]
    assert all(session.pairs.row(index) is None for index in out)
    status = session.pairs.put_aside(out[:1], False)
    assert status.sample is not None and status.sample.pairs == N_SAMPLE + 1
    aside = next(index for index, one in enumerate(session.pairs.all) if one.used)
    status = session.pairs.put_aside([aside])
    assert status.sample is not None
    assert (status.sample.pairs, status.sample.of) == (N_SAMPLE, N_PAIRS - 1)
    session.settler.run()
    rest = tuple(pair for index, pair in enumerate(task.pairs) if index != aside)
    check_whole(session, prepare(model, replace(task, pairs=rest)))
    # With one pair alone there is nothing more to come.
    assert session.pairs.only(out[1]).sample is None
    assert not session.settler.wanted
    assert session.settler.run() == session.status()
    session.undo()
    assert session.settler.wanted


def test_the_sample_is_drawn_by_the_seed(task: Task) -> None:
    one, other = (sampled(task.pairs, 4, seed) for seed in (0, 1))
    assert one == sampled(task.pairs, 4, 0) != other
    assert len(in_use(one)) == 4 and {pair.pair for pair in one} == set(task.pairs)
    assert all(pair.used for pair in sampled(task.pairs, None, 0))
    assert SetPair.from_json(other[0].to_json()) == other[0]


def test_all_pairs_are_the_sample_unless_they_take_more_than_is_worked_on_at_once(
    model: Model, task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = ExperimentSettings("tiny", "ioi")
    assert with_sample(settings, model, task).sample is None
    needed = needed_bytes(model.parts, task_batch(model, task, settings), "patching")
    monkeypatch.setitem(sampling.MOST_BYTES, "cpu", 1.01 * needed / 3)
    assert with_sample(settings, model, task).sample == N_PAIRS // 3
    # Another session beside one that answers from a sample has all the pairs.
    with (
        build_session(model, task, journal=tmp_path / "a", sample=N_SAMPLE) as one,
        another_session(one, journal=tmp_path / "b", sample=AS_FITS) as other,
    ):
        assert other.settings.sample == N_PAIRS // 3
        assert [p.pair for p in other.pairs.all] == list(task.pairs)


def test_the_error_is_what_drawing_again_and_again_shows() -> None:
    """Of 400 pairs, 4,000 samples of 80: the spread of their faithfulness."""
    rng = np.random.default_rng(0)
    corrupted = rng.normal(-1, 1, 400)
    clean = corrupted + rng.normal(4, 1, 400)
    circuit = corrupted + 0.7 * (clean - corrupted) + rng.normal(0, 0.8, 400)
    found, errors = [], []
    for _ in range(4000):
        one = rng.choice(400, 80, replace=False)
        parts = circuit[one], clean[one], corrupted[one]
        c, m, k = (part.mean() for part in parts)
        found.append((c - k) / (m - k))
        pairs = tuple(SetPair(None, unsampled=i >= 80) for i in range(400))  # type: ignore[arg-type]
        sample = Sample.of_set(pairs, standard_error(*parts))
        assert sample is not None and sample.error is not None
        errors.append(sample.error)
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.05)
    assert standard_error([1.0], [2.0], [0.0]) is None
    assert standard_error([1.0, 2.0], [1.0, 1.0], [1.0, 1.0]) is None


def test_commands_go_before_a_piece_of_background_work() -> None:
    lock, order = PriorityLock(), []

    def command() -> None:
        with lock.foreground():
            order.append("command")

    with lock.background():
        lock.give_way()  # nobody waits
        thread = threading.Thread(target=command)
        thread.start()
        while not lock._commands_waiting:
            pass
        assert not order
        lock.give_way()
        order.append("background")
    thread.join()
    assert order == ["command", "background"]
