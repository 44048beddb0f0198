"""Interventions as commands of a session: shown, undone, journalled, exported, in scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.tiny_sessions import tiny_model, tiny_session
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.engine.intervention_effect import (
    alpha_curve,
    intervention_effect,
    with_interventions,
)
from workbench.engine.score import evaluate
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import Intervention
from workbench.formats import load_circuit
from workbench.session.recorded import RecordedSession
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session

pytestmark = pytest.mark.dependencies


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with tiny_session(tmp_path) as made:
        yield made


def expected(session: Session, lines: list[str]) -> tuple[float, float]:
    """Both runs' metrics from a new experiment."""
    task = session.task_with_pairs
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import make_batch

    model = session.loaded_model
    plain = Experiment(model, make_batch(task, model.tokenizer), task.metric)
    done = with_interventions(plain, lines)
    return done.clean.metric, done.corrupted.metric


def test_it_is_measured_at_once_undone_redone_and_resumed(session: Session) -> None:
    before = session.status()
    status = session.interventions.add("a1.h0 * 3")
    assert (status.model_metric, status.corrupted_metric) == expected(session, ["a1.h0 * 3"])
    assert status.model_metric != before.model_metric
    assert session.task.interventions == ("a1.h0 * 3",)
    assert session.interventions.marks == {"a1.h0": "×3"}
    assert session.effects_are_old
    both = ["a1.h0 * 3", "m0 = mean at -1"]
    status = session.interventions.add(both[1])
    assert (status.model_metric, status.corrupted_metric) == expected(session, both)
    assert session.undo().model_metric == expected(session, both[:1])[0]
    assert session.undo().model_metric == before.model_metric
    assert session.interventions.present == ()
    session.redo()
    status = session.redo()
    session.close()
    again = resume_session(session.path, model=session.loaded_model)
    with again:
        assert again.status().model_metric == status.model_metric
        assert [one.text for one in again.interventions.present] == both
        assert again.undo().model_metric == expected(again, both[:1])[0]


def test_edges_groups_and_hidden_attention_are_one_command_each(session: Session) -> None:
    session.set_group("late ones", ["a1.h0", "m1"])
    plain = session.status().model_metric
    session.interventions.add('group:"late ones"->logits * 2')
    session.interventions.add("hide 1[0]:last<0")
    lines = ["a1.h0->logits,m1->logits * 2", "hide 1[0]:last<0"]
    assert [one.text for one in session.interventions.present] == lines
    both = session.status().model_metric
    assert both == pytest.approx(expected(session, lines)[0], abs=1e-6)
    assert session.interventions.marks["logits"] == "←a1.h0×2 ←m1×2"
    session.undo()
    curve = session.interventions.curve(1, (1.0, 2.0))
    assert curve.points[0].metric == pytest.approx(plain, abs=1e-5)
    assert curve.points[1].metric == pytest.approx(session.status().model_metric, abs=1e-5)
    session.remove_group("late ones")
    session.interventions.add(lines[1])
    assert session.status().model_metric == pytest.approx(both, abs=1e-6)
    effects = session.interventions.effect()
    assert effects.interventions == tuple(lines)
    with pytest.raises(WorkbenchError, match="no group"):
        session.interventions.add("group:late * 2")


def test_change_and_remove_name_their_number(session: Session) -> None:
    session.interventions.add("a1.h0 * 3")
    session.interventions.add("m1 * 0.5")
    session.interventions.change(1, "a1.h1 * 2")
    assert [one.text for one in session.interventions.present] == ["a1.h1 * 2", "m1 * 0.5"]
    status = session.interventions.remove(1)
    assert status.message == "Took back a1.h1 * 2."
    assert status.model_metric == expected(session, ["m1 * 0.5"])[0]
    plain = session.interventions.clear()
    assert "nothing is done" in plain.message
    with pytest.raises(WorkbenchError, match="no intervention 4"):
        session.interventions.remove(4)
    with pytest.raises(WorkbenchError, match="no intervention"):
        session.interventions.add("nonsense")
    with pytest.raises(WorkbenchError, match="no neuron"):
        session.interventions.add("m0.n100000 * 2")
    assert session.status().model_metric == plain.model_metric


