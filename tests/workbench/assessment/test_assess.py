"""`assess` for scripts, `assessment` as work, and what they refuse."""

from __future__ import annotations

import json
import math
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cases.assessment_cases import Case, case, made_model, made_task
from tests.support.cases.engine_cases import random_circuit
from workbench import Circuit, Graph, WorkbenchError, assess, save_circuit
from workbench.assessment.assess import assessment
from workbench.assessment.catalogue import PARTS, choose_parts
from workbench.assessment.parts import faithfulness
from workbench.assessment.report.document import to_html
from workbench.assessment.report.page import report
from workbench.assessment.results.assessment import Assessment
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import finish
from workbench.errors import Cancelled

QUICK = ("faithfulness", "directions")
FEW = AssessmentSettings(resamples=20)


def a_circuit(c: Case, seed: int = 0) -> Circuit:
    return random_circuit(c.graph, 0.5, seed)


def assessed(*circuits: Circuit | Path, **told: object) -> Assessment:
    told = {"parts": QUICK, "settings": FEW} | told
    return assess(made_model("gpt2"), made_task(), list(circuits), **told)  # type: ignore[arg-type]


def test_each_part_is_what_it_is_by_itself() -> None:
    c = case()
    circuit = a_circuit(c)
    found = assessed(circuit)
    (one,) = found.circuits
    assert tuple(one.results) == QUICK
    alone = finish(faithfulness.assess_part(c.experiment, circuit, FEW))
    assert one.results["faithfulness"] == alone
    assert (one.name, one.edges, one.nodes) == ("circuit 1", circuit.n_edges, len(circuit.nodes()))
    assert found.model_metric == c.experiment.clean.metric
    assert found.origin["task"]["pairs"] == 5
    assert all(seconds > 0 for seconds in one.seconds.values())
    json.dumps(found.to_json(), allow_nan=False)


def test_as_work_it_tells_how_far_it_is_and_finds_the_same() -> None:
    c = case()
    circuit = a_circuit(c)
    told: list[float] = []
    work = assessment(c.experiment, circuit, name="mine", parts=QUICK, settings=FEW)
    made = finish(work, told.append)
    assert told == sorted(told)
    assert 0 <= told[0] < 0.2
    assert told[-1] == pytest.approx(1)
    assert made.results == assessed(circuit).circuits[0].results


def test_files_are_named_and_progress_says_which_circuit(tmp_path: Path) -> None:
    c = case()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    paths = [tmp_path / "one" / "ioi.json", tmp_path / "two" / "ioi.json", tmp_path / "x.json"]
    for seed, path in enumerate(paths):
        save_circuit(a_circuit(c, seed), path)
    said: list[str] = []
    found = assessed(*paths, progress=lambda message, fraction: said.append(message))
    assert [one.name for one in found.circuits] == [str(paths[0]), str(paths[1]), "x"]
    assert "x: noising and denoising" in said
    assert found.compared == {}


def test_several_circuits_are_compared_by_their_names(tmp_path: Path) -> None:
    c = case()
    circuits = {"first": a_circuit(c, 0), "second": a_circuit(c, 1)}
    paths = []
    for name, circuit in circuits.items():
        paths.append(tmp_path / f"{name}.json")
        save_circuit(circuit, paths[-1])
    other = made_task(pairs=(0, 1))
    found = assessed(
        *paths, parts=["faithfulness", "overlap"], also_on=[replace(other, name="two")]
    )
    overlap = found.compared["overlap"]
    assert overlap.names == overlap.cross.circuits == ("first", "second")
    both = set(circuits["first"].edges()) & set(circuits["second"].edges())
    assert overlap.pairs[0].edges.both == len(both)
    assert overlap.cross.tasks == ("tiny", "two")
    assert overlap.cross.faithfulness[0] == tuple(
        one.results["faithfulness"].faithfulness.value for one in found.circuits
    )
    too_many = assessed(*[circuits["first"]] * 5, parts=["faithfulness", "overlap"])
    assert len(too_many.circuits) == 5
    assert too_many.compared == {}
    assert "two to 4 circuits" in too_many.failed["overlap"]


