"""The commands `workbench all-for-one`, `knock-out` and `rerun`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases.engine_cases import Case
from tests.workbench.engine.test_changed_run import means_of
from workbench import (
    AllForOneSettings,
    Changes,
    Knockout,
    KnockoutSettings,
    Replacement,
    all_for_one,
    knockout_map,
    load_model,
    prepare,
    rerun,
)
from workbench.cli.main import main
from workbench.engine.changed_run import changed_finals
from workbench.experiment.experiment import Evaluation

OF = ["pocket", "greater-than", "--pairs", "6", "--device", "cpu"]


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert not main([*arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found.pop("warnings") == []
    return found


def test_they_say_what_a_script_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model("pocket", device="cpu")
    experiment = prepare(model, "greater-than", pairs=6)
    over = prepare(model, "greater-than", pairs=24).batch
    settings = AllForOneSettings(0.8, "metric", "all", keep_first=False)
    found = told(
        capsys, "all-for-one", *OF, "--level", "0.8", "--by", "metric", "--others", "all",
        "--hide-first", "--prompts", "24", "-o", str(tmp_path / "a.csv"),
    )  # fmt: skip
    assert found == plain(all_for_one(experiment, over=over, settings=settings).to_json())
    assert len(list(csv.reader((tmp_path / "a.csv").open()))) == 1 + 14 + 4
    assert not main(["all-for-one", *OF, "--prompts", "24"])
    shown = capsys.readouterr().out
    assert all_for_one(experiment, over=over).headline in shown and "free" in shown

    asked = KnockoutSettings(1, -2, 2)
    arguments = ["knock-out", *OF, "--reach", "1", "--query", "-2", "--pair", "3"]
    found = told(capsys, *arguments, "-o", str(tmp_path / "k.svg"))
    knocked = knockout_map(experiment, settings=asked)
    assert found == plain(knocked.to_json())
    assert (tmp_path / "k.svg").read_text().startswith("<?xml")
    assert not main(arguments)
    shown = capsys.readouterr().out
    assert knocked.headline in shown and "all but first" in shown


def test_a_changed_run_beside_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "greater-than", pairs=6)
    changes = Changes((Knockout((2, 3), (-1,), (-5,)),), (Replacement(0, (1, 2), "context-mean"),))
    asked = ["rerun", *OF, "--hide", "2..3:last<-5", "--replace", "0:1..2=context-mean"]
    found = told(capsys, *asked, "--prompts", "0")
    assert found == plain(rerun(experiment, changes).to_json())
    means = means_of(Case(experiment.model, experiment, [], [], []))
    finals = [final[:, 0] for final in changed_finals(experiment, [changes], means)]
    expected = Evaluation(experiment, finals)
    assert found["changed"]["metric"] == pytest.approx(expected.metric, abs=1e-6)
    assert found["kl"] == pytest.approx(expected.kl, abs=1e-6)
    assert found["model"]["metric"] == pytest.approx(experiment.clean.metric)
    assert found["changed"]["metric"] < 0.6 * found["model"]["metric"]
    shares = [share for _, share in found["top_model"]]
    assert shares == sorted(shares, reverse=True) and len(shares) == 10
    assert not main(asked)
    assert "KL from the model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["all-for-one", "pocket", "ioi", "--level", "0"], "level lies"),
        (["all-for-one", "pocket", "ioi", "--over", "no-such"], "no-such"),
        (["all-for-one", "pocket", "ioi", "-o", "map.txt"], "says no format"),
        (["all-for-one", *OF, "--metric", "kl", "--by", "metric"], "no share"),
        (["knock-out", "pocket", "ioi", "-o", "map"], "says no format"),
        (["knock-out", *OF, "--pair", "7"], "no pair 7"),
        (["knock-out", *OF, "--query", "40"], "position 40"),
        (["rerun", "pocket", "ioi"], "Nothing is changed"),
        (["rerun", "pocket", "ioi", "--hide", "last"], "LAYERS:QUERIES<KEYS"),
        (["rerun", "pocket", "ioi", "--replace", "3"], "LAYER:POSITIONS=SOURCE"),
        (["rerun", *OF, "--hide", "9:last<0"], "no layer 9"),
        (["rerun", *OF, "--replace", "0:40=mean"], "no position 40"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
