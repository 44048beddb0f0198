"""What was found as tables and plots, and the prompts over which means are taken."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.support.cases.engine_cases import Case
from tests.workbench.engine.test_changed_run import means_of
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import prepare
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.all_for_one import all_for_one
from workbench.flow.files import FREE, check_flow_file, tables_of, write_flow
from workbench.flow.knockout_map import knockout_map
from workbench.flow.pictures import flow_pictures
from workbench.flow.prompts import prompts_for_means
from workbench.flow.results import AllForOne, KnockoutMap
from workbench.models.model import Model, load_model


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu")


@cache
def experiment() -> Experiment:
    return prepare(pocket(), "greater-than", pairs=6)


@cache
def waited() -> AllForOne:
    return all_for_one(experiment())


@cache
def knocked() -> KnockoutMap:
    return knockout_map(experiment())


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_cell_is_in_the_table(tmp_path: Path) -> None:
    write_flow(waited(), tmp_path / "a.csv")
    rows = read(tmp_path / "a.csv")
    cells = {(row["first_layer"], row["peek_layers"]): row for row in rows}
    assert len(cells) == len(rows) == 4 * 5 // 2 + 4 + 4
    for first in range(4):
        for n in range(5 - first):
            row = cells[str(first), str(n)]
            assert float(row["accuracy"]) == waited().accuracy[first][n]
            assert float(row["prob_diff"]) == waited().metric[first][n]
        assert float(cells[str(first), FREE]["prob_diff"]) == waited().waiting[first].metric
    write_flow(knocked(), tmp_path / "k.csv")
    rows = read(tmp_path / "k.csv")
    assert len(rows) == 4 * (len(knocked().positions) + 1)
    for row in rows:
        if row["position"]:
            place = knocked().positions.index(int(row["position"]))
            value = knocked().effect[place][int(row["layer"])]
            assert float(row["change_of_prob_diff"]) == value
            assert row["pairs"] == "6"
        else:
            value = knocked().all_others[int(row["layer"])]
            assert float(row["change_of_prob_diff"]) == value
    (_, needed) = tables_of(waited())
    assert len(needed.rows) == len(waited().necessary)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_both_are_drawn(tmp_path: Path, suffix: str) -> None:
    starts = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    both: tuple[AllForOne | KnockoutMap, ...] = (waited(), knocked())
    for i, found in enumerate(both):
        path = tmp_path / f"{i}{suffix}"
        write_flow(found, path)
        assert path.read_bytes().startswith(starts[suffix])
    if suffix == ".svg":
        text = (tmp_path / "1.svg").read_text()
        assert "lasted" in text and "change of prob_diff" in text and "all but the first" in text
        assert "first layer after the wait" in (tmp_path / "0.svg").read_text()


def test_the_same_values_give_the_same_picture_and_a_large_model_has_one() -> None:
    n = 40
    rows = tuple(
        tuple(0.5 if i + j <= n else None for j in range(n + 1)) for i in range(n)
    )  # fmt: skip
    large = replace(
        waited(), n_layers=n, accuracy=rows, metric=rows, waiting=(waited().base,) * n,
        wait=3, window=(3, 4),
    )  # fmt: skip
    ((name, drawing, caption),) = flow_pictures(large)
    assert name == "all-for-one" and large.definition in caption
    assert drawing == flow_pictures(large)[0][1]


def test_a_file_of_no_format_is_refused(tmp_path: Path) -> None:
    for name in ("map.txt", "map", "no/such/folder/map.svg"):
        with pytest.raises(WorkbenchError):
            check_flow_file(tmp_path / name)
    with pytest.raises(WorkbenchError):
        write_flow(waited(), tmp_path / "map.docx")


def test_prompts_for_means_are_more_of_the_task() -> None:
    settings = ExperimentSettings("pocket", "greater-than", pairs=6)
    more = prompts_for_means(pocket(), settings, 20)
    assert more is not None and more.n_pairs == 20
    assert prompts_for_means(pocket(), settings, 0) is None
    other = prompts_for_means(pocket(), settings, 9, "ioi")
    assert other is not None and other.n_pairs == 9 and other.task.name == "ioi"
    with pytest.raises(WorkbenchError):
        prompts_for_means(pocket(), settings, 9, "no-such-task")
    # As many as there are, where more are asked for than a task makes.
    few = replace(settings, task="subject-verb-agreement-simple")
    most = prompts_for_means(pocket(), few, 3000)
    assert most is not None and most.n_pairs == 3000 // 8
    file = replace(settings, task="pairs.jsonl")
    assert prompts_for_means(pocket(), file, 9) is None, "of a file there are no more"


def test_means_over_prompts_count_them() -> None:
    """The means of a wait are those of all prompts together, computed by hand."""
    (group,) = experiment().batch.groups
    means = means_of(Case(pocket(), experiment(), [], [], []))
    counts = means.counts(group.clean, by_token=True)
    for row in range(len(group.clean)):
        for p in range(group.length):
            alike = (group.clean[:, p] == group.clean[row, p]).sum()
            assert counts[row, p] == alike
    assert (means.counts(group.clean, by_token=False) == 6).all()
    own = experiment().recordings[0].whole.layers[2].attn_in
    expected = own.mean(0, keepdim=True).expand_as(own)
    found = means.of(group.clean, 1, by_token=False)
    assert math.isclose(float((found - expected).abs().max()), 0, abs_tol=1e-5)
