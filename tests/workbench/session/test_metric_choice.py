"""The metric changed in an open session: numbers, threshold, effects, undo, resuming."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_sessions import tiny_session
from workbench.errors import WorkbenchError
from workbench.session.start import another_session, resume_session

KEEP = ["m2->logits", "a0.h0->logits", "m0->logits"]


def test_every_number_is_that_of_a_session_begun_with_the_metric(tmp_path: Path) -> None:
    with tiny_session(tmp_path) as session:
        before = session.expand("logits", keep=KEEP)
        was = session.threshold
        old = {c.edge: c.eap for c in session.candidates("m2")}
        status = session.metric.set("prob_diff")
        assert session.metric.name == session.task.metric == "prob_diff"
        old_now = session.effects_are_old
        assert old_now
        with another_session(session, journal=tmp_path / "b.jsonl", metric="prob_diff") as other:
            theirs = other.expand("logits", keep=KEEP)
            for name in ("model_metric", "corrupted_metric", "circuit_metric", "faithfulness"):
                assert getattr(status, name) == pytest.approx(getattr(theirs, name), abs=1e-6)
            session.sweep("m2")
            other.sweep("m2")
            assert not session.effects_are_old
            mine = {c.edge: (c.eap, c.exact) for c in session.candidates("m2")}
            found = {c.edge: (c.eap, c.exact) for c in other.candidates("m2")}
            for edge, (eap, exact) in found.items():
                assert mine[edge][0] == pytest.approx(eap, abs=1e-5)
                assert mine[edge][1] == pytest.approx(exact, abs=1e-5)
        # The threshold is the same share of what corrupting does to the metric.
        spans = [abs(s.model_metric - s.corrupted_metric) for s in (status, before)]
        assert session.threshold == pytest.approx(was * spans[0] / spans[1])
        again = session.undo()
        assert (again.circuit_metric, session.threshold) == (before.circuit_metric, was)
        assert {c.edge: c.eap for c in session.candidates("m2")} == old
        session.redo()
        assert session.metric.set("prob_diff").message == "The metric is prob_diff already."
        with pytest.raises(WorkbenchError, match="no metric"):
            session.metric.set("nonsense")
        path, model, here = session.path, session.loaded_model, session.status()
    with resume_session(path, model=model) as resumed:
        assert resumed.metric.name == "prob_diff"
        assert resumed.status().circuit_metric == pytest.approx(here.circuit_metric, abs=1e-6)
        back = resumed.undo()
        assert back.circuit_metric == pytest.approx(before.circuit_metric, abs=1e-6)
        assert resumed.metric.name == "logit_diff"