def test_all_parts_and_their_report() -> None:
    """Whatever the parts really find can be said, drawn and written."""
    c = case()
    few = AssessmentSettings(resamples=20, n_random=5, n_subsets=3, n_repeats=3)
    circuits = [a_circuit(c).pruned(), a_circuit(c, 1).pruned()]
    found = assessed(*circuits, parts=None, settings=few)
    for one in found.circuits:
        assert one.failed == {}
        assert list(one.results) == [name for name, part in PARTS.items() if not part.compares]
    assert list(found.compared) == ["overlap"]
    json.dumps(found.to_json())
    text = to_html(report(found))
    for part in PARTS.values():
        assert part.title in text
    assert not re.search(r">(nan|None)<", text)


def test_a_part_that_cannot_be_done_does_not_stop_the_others() -> None:
    """EAP follows a slope, and accuracy has none."""
    c = case()
    found = assess(
        made_model("gpt2"),
        made_task(),
        a_circuit(c),
        parts=["curve", "faithfulness"],
        settings=FEW,
        metric="accuracy",
    )
    (one,) = found.circuits
    assert list(one.results) == ["faithfulness"]
    assert "accuracy" in one.failed["curve"]


def test_where_nothing_tells_clean_from_corrupted_shares_are_missing_and_it_is_said() -> None:
    """The best answer beats the wrong one in neither run of this pair, so accuracy is 0 in both."""
    c = case()
    same = next(
        i
        for i, (clean, corrupted) in enumerate(
            zip(
                c.experiment.clean.correct_per_pair,
                c.experiment.corrupted.correct_per_pair,
                strict=True,
            )
        )
        if clean == corrupted
    )
    found = assess(
        made_model("gpt2"),
        made_task(pairs=(same,)),
        a_circuit(c),
        parts=QUICK,
        settings=FEW,
        metric="accuracy",
    )
    results = found.circuits[0].results
    assert results["faithfulness"].faithfulness.value is None
    assert results["directions"].necessity is None
    assert results["directions"].warned == ()
    assert any("changes nothing" in remark for remark in found.remarks)


def test_stopped_it_has_what_was_done_by_then() -> None:
    stop = threading.Event()

    def report(message: str, fraction: float | None) -> None:
        if "noising" in message:
            stop.set()

    found = assessed(a_circuit(case()), a_circuit(case(), 1), progress=report, cancel=stop)
    assert not found.complete
    assert [list(one.results) for one in found.circuits] == [["faithfulness"], []]
    assert assessed(a_circuit(case())).complete


def test_stopped_before_anything_was_done_there_is_nothing() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        assessed(a_circuit(case()), cancel=stop)


def test_bad_input_is_said_before_anything_is_computed() -> None:
    c = case()
    with pytest.raises(WorkbenchError, match="no part 'beauty'"):
        assessed(a_circuit(c), parts=["beauty"])
    with pytest.raises(WorkbenchError, match="at least one part"):
        assessed(a_circuit(c), parts=[])
    with pytest.raises(WorkbenchError, match="no circuit to assess"):
        assessed()
    with pytest.raises(WorkbenchError, match="overlap compares circuits"):
        assessed(a_circuit(c), parts=["overlap"])
    with pytest.raises(WorkbenchError, match="circuit 1 belongs to another model"):
        assessed(Circuit.full(Graph(5, 3)))
    with pytest.raises(WorkbenchError, match=r"circuit 2 is open: .* \(1\)"):
        assessed(a_circuit(c), Circuit.start(c.graph))


def test_a_metric_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case()
    corrupted = c.experiment.corrupted
    monkeypatch.setattr(corrupted, "per_pair", (math.nan, *corrupted.per_pair[1:]))
    with pytest.raises(WorkbenchError, match="of the corrupted run is not a number on 1 of 5"):
        finish(assessment(c.experiment, a_circuit(c), parts=QUICK))


@pytest.mark.parametrize(
    "told",
    [
        {"resamples": 0},
        {"n_random": 0},
        {"alpha": 0.0},
        {"confidence": 1.0},
        {"epsilon": 0.5},
        {"seed": -1},
        {"method": "guessing"},
    ],
)
def test_settings_that_mean_nothing_are_refused(told: dict) -> None:
    with pytest.raises(WorkbenchError):
        AssessmentSettings(**told)


def test_parts_come_in_the_catalogues_order() -> None:
    names = [part.name for part in choose_parts(["curve", "faithfulness"], 1)]
    assert names == ["faithfulness", "curve"]
    assert [part.name for part in choose_parts(None, 2)] == list(PARTS)
    assert "overlap" not in [part.name for part in choose_parts(None, 1)]
