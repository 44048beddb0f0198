"""Several sessions on one model: it is loaded once, they take turns, and are freed."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import workbench.models.model as models
from tests.support.cases.session_cases import tiny
from tests.support.tiny_sessions import tiny_session
from workbench.errors import WorkbenchError
from workbench.experiment.kept_abilities import known_ability
from workbench.experiment.settings import ExperimentSettings
from workbench.session.priority_lock import lock_of
from workbench.session.session import Session
from workbench.session.sharing import taken
from workbench.session.start import another_session, begin_session, resume_session, start_session


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    return tmp_path


def test_what_the_model_does_of_a_task_is_kept_on_opening() -> None:
    def known(task: str) -> tuple[int, float] | None:
        found = known_ability("pocket", task)
        return None if found is None else (found.pairs, found.clean)

    session = start_session("pocket", "ioi", pairs=4, device="cpu")
    scores = session.task.model_metric
    assert known("ioi") == (4, scores)
    # Fewer pairs, another metric or ablation and no task of ours do not take its place.
    for choices in ({"pairs": 2}, {"metric": "kl"}, {"ablation": "zero"}, {"bos": False}):
        settings = ExperimentSettings("pocket", "ioi", **({"pairs": 5} | choices), device="cpu")
        begin_session(settings, beside=[session])
        assert known("ioi") == (4, scores)
    more = begin_session(ExperimentSettings("pocket", "ioi", 6, device="cpu"), beside=[session])
    assert known("ioi") == (6, more.task.model_metric) and known("greater-than") is None


def weights(session: Session) -> list[int]:
    """Where the parameters lie in memory."""
    return [parameter.data_ptr() for parameter in session.loaded_model.hf.parameters()]


def test_another_task_metric_or_seed_computes_with_the_same_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = start_session("pocket", "ioi", pairs=3, device="cpu")

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the model was loaded a second time")

    monkeypatch.setattr(models, "load_model", refuse)
    others = [
        another_session(first, "greater-than", pairs=2),
        another_session(first, metric="kl"),
        another_session(first, seed=5),
        begin_session(ExperimentSettings("pocket", "ioi", 2, device="cpu"), beside=[first]),
    ]
    assert all(weights(other) == weights(first) for other in others)
    assert [s.task.name for s in others] == ["greater-than", "ioi", "ioi", "ioi"]
    assert [s.task.n_pairs for s in others] == [2, 3, 3, 2]
    assert [s.task.metric for s in others] == ["prob_diff", "kl", "logit_diff", "logit_diff"]
    assert others[2].task.seed == 5 and others[2].prompts(0) != first.prompts(0)
    assert len({s.path for s in [first, *others]}) == 5

    path = others[1].path
    others[1].keep_all("logits")
    others[1].close()
    again = resume_session(path, beside=[first])
    assert weights(again) == weights(first) and again.task.metric == "kl"
    assert again.status().edges > 0 and first.status().edges == 0

    # Whatever chooses the model is different: it is another model.
    with pytest.raises(AssertionError, match="second time"):
        begin_session(ExperimentSettings("pocket", "ioi", 2), beside=[first])
    with pytest.raises(AssertionError, match="second time"):
        half = ExperimentSettings("pocket", "ioi", 2, device="cpu", dtype="bfloat16")
        begin_session(half, beside=[first])
    for session in (first, again, *others):
        session.close()


def test_a_task_made_in_a_script_goes_on_by_itself_only(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    other = another_session(session, metric="prob_diff")
    assert other.task_with_pairs.pairs == session.task_with_pairs.pairs
    assert other.task.metric == "prob_diff" and session.task.metric == "logit_diff"
    task = tiny()[1]
    assert another_session(session, task).task.n_pairs == len(task.pairs)
    with pytest.raises(WorkbenchError, match="no task"):
        another_session(session, "no-such-task")


def test_a_command_goes_before_what_another_session_computes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, other = tiny_session(tmp_path), tiny_session(tmp_path / "b")
    lock = lock_of(one.loaded_model)
    assert lock is lock_of(other.loaded_model)
    order: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def background() -> None:
        for turn in range(2):
            with lock.background():
                order.append(f"chunk {turn}")
                began.set()
                go_on.wait(10)

    def command() -> None:
        other.expand("logits")
        order.append("command")

    sweep = threading.Thread(target=background)
    sweep.start()
    assert began.wait(10)
    user = threading.Thread(target=command)
    user.start()
    while not lock._commands_waiting:
        pass
    go_on.set()
    user.join(20)
    sweep.join(20)
    assert order == ["chunk 0", "command", "chunk 1"]
    assert other.status().edges > 0 and one.status().edges == 0


def test_what_is_closed_and_let_go_of_is_freed(tmp_path: Path) -> None:
    first = start_session("pocket", "ioi", pairs=2, device="cpu")
    second = another_session(first, "greater-than")
    second.expand("logits")
    model = weakref.ref(first.loaded_model)
    engines = [weakref.ref(first._engine), weakref.ref(second._engine)]
    runs = weakref.ref(second._engine.experiment.recordings[0])
    lock = weakref.ref(lock_of(first.loaded_model))
    second.close()
    del second
    gc.collect()
    assert engines[1]() is None and runs() is None
    assert model() is not None and first.expand("logits").edges > 0
    first.close()
    del first
    gc.collect()
    assert engines[0]() is None and model() is None and lock() is None


def test_what_a_session_takes_is_said(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, large = tiny_session(tmp_path), tiny_session(tmp_path / "b", pairs=8)
    assert 0 < taken(one).session < taken(large).session
    parameters = one.loaded_model.hf.parameters()
    assert taken(one).weights >= sum(
        p.nbytes for p in {p.data_ptr(): p for p in parameters}.values()
    )
