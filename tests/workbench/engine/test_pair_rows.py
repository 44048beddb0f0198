"""The table of pairs against logits of the model and of a slow circuit; pairs split off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cases.engine_cases import in_float64
from tests.support.references.family import FamilyReference
from tests.support.tiny_sessions import tiny_session
from tests.workbench.engine.test_continuation import circuit_of, experiment_of
from workbench.engine.pair_row import table_of_pairs
from workbench.engine.pair_rows import pair_rows
from workbench.errors import WorkbenchError
from workbench.experiment.faithfulness import faithfulness
from workbench.session.start import another_session


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_every_row_is_worked_out_from_logits(name: str) -> None:
    experiment = experiment_of(name)
    circuit = circuit_of(experiment)
    rows = pair_rows(experiment, circuit)
    assert [row.index for row in rows] == list(range(experiment.n_pairs))
    hf = in_float64(experiment.model.hf)
    for group in experiment.batch.groups:
        reference = FamilyReference(hf, group.clean, group.corrupted)
        slow = reference.circuit(set(circuit.edges()), circuit.open)
        for i, index in enumerate(group.indices):
            row, right, wrong = rows[index], list(group.answers[i]), list(group.wrong_answers[i])
            logits = (reference.clean_logits[i], slow[i], reference.corrupted_logits[i])
            values = [float(one[right].mean() - one[wrong].mean()) for one in logits]
            assert (row.clean, row.circuit, row.corrupted) == pytest.approx(values, abs=1e-3)
            assert row.shortfall == pytest.approx(values[0] - values[1], abs=1e-3)
            share = faithfulness(row.circuit, row.clean, row.corrupted)
            assert row.faithfulness == share
            for one, rank, top in (
                (logits[0], row.model_rank, row.model_top),
                (logits[1], row.circuit_rank, row.circuit_top),
            ):
                order = one.argsort(descending=True).tolist()
                assert rank == 1 + min(order.index(token) for token in right)
                assert top.token == order[0]
                assert top.probability == pytest.approx(float(one.softmax(-1).max()), abs=1e-4)
    assert len(table_of_pairs(rows).rows) == len(rows)


def test_some_pairs_are_split_off_and_opened_on_the_same_model(tmp_path: Path) -> None:
    with tiny_session(tmp_path) as session:
        session.expand("logits", keep=["m2->logits"])
        rows = session.by_pair.rows()
        assert sum(row.circuit for row in rows) / 4 == pytest.approx(
            session.status().circuit_metric, abs=1e-5
        )
        path = tmp_path / "some.jsonl"
        chosen = [session.by_pair.pairs[i] for i in (1, 3)]
        settings = session.by_pair.split_off(path, chosen)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["clean"] for line in lines] == [rows[1].clean_prompt, rows[3].clean_prompt]
        assert settings.task == str(path) and settings.metric == session.task.metric
        with another_session(session, str(path), journal=tmp_path / "other.jsonl") as other:
            assert other.loaded_model is session.loaded_model
            again = other.by_pair.rows()
            assert [row.clean for row in again] == pytest.approx([rows[1].clean, rows[3].clean])
        with pytest.raises(WorkbenchError, match="mark some"):
            session.by_pair.split_off(path, [])
