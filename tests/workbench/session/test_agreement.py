"""Accuracy and KL: an edit does not wait for them, and they are those of its circuit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from tests.support.cases.session_cases import fresh_experiment, new_session
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.metrics.metric import Metric
from workbench.session.agreement import Agreement
from workbench.session.session import Session

EDGES = "a2.h1->logits", "m2->logits"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        made.expand("logits", keep=EDGES)
        yield made


def expected(session: Session) -> tuple[float, float]:
    value = Evaluator(fresh_experiment(session), session.circuit).value()
    return value.accuracy, value.kl


def test_an_edit_computes_no_logits(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Tensor] = []
    whole = Metric.correct_and_kl

    def counted(self: Metric, final: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(final)
        return whole(self, final)

    monkeypatch.setattr(Metric, "correct_and_kl", counted)
    status = session.toggle(EDGES[0])
    session.undo()
    session.redo()
    assert not calls
    assert not session.status().agreement.known
    assert (status.accuracy, status.kl) == pytest.approx(expected(session), abs=1e-6)
    assert status.agreement.known


def test_they_stay_those_of_their_own_circuit(session: Session) -> None:
    first = session.status()
    before = expected(session)
    second = session.toggle(EDGES[0])
    session.toggle(EDGES[1])
    session.undo()
    assert second.kl == pytest.approx(expected(session)[1], abs=1e-6)
    assert (first.accuracy, first.kl) == pytest.approx(before, abs=1e-6)
    assert first.kl != pytest.approx(second.kl, abs=1e-6)
    assert session.status().kl == pytest.approx(second.kl, abs=1e-6)


def test_the_log_holds_no_residuals(session: Session) -> None:
    session.toggle(EDGES[0])
    entry = session.log[-1]
    assert entry.before.agreement.known and entry.after.agreement.known


def test_what_fails_is_a_sentence_and_may_succeed_later() -> None:
    failures = [MemoryError("out of memory")]

    def compute() -> tuple[float, float]:
        if failures:
            raise failures.pop()
        return 1.0, 0.5

    agreement = Agreement(compute)
    with pytest.raises(WorkbenchError, match="memory"):
        agreement.read()
    assert not agreement.known
    assert agreement.read() == agreement.read() == (1.0, 0.5)
