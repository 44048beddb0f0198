"""What fails becomes one sentence, and the session is as it was before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.cases.session_cases import FAMILIES, expand_all, fresh_metric, new_session, tiny
from workbench.base.failures import failures_as_sentences
from workbench.engine.deltas import Deltas
from workbench.engine.evaluator import Evaluator
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.prepare import LOW_ACCURACY, task_warnings
from workbench.metrics.metric import Metric
from workbench.session.journal import Journal
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        made.expand("logits")
        made.note("m0", "before")
        yield made


def unchanged(session: Session, action: Callable[[], object], match: str) -> None:
    """The action fails with this sentence, and nothing is different."""
    status, circuit, size = session.status(), session.circuit, session.path.stat().st_size
    commands = session.commands()
    with pytest.raises(WorkbenchError, match=match):
        action()
    assert session.status() == status
    assert session.circuit == circuit and session.circuit.notes == circuit.notes
    assert session.commands() == commands
    assert session.path.stat().st_size == size


def works(session: Session) -> None:
    status = session.toggle("m1->logits")
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    status = session.undo()
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)


NO_MEMORY = [
    MemoryError(),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", [(Evaluator, "become"), (Metric, "of_residual")], ids=str)
def test_too_little_memory_for_a_command(
    session: Session, monkeypatch: pytest.MonkeyPatch, error: Exception, place: tuple[type, str]
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*place, fails)
        unchanged(session, lambda: session.toggle("m1->logits"), "not enough memory")
        unchanged(session, session.clear, "not enough memory")
    works(session)


def test_too_little_memory_in_the_middle_of_an_edit(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's cells are half updated; the next command starts from sound ones."""
    expand_all(session)
    calls = 0
    put = Deltas.put

    def fails_later(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise MemoryError
        put(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Deltas, "put", fails_later)
        unchanged(session, lambda: session.toggle_node("m0"), "not enough memory")
    assert calls > 2
    works(session)


def test_too_little_memory_for_a_sweep(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "run", fails)
        unchanged(session, lambda: session.sweep("m2"), "not enough memory")
        unchanged(session, session.drop_costs, "not enough memory")
    assert session.sweep("m2") and session.drop_costs()
    works(session)


def test_any_other_failure_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("shapes differ\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "become", fails)
        unchanged(session, lambda: session.toggle("m1->logits"), "ValueError: shapes differ.$")
    works(session)


def test_sentences_and_cancelling_pass_through() -> None:
    for error in (WorkbenchError("A sentence."), Cancelled()):
        with pytest.raises(type(error)), failures_as_sentences():
            raise error


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_journal_that_cannot_be_written(
    session: Session, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fails(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    actions: list[Callable[[], object]] = [
        lambda: session.toggle("m1->logits"),
        lambda: session.expand("m2"),
        lambda: session.note("m0", "after"),
        lambda: session.set_threshold(9.0),
        session.undo,
    ]
    for action in actions:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            unchanged(session, action, "no space left")
    works(session)
    with pytest.raises(WorkbenchError, match="nothing to redo"):
        session.toggle("m1->logits") and session.redo()


def test_ctrl_c_while_a_command_computes(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    append = Journal.append

    def interrupted_after(journal: Journal, entry: dict[str, Any]) -> None:
        append(journal, entry)
        raise KeyboardInterrupt

    before, size = session.circuit, session.path.stat().st_size
    places = [
        (Evaluator, "become", interrupted),
        (os, "fsync", interrupted),
        (Journal, "append", interrupted_after),
    ]
    for place in places:
        with monkeypatch.context() as patch:
            patch.setattr(*place)
            with pytest.raises(KeyboardInterrupt):
                session.toggle("m1->logits")
        assert session.circuit == before and session.path.stat().st_size == size
        works(session)
        size = session.path.stat().st_size


def test_a_closed_session_takes_no_commands(session: Session) -> None:
    session.close()
    unchanged(session, lambda: session.toggle("m1->logits"), "closed")
    assert session.candidates("logits")


def test_no_memory_to_begin_leaves_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise MemoryError

    model, task = tiny()
    for owner in (Evaluator, Metric):
        with monkeypatch.context() as patch:
            patch.setattr(owner, "__init__", fails)
            with pytest.raises(WorkbenchError, match="not enough memory"):
                build_session(model, task, journal=tmp_path / "one.jsonl")
        assert list(tmp_path.iterdir()) == []


def test_an_unwritable_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "file"))
    model, task = tiny()
    with pytest.raises(WorkbenchError, match="WORKBENCH_STATE"):
        build_session(model, task)


# Warnings: the model cannot do the task.


def scored(metric: float, accuracy: float) -> Any:
    return SimpleNamespace(metric=metric, accuracy=accuracy, per_pair=(metric,) * 20)


def warned(
    clean: tuple[float, float],
    corrupted: float,
    *,
    metric: str = "logit_diff",
    measurable: bool = True,
) -> str:
    return " ".join(
        task_warnings(metric, scored(*clean), scored(corrupted, 0.5), measurable=measurable)
    )


def test_a_model_that_does_the_task_is_not_warned_of() -> None:
    assert warned((3.0, 0.95), 0.2) == ""
    assert warned((0.0, 0.95), 2.5, metric="kl") == ""


def test_a_model_that_cannot_do_the_task_is_warned_of_with_numbers() -> None:
    assert "11 of 20 pairs (55%)" in warned((3.0, 0.55), 0.2)
    assert "prefers the wrong answers: logit_diff -0.5" in warned((-0.5, 0.7), -2.0)
    assert "do better" in warned((1.0, 0.9), 2.0)
    assert "changes little" in warned((1.0, 0.9), 0.95)
    assert "changes nothing" in warned((1.0, 0.9), 1.0, measurable=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_models_are_warned_of(tmp_path: Path, family: str) -> None:
    with new_session(tmp_path, family) as session:
        bad = session.task.model_accuracy < LOW_ACCURACY
        assert bad == any("hardly does this task" in w for w in session.task.warnings)


def test_no_faithfulness_where_corrupting_changes_nothing(tmp_path: Path) -> None:
    model, task = tiny()
    pair = task.pairs[0]
    turned = replace(pair, clean=pair.corrupted, corrupted=pair.clean)
    idle = replace(task, pairs=(pair, turned))  # both means are over the same two prompts
    with build_session(model, idle, journal=tmp_path / "idle.jsonl") as session:
        assert session.status().faithfulness is None
        assert session.drop_all("logits").change is None
        assert any("changes nothing" in warning for warning in session.task.warnings)
        assert session.threshold > 0
    with resume_session(session.path, model=model) as resumed:
        assert resumed.status().faithfulness is None
