"""A session on a checkpoint: its circuit at the others, and the way there and back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import WorkbenchError, evaluate, load_model, start_session
from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.sequence import read_checkpoints
from workbench.errors import Cancelled
from workbench.session.session import Session
from workbench.session.training import at_checkpoint, follow_training, training_of

STEPS = (0, 20, 100)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    for step in STEPS:
        hf, tokenizer = tiny_gpt2(layers=1, heads=2, seed=step)
        hf.save_pretrained(folder / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / f"checkpoint-{step}")
    return folder


@pytest.fixture
def session(runs: Path, tmp_path: Path) -> Session:
    model = str(runs / "checkpoint-20")
    return start_session(model, "ioi", pairs=3, device="cpu", journal=tmp_path / "j.jsonl")


def same_as_alone(row: AtCheckpoint, session: Session, path: Path) -> None:
    session.export(path)
    alone = evaluate(
        load_model(row.checkpoint.model, device="cpu"), "ioi", str(path),
        under=session.settings, metric=session.task.metric,
    )  # fmt: skip
    for name in ("clean", "corrupted", "circuit", "faithfulness"):
        assert getattr(row, name) == pytest.approx(getattr(alone, name), rel=1e-4, abs=1e-6), name
    assert row.clean_accuracy == alone.clean_accuracy and row.edges == alone.edges


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_strip_is_what_evaluate_says_of_each_model_alone(
    session: Session, runs: Path, tmp_path: Path
) -> None:
    followed = follow_training(session, runs)
    assert followed is not None and training_of(session) is followed
    assert followed.present.step == 20

    def check() -> None:
        told: list[AtCheckpoint] = []
        rows = followed.run(told.append)
        assert [row.checkpoint.step for row in rows] == [0, 20, 100]
        assert [row.checkpoint.step for row in told] == [20, 0, 100]
        for row in rows:
            same_as_alone(row, session, tmp_path / "now.json")

    check()  # all is open
    session.expand("logits", keep=["m0->logits", "a0.h1->logits"])
    check()  # partly open
    session.expand("m0", keep=["a0.h0->m0", "input->m0"])
    session.drop_all("a0.h0")
    session.keep_all("a0.h1")
    check()
    session.metric.set("prob_diff")
    check()
    session.interventions.add("a0.h0 * 0")
    check()
    session.undo()
    check()


def test_a_change_meanwhile_cancels_it_and_leaves_no_old_numbers(
    session: Session, runs: Path
) -> None:
    followed = follow_training(session, runs)
    assert followed is not None
    with pytest.raises(Cancelled):
        followed.run(lambda row: session.drop_all("logits"))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        followed.run(cancel=stop)
    assert len(followed.run()) == 3


def test_no_command_waits_for_it(session: Session, runs: Path) -> None:
    """The turn of the session is free while a checkpoint is computed."""
    followed = follow_training(session, runs)
    assert followed is not None
    from workbench.session.priority_lock import lock_of

    seen: list[bool] = []

    def told(row: AtCheckpoint) -> None:
        with lock_of(session.loaded_model).foreground():
            seen.append(True)

    followed.run(told)
    assert len(seen) == 3


def test_a_damaged_checkpoint_has_a_reason(session: Session, runs: Path, tmp_path: Path) -> None:
    sequence = [*read_checkpoints(runs), *read_checkpoints([str(tmp_path / "checkpoint-7")])]
    followed = follow_training(session, sequence)
    assert followed is not None
    rows = followed.run()
    assert [bool(row.reason) for row in rows] == [False, False, False, True]


def test_a_model_that_is_no_checkpoint_follows_none(session: Session) -> None:
    assert follow_training(session, ["a/b@step1", "a/b@step2"]) is None
    with pytest.raises(WorkbenchError, match="on no checkpoint"):
        at_checkpoint(session, read_checkpoints(["a/b@step1"])[0])


def test_each_checkpoint_has_its_own_session_and_the_circuit_goes_along(
    session: Session, runs: Path
) -> None:
    followed = follow_training(session, runs)
    assert followed is not None
    session.expand("logits", keep=["m0->logits", "input->logits"])
    session.note("m0", "a note")
    later, earlier = followed.neighbour(1), followed.neighbour(-1)
    assert later is not None and earlier is not None and followed.neighbour(2) is None
    other = at_checkpoint(session, later)
    try:
        assert other.settings.model == later.model and other.path != session.path
        assert other.circuit.edges() == session.circuit.edges()
        assert other.circuit.open == session.circuit.open
        assert other.commands() == ["Loaded the circuit at checkpoint-20."]
        assert other.status().message == "Loaded the circuit at checkpoint-20."
        moved = training_of(other)
        assert moved is not None and moved.present == later
        same = evaluate(load_model(later.model, device="cpu"), "ioi", session.circuit, pairs=3)
        assert other.status().circuit_metric == pytest.approx(same.circuit, rel=1e-5)
        # Back: the session that was there, changed by a command that undo takes back.
        other.drop_all("m0")
        before = session.circuit.edges()
        back = at_checkpoint(other, followed.present, beside=[session])
        assert back is session and session.circuit.open == other.circuit.open
        session.undo()
        assert session.circuit.edges() == before
        # And there again, once it was closed: its journal goes on.
        commands = len(other.commands())
        other.close()
        again = at_checkpoint(session, later, beside=[session])
        assert again.path == other.path and len(again.commands()) == commands + 1
        again.close()
    finally:
        other.close()
        session.close()
