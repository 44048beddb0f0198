"""The pairs of a session: tried, changed, put aside and saved; its numbers are always theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.pair import Pair
from tests.support.cases.session_cases import expand_all, fresh_experiment, new_session, tiny
from tests.support.tiny_models import tiny_gpt2
from workbench.discovery.estimates import eap
from workbench.discovery.selection import Selection
from workbench.engine.score import evaluate
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.provenance import digest
from workbench.prompts.task_file import read_task
from workbench.prompts.write_task import write_task
from workbench.session.recorded import RecordedSession
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(tmp_path)


def swapped(pair: Pair) -> Pair:
    return Pair(pair.corrupted, pair.clean, pair.wrong_answers, pair.answers)


def scores(session: Session) -> Any:
    """The estimates, as they are given out: none while they are of other pairs."""
    found = session.circuit.scores
    assert session.effects_are_old == (found is None)
    return found


def some_circuit(session: Session) -> None:
    session.set_threshold(0.02)
    expand_all(session, 4)


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_a_trial_of_a_pair_gives_the_sessions_own_numbers(tmp_path: Path, ablation: str) -> None:
    model, task = tiny()
    session = build_session(model, task, journal=tmp_path / "j.jsonl", ablation=ablation)
    some_circuit(session)
    score = evaluate(model, task, session.circuit, ablation=ablation)
    for index in (0, 5):
        found = session.pairs.try_pair(task.pairs[index])
        assert found.clean == pytest.approx(score.clean_per_pair[index], abs=1e-5)
        assert found.corrupted == pytest.approx(score.corrupted_per_pair[index], abs=1e-5)
        assert found.circuit == pytest.approx(score.circuit_per_pair[index], abs=1e-5)
        assert found.faithfulness is not None
        span = found.clean - found.corrupted
        assert found.faithfulness * span == pytest.approx(
            score.circuit_per_pair[index] - score.corrupted_per_pair[index], abs=1e-4
        )


@torch.no_grad()
def test_a_trial_of_a_new_pair_is_what_the_plain_model_says(session: Session) -> None:
    hf, tokenizer = tiny_gpt2(layers=3, heads=2)
    model = session.loaded_model
    pair = swapped(session.pairs.all[2].pair)
    found = session.pairs.try_pair(pair, k=4)

    for text, top, run in (
        (pair.clean, found.top_clean, "clean"),
        (pair.corrupted, found.top_corrupted, "corrupted"),
    ):
        logits = hf(tokenizer(text, return_tensors="pt")["input_ids"]).logits[0, -1]
        chances = logits.softmax(-1)
        values, tokens = logits.topk(4)
        assert [one.token for one in top] == tokens.tolist()
        assert [one.logit for one in top] == pytest.approx(values.tolist(), abs=1e-4)
        for answer in found.answers:
            standing = answer.clean if run == "clean" else answer.corrupted
            assert standing.probability == pytest.approx(float(chances[answer.token]), abs=1e-6)
            assert standing.rank == int((logits > logits[answer.token]).sum()) + 1
    # Everything is open: the circuit is the whole model.
    assert found.circuit == pytest.approx(found.clean, abs=1e-5)
    assert [one.token for one in found.top_circuit] == [one.token for one in found.top_clean]
    assert session.n_entries == 0 and model is session.loaded_model
    assert session.pairs.try_pair(pair, circuit=False).circuit is None


def test_one_that_cannot_be_patched_is_refused_and_changes_nothing(session: Session) -> None:
    before = session.status()
    pair = session.pairs.all[0].pair
    for bad in (
        replace(pair, corrupted=pair.clean + " and more"),
        replace(pair, corrupted=pair.clean),
        replace(pair, answers=(" no such word at all",)),
    ):
        for call in (session.pairs.try_pair, session.pairs.add):
            with pytest.raises(WorkbenchError):
                call(bad)
    with pytest.raises(WorkbenchError, match="At least one pair"):
        session.pairs.put_aside(range(6))
    with pytest.raises(WorkbenchError, match="no pair 7"):
        session.pairs.duplicate(6)
    assert session.status() == before and session.n_entries == 0


def test_all_but_one_put_aside_is_the_session_of_that_one(session: Session, tmp_path: Path) -> None:
    model, task = tiny()
    some_circuit(session)
    before = session.status()
    session.pairs.only(3)
    alone = replace(task, pairs=task.pairs[3:4])
    with build_session(model, alone, journal=tmp_path / "alone.jsonl") as other:
        assert session.status().model_metric == pytest.approx(other.status().model_metric)
        assert session.status().corrupted_metric == pytest.approx(other.status().corrupted_metric)
        found = evaluate(model, alone, session.circuit).faithfulness
        assert session.status().faithfulness == pytest.approx(found, abs=1e-6)
        assert session.prompts(0) == other.prompts(0)
        assert scores(session) is None
        session.estimate()
        assert np.allclose(scores(session), scores(other), atol=1e-6)
    assert [session.pairs.row(i) for i in range(6)] == [None, None, None, 0, None, None]
    undone = session.undo()
    # The runs and estimates of the pairs that it comes back to are there still.
    assert scores(session) is not None
    assert undone.faithfulness == pytest.approx(before.faithfulness, abs=1e-6)
    assert (undone.model_metric, undone.edges) == (before.model_metric, before.edges)
    assert session.task_with_pairs == task


def test_nothing_is_decided_by_effects_on_other_pairs(session: Session) -> None:
    session.pairs.change(0, swapped(session.pairs.all[0].pair))
    session.pairs.put_aside([4, 5])
    fresh = eap(fresh_experiment(session))
    session.set_threshold(float(np.quantile(np.abs(fresh[:, -1]), 0.5)))
    assert scores(session) is None
    session.expand("logits", setting="eap")
    logits = session.graph.destination_index("logits")
    kept = session.circuit.mask[:, logits]
    assert (kept == (np.abs(fresh[:, logits]) >= session.threshold)).all()
    assert np.allclose(scores(session), fresh, atol=1e-6)
    # Exact effects are of the pairs too.
    session.sweep("logits")
    exact = [row.exact for row in session.candidates("logits")]
    session.pairs.put_aside([3])
    assert all(row.exact is None for row in session.candidates("logits"))
    session.undo()
    assert [row.exact for row in session.candidates("logits")] == exact


def test_what_was_found_on_other_pairs_is_known_as_such(session: Session) -> None:
    result = session.discoveries.run("eap", selection=Selection("top", 20))
    session.side_by_side.put("found", result.circuit)
    session.side_by_side.evaluate()
    assert not session.discoveries.is_old(result)
    session.pairs.put_aside([0])
    assert session.discoveries.is_old(result)
    with pytest.raises(WorkbenchError, match="other pairs"):
        session.discoveries.export(result.number, Path("nowhere.json"))
    session.side_by_side.renew()
    assert all(place.scores is None for place in session.side_by_side.places)
    taken = session.discoveries.take(result.number)
    fresh = evaluate(session.loaded_model, session.task_with_pairs, session.circuit)
    assert taken.faithfulness == pytest.approx(fresh.faithfulness, abs=1e-6)


def test_files_and_journal_name_the_pairs_honestly(session: Session, tmp_path: Path) -> None:
    model, task = tiny()
    some_circuit(session)
    session.pairs.add(swapped(task.pairs[0]))
    session.pairs.put_aside([1, 2])
    used = session.pairs.in_use
    assert used == (task.pairs[0], *task.pairs[3:], swapped(task.pairs[0]))
    session.export(tmp_path / "circuit.json")
    made = json.loads((tmp_path / "circuit.json").read_text())
    told = made.get("provenance", made)["task"]
    assert told["pairs_sha256"] == digest(replace(task, pairs=used)) and told["seed"] is None
    assert "changed in a session" in told["source"] and told["pairs"] == 5
    assert told["changed_from"]["pairs_sha256"] == digest(task)
    status = session.status()
    session.close()

    recorded = RecordedSession.read(session.path)
    of_file = recorded.circuit(recorded.history.present).provenance
    assert of_file["task"] == told
    assert of_file["evaluation"]["clean"] == status.model_metric
    early = recorded.circuit(1).provenance
    assert early["task"]["pairs_sha256"] == digest(task)
    assert early["evaluation"]["clean"] == recorded.header.model_metric

    # Killed before the last command was whole: all that was shown before is there.
    data = session.path.read_bytes()
    session.path.write_bytes(data[:-7])
    with resume_session(session.path, model=model) as resumed:
        assert resumed.pairs.in_use == (*task.pairs, swapped(task.pairs[0]))
        resumed.pairs.put_aside([1, 2])
        again = resumed.status()
        assert again.faithfulness == pytest.approx(status.faithfulness, abs=1e-6)
        assert "is not the same" not in again.message


@pytest.mark.parametrize("name", ["saved.jsonl", "saved.csv", "saved.tsv"])
def test_saved_pairs_load_again_as_they_are(session: Session, tmp_path: Path, name: str) -> None:
    odd = Pair('a "b",\tc\r\n|é', "[d]\n", (" x|y", " [1]", '"'), ("\t",))
    write_task(tmp_path / name, [*session.pairs.in_use, odd])
    assert read_task(tmp_path / name).pairs == (*session.pairs.in_use, odd)
    session.pairs.put_aside([0])
    assert session.pairs.save(tmp_path / name) == 5
    assert read_task(tmp_path / name).pairs == session.pairs.in_use
