"""What a session detaches is found as it would find it, and comes back into it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.cases.session_cases import expand_all, new_session
from tests.support.jobs_here import compute, jobs_here
from workbench.base.kept_values import kept_text
from workbench.discovery.catalogue import METHODS
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import Selection
from workbench.errors import WorkbenchError
from workbench.jobs.detach import detach_assessment, detach_clusters, detach_discovery
from workbench.jobs.folder import find_folder, folders
from workbench.jobs.listing import list_jobs
from workbench.jobs.pick_up import pick_up
from workbench.jobs.process import remove, resume
from workbench.session.session import Session
from workbench.session.start import resume_session

TOP = Selection(n=12)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    jobs_here(tmp_path / "state", monkeypatch)
    with new_session(tmp_path) as made:
        yield made


def journal(session: Session) -> bytes:
    return session.path.read_bytes()


def test_a_discovery_comes_into_its_session_and_alters_nothing(session: Session) -> None:
    session.toggle("m2->logits")
    session.discoveries.run("eap", selection=TOP, show=False)
    before, status, lines = session.circuit, session.status(), journal(session)
    job = detach_discovery(session, "eap-ig", Options(steps=3), TOP)
    assert (job.kind, job.session, job.what) == (
        "discovery",
        session.path.stem,
        "eap-ig, steps 3, top 12",
    )
    assert pick_up(session) == [], "it is not done yet"
    done = compute(job)
    assert (done.state, done.sentence, done.fraction, done.picked) == ("done", "", 1.0, False)
    (picked,) = pick_up(session)
    assert picked.job.picked and not picked.failed and "eap-ig" in picked.sentence
    taken = session.discoveries.result(picked.number or 0)
    expected = session.discoveries.run("eap-ig", Options(steps=3), TOP, show=False)
    assert np.array_equal(taken.found.edges, expected.found.edges, equal_nan=True)
    assert taken.circuit == expected.circuit and taken.metric == expected.metric
    assert (taken.number, taken.name, taken.pairs) == (2, "eap-ig", expected.pairs)
    assert session.discoveries.shown is taken and session.discoveries.proposal()
    assert (session.circuit, session.status(), journal(session)) == (before, status, lines)
    assert pick_up(session) == [], "only once"


def test_the_result_waits_until_the_session_is_resumed(session: Session) -> None:
    job = detach_discovery(session, "acdc", Options(threshold=0.05))
    session.close()
    compute(job)
    with resume_session(session.path) as again:
        assert [one.number for one in pick_up(again)] == [1]
        found = again.discoveries.results[0]
        assert found.method == "acdc" and found.complete
    with resume_session(session.path) as later:
        assert pick_up(later) == [] and len(later.discoveries.results) == 1, "its files are here"
    remove(find_folder(job.id))
    with resume_session(session.path) as later:
        assert len(later.discoveries.results) == 1 and not folders()


def test_it_looks_at_the_pairs_and_the_circuit_of_its_moment(session: Session) -> None:
    expand_all(session)
    job = detach_assessment(session, ["faithfulness", "minimality"])
    expected = {name: session.assessor.run(name) for name in ("faithfulness", "minimality")}
    session.assessor.held.clear()
    done = compute(job)
    assert done.state == "done", done.sentence
    (picked,) = pick_up(session)
    assert "2 of 2 parts" in picked.sentence and picked.number is None
    for name, answer in expected.items():
        held = session.assessor.held[name]
        assert kept_text(held.result) == kept_text(answer.result)
        assert held.revision == session.status().revision
    # Another session of the same journal holds it too, but of another circuit.
    session.toggle(session.circuit.edges()[0])
    session.close()
    with resume_session(session.path) as again:
        pick_up(again)
        assert again.assessor.held.keys() == expected.keys()
        assert all(a.revision != again.status().revision for a in again.assessor.held.values())


def test_clusters_are_the_same_and_can_be_taken(session: Session) -> None:
    request = ClusterRequest("eap", edges=20, k=2, splits=2)
    job = detach_clusters(session, request)
    expected = session.clusterer.run(request)
    session.clusterer.held = None
    assert compute(job).state == "done"
    (picked,) = pick_up(session)
    held = session.clusterer.found()
    assert "2 clusters" in picked.sentence and not session.clusterer.is_old
    assert held.clusters.to_json() == expected.clusters.to_json()
    for number in (1, 2):
        ours, theirs = held.circuit(number), expected.circuit(number)
        assert ours == theirs and ours.provenance == theirs.provenance
        assert ours.scores is not None and theirs.scores is not None
        assert np.array_equal(ours.scores, theirs.scores, equal_nan=True)
    session.clusterer.take(1)
    assert session.circuit == expected.circuit(1)


def test_what_does_not_suit_is_refused_before_there_is_a_job(session: Session) -> None:
    with pytest.raises(WorkbenchError, match="does not heed"):
        detach_discovery(session, "eap", Options(steps=3), TOP)
    with pytest.raises(WorkbenchError, match="is open"):
        detach_assessment(session)
    with pytest.raises(WorkbenchError, match="several circuits"):
        detach_assessment(session, ["overlap"])
    with pytest.raises(WorkbenchError):
        detach_clusters(session, ClusterRequest("acdc"))
    session.close()
    with pytest.raises(WorkbenchError, match="closed"):
        detach_discovery(session, "eap", selection=TOP)
    assert list_jobs() == []


def test_a_model_that_changed_meanwhile_is_told(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.tiny_models import tiny_gpt2
    from workbench.experiment.settings import ExperimentSettings
    from workbench.models.model import Model

    job = detach_discovery(session, "eap", selection=TOP)
    other = Model.from_hf(*tiny_gpt2(layers=3, heads=2, seed=7), name="tiny gpt2")
    compute(job)
    folder = find_folder(job.id)
    assert folder.end()[0] == "done" and resume_refused(folder)
    job = detach_discovery(session, "eap", selection=TOP)
    monkeypatch.setattr(ExperimentSettings, "load_model", lambda self, progress=None: other)
    done = compute(job)
    assert done.state == "failed" and "not what they were" in done.sentence
    assert [one.failed for one in pick_up(session)] == [False, True]


def resume_refused(folder: object) -> bool:
    with pytest.raises(WorkbenchError, match="is done"):
        resume(folder)  # type: ignore[arg-type]
    return True


def test_a_damaged_job_is_listed_and_costs_no_other(session: Session) -> None:
    jobs = [detach_discovery(session, "eap", selection=TOP) for _ in range(3)]
    spoiled, asked, fine = (find_folder(job.id) for job in jobs)
    (spoiled.path / "job.json").write_text('{"kind": "discovery"')
    told = json.loads((asked.path / "job.json").read_text())
    told["asked"]["options"]["steps"] = -3
    (asked.path / "job.json").write_text(json.dumps(told))
    assert compute(fine.id).state == "done"
    assert compute(asked.id).state == "done", "eap has no steps"
    with pytest.raises(WorkbenchError, match=r"damaged.*workbench jobs remove"):
        compute(spoiled.id)
    assert {job.id: job.state for job in list_jobs()}[spoiled.id] == "damaged"
    assert len(pick_up(session)) == 2
    os.unlink(spoiled.path / "job.json")
    assert "gone" in {job.id: job.sentence for job in list_jobs()}[spoiled.id]
    remove(spoiled)
    assert len(list_jobs()) == 2


def test_what_was_found_and_is_damaged_is_told(session: Session) -> None:
    job = detach_discovery(session, "eap", selection=TOP)
    compute(job)
    (found,) = (find_folder(job.id).path / "session.found").glob("1.npz")
    found.write_bytes(b"nothing")
    (picked,) = pick_up(session)
    assert "found nothing" in picked.sentence and session.discoveries.results == ()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_asked_of_any_method_is_read_as_it_was_written(method: str) -> None:
    told = {option.name: option.default for option in METHODS[method].options}
    given: dict[str, Any] = {n: value for n, value in told.items() if value is not None}
    given |= {"seed": 3}
    asked = DiscoveryRequest(method, Options(**given), Selection(n=4))
    assert DiscoveryRequest.from_json(method, json.loads(json.dumps(asked.to_json()))) == asked