def test_a_circuit_file_says_what_was_done_and_other_formats_say_it_is_lost(
    session: Session, tmp_path: Path
) -> None:
    session.expand("logits", keep=["m2->logits", "a1.h0->logits"])
    status = session.interventions.add("a1.h0 * 3")
    path = tmp_path / "circuit.json"
    assert session.export(path) == ()
    text = json.loads(path.read_text(encoding="utf-8"))
    assert text["other"]["interventions"] == [{"text": "a1.h0 * 3"}]
    lost = session.export(tmp_path / "other.json", "eap-ig")
    assert any("1 intervention" in sentence for sentence in lost)
    circuit = load_circuit(path, session.graph)
    score = evaluate(session.loaded_model, session.task_with_pairs, circuit)
    assert score.clean == pytest.approx(status.model_metric, abs=1e-6)
    assert score.circuit == pytest.approx(status.circuit_metric, abs=1e-5)
    session.interventions.clear()
    loaded = session.load(path)
    assert [one.text for one in session.interventions.present] == ["a1.h0 * 3"]
    assert loaded.model_metric == status.model_metric
    recorded = RecordedSession.read(session.path)
    assert recorded.circuit(2).provenance["interventions"] == [{"text": "a1.h0 * 3"}]


def test_the_script_does_the_same(session: Session) -> None:
    session.expand("logits", keep=["m2->logits", "a1.h0->logits"])
    status = session.interventions.set(["a1.h0 * 3", "m1 * 0"])
    script = session.snippet()
    assert "interventions=interventions" in script
    session.close()
    body = script.split("model = settings.load_model()\n")[1].replace("settings.task", "task")
    body = body.replace(", under=settings", "").replace("print(circuit)\n", "")
    scope: dict[str, Any] = {
        "model": session.loaded_model,
        "task": session.task_with_pairs,
        "Circuit": Circuit,
        "evaluate": lambda *a, **k: scope.setdefault("score", evaluate(*a, **k)),
    }
    exec(body, scope)
    assert scope["score"].circuit == pytest.approx(status.circuit_metric, abs=1e-5)


def test_at_a_role_it_is_journalled_exported_and_in_the_script(
    session: Session, tmp_path: Path
) -> None:
    roles = session._seen.runs.experiment.batch.roles
    where = {r: [roles.positions(r, pair) for pair in range(4)] for r in roles.names}
    role = next(r for r, own in where.items() if all(own) and len(set(own)) > 1)
    line = f"a1.h0 * 3 at {role},END"
    before = session.status().model_metric
    session.expand("logits", keep=["m2->logits", "a1.h0->logits"])
    status = session.interventions.add(line)
    assert status.model_metric == pytest.approx(expected(session, [line])[0], abs=1e-6) != before
    assert session.interventions.marks == {"a1.h0": f"×3@{role},END"}
    assert session.interventions.effect(1).done.clean == status.model_metric
    assert session.interventions.curve(1, (3.0,)).points[0].metric == pytest.approx(
        status.model_metric, abs=1e-6
    )
    path = tmp_path / "circuit.json"
    session.export(path)
    circuit = load_circuit(path, session.graph)
    score = evaluate(session.loaded_model, session.task_with_pairs, circuit)
    assert score.circuit == pytest.approx(status.circuit_metric, abs=1e-5)
    assert repr(line) in session.snippet()
    with pytest.raises(WorkbenchError, match="No pair has a role 'S9'"):
        session.interventions.add("a1.h0 * 3 at S9")
    assert session.undo().model_metric == pytest.approx(before, abs=1e-6)
    session.redo()
    session.close()
    with resume_session(session.path, model=session.loaded_model) as again:
        assert again.status().model_metric == status.model_metric
        again.pairs.remove([3])
        assert again.task.interventions == (line,)


def test_the_effect_is_that_of_two_plain_runs(session: Session) -> None:
    session.expand("logits", keep=["m2->logits", "a1.h0->logits"])
    session.interventions.add("a1.h0 * 3")
    effect = session.interventions.effect(1)
    runs = session._seen.runs.experiment
    plain = with_interventions(runs, [])
    hf, group = session.loaded_model.hf, plain.batch.groups[0]
    row = group.indices.index(1)
    with torch.no_grad():
        logits = hf(group.clean[row : row + 1]).logits[0, -1]
    assert [one.token for one in effect.top_without] == logits.topk(10).indices.tolist()
    assert effect.without.kl == pytest.approx(0, abs=1e-6)
    changed = runs.recordings[0].clean.final[:, -1]
    with torch.no_grad():
        p = hf(group.clean).logits[:, -1].log_softmax(-1)
        from workbench.transformer.forward import unembed

        q = unembed(plain.parts, changed).log_softmax(-1)
    kl = (p.exp() * (p - q)).sum(-1).mean()
    assert effect.done.kl == pytest.approx(float(kl), abs=1e-5)
    assert effect.done.clean == session.status().model_metric
    assert effect.done.faithfulness == pytest.approx(session.status().faithfulness, abs=1e-6)
    assert len(effect.goes_on_done) >= 1


def test_a_curve_goes_through_the_plain_model_and_the_present_one(session: Session) -> None:
    plain = session.status().model_metric
    status = session.interventions.add("a1.h0 * 3")
    seen: list[float] = []
    curve = session.interventions.curve(1, (0.0, 1.0, 3.0), progress=seen.append)
    assert [p.alpha for p in curve.points] == [0.0, 1.0, 3.0]
    assert curve.points[1].metric == pytest.approx(plain, abs=1e-6)
    assert curve.points[1].kl == pytest.approx(0, abs=1e-6)
    assert curve.points[2].metric == pytest.approx(status.model_metric, abs=1e-6)
    assert curve.points[2].faithfulness == pytest.approx(status.faithfulness, abs=1e-5)
    assert seen[-1] == 1
    session.interventions.add("m1 = zero")
    with pytest.raises(WorkbenchError, match="no factor"):
        session.interventions.curve(2)


def test_a_curve_without_a_circuit_is_the_same(session: Session) -> None:
    runs = session._seen.runs.experiment
    curve = alpha_curve(runs, ["r1 + 2 * difference at -1"], 0, (-1.0, 2.0))
    for point in curve.points:
        done = with_interventions(runs, [f"r1 + {point.alpha:g} * difference at -1"])
        assert point.metric == pytest.approx(done.clean.metric, abs=1e-6)
    assert intervention_effect(runs, done, n=2).interventions == (done.interventions[0].text,)


def test_another_metric_and_other_pairs_keep_what_is_done(session: Session) -> None:
    session.interventions.add("a1.h0 * 3")
    session.metric.set("prob_diff")
    assert session.task.interventions == ("a1.h0 * 3",)
    session.pairs.remove([3])
    assert session.task.interventions == ("a1.h0 * 3",)
    assert session.status().model_metric == pytest.approx(
        expected_of_metric(session, "prob_diff"), abs=1e-6
    )


def expected_of_metric(session: Session, metric: str) -> float:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import make_batch

    model = session.loaded_model
    batch = make_batch(session.task_with_pairs, model.tokenizer)
    lines = [Intervention.parse("a1.h0 * 3")]
    return Experiment(model, batch, metric, interventions=lines).clean.metric


def test_a_sweep_is_of_the_model_so_changed(session: Session) -> None:
    session.interventions.add("a1.h0 * 3")
    assert session.sweep("logits")
    every = Circuit(session.graph, np.array(session.circuit.mask))
    assert every.n_edges == 0
    (first, *_) = session.candidates("logits")
    runs = session._seen.runs.experiment
    from workbench.circuits.circuit import all_edges

    mask = all_edges(session.graph)
    whole = Evaluator(runs, Circuit(session.graph, mask.copy())).value().metric
    mask[session.graph.parse_edge(first.edge)] = False
    assert first.exact == pytest.approx(
        Evaluator(runs, Circuit(session.graph, mask)).value().metric - whole, abs=1e-5
    )


def test_a_file_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    from tasks import make_task

    lines = tmp_path / "a.txt", tmp_path / "b.txt"
    for path, text in zip(lines, ("The year\nThe war", "the\nand"), strict=True):
        path.write_text(text, encoding="utf-8")
    task = make_task("ioi", tokenizer, 4, 0)
    with build_session(model, task, journal=tmp_path / "x.jsonl") as session:
        named = f'r1 + 2 * difference:"{lines[0]}","{lines[1]}"'
        status = session.interventions.add(named)
    for path in lines:
        path.unlink()
    with resume_session(tmp_path / "x.jsonl", model=model) as again:
        assert again.status().model_metric == status.model_metric
        assert "Intervention.from_json" in again.snippet()
