"""Parts of others: named in a file or a package, answered, told and written down as any other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cases.assessment_cases import made_model, made_task
from tests.support.cases.engine_cases import random_circuit
from tests.support.plugin_packages import clear_plugins, make_package
from workbench.assessment import ask, catalogue
from workbench.assessment.assess import assess
from workbench.assessment.catalogue import BUILT_IN, PARTS, Part, find_parts
from workbench.assessment.report import headlines, page, plots, sections
from workbench.assessment.report.page import write_report
from workbench.assessment.results.assessment import Assessment
from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, resolve

CODE = """
from dataclasses import asdict, dataclass

from workbench.assessment.catalogue import Part
from workbench.assessment.report.document import Table

@dataclass(frozen=True)
class Found:
    heads: int
    remarks: tuple = ("Counted by hand.",)

    def to_json(self):
        return asdict(self)

def assess(experiment, circuit, settings):
    yield 0.5
    return Found(sum(node.startswith("a") for node in map(str, circuit.nodes())))

def compare(experiments, named, settings):
    yield 0.5
    return Found(len(named))

def headline(found):
    return f"It has {found.heads} heads."

def sections(found):
    yield Table(("what", "number"), (("heads", str(found.heads)),), right=frozenset({1}))

def pictures(found):
    return [("heads", "<svg xmlns='http://www.w3.org/2000/svg'/>", "All heads.")]

def failing(*about):
    yield 0.1
    raise ValueError("no luck.\\nmore")

def broken(found):
    raise KeyError("heads")

def part(name, **other):
    here = {"assess": "assess", "headline": "headline", "sections": "sections"} | other
    compares = here.pop("compares", False)
    named = {key: f"{__name__}:{value}" for key, value in here.items()}
    return Part(name, f"{name.title()}, counted", "How many heads?", "A count.", **named,
                compares=compares)

HEADS = part("heads", pictures="pictures")
TOGETHER = part("together", assess="compare", compares=True)
FAILS = part("fails", assess="failing")
UNTOLD = part("untold", headline="broken")
"""
POINTS = {"heads": "lab_parts:HEADS", "together": "lab_parts:TOGETHER"}
GRAPH = made_model("gpt2").graph


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue[Part]]:
    """A catalogue that has not looked at what is installed, in the place of the usual one."""
    clear_plugins()
    made = Catalogue("parts", "part of an assessment", Part, BUILT_IN)
    for module in (catalogue, ask, headlines, page, plots, sections):
        monkeypatch.setattr(module, "PARTS", made)
    yield made
    sys.modules.pop("lab_parts", None)
    clear_plugins()


@pytest.fixture
def file(tmp_path: Path, anew: Catalogue[Part]) -> str:
    path = tmp_path / "lab.py"
    path.write_text(CODE)
    return str(path)


def assessed(*parts: str, circuits: int = 1) -> Assessment:
    given = [random_circuit(GRAPH, 0.5, seed) for seed in range(circuits)]
    return assess(made_model("gpt2"), made_task(), given, parts=parts or None)


def test_whatever_is_named_is_there() -> None:
    for part in BUILT_IN:
        tellers = (part.pictures, part.lines, part.summary, part.plot)
        for where in (part.assess, part.headline, part.sections, *tellers):
            assert where is None or callable(resolve(where)), where


def test_one_of_a_file_is_answered_and_written_down(file: str, tmp_path: Path) -> None:
    found = assessed(f"{file}:HEADS", "directions")
    (one,) = found.circuits
    assert list(one.results) == ["directions", "heads"], "in the catalogue's order"
    n = one.results["heads"].heads
    assert n > 0 and json.loads(json.dumps(found.to_json()))["circuits"][0]["results"]["heads"]
    for name in ("r.html", "r.md"):
        written = write_report(found, tmp_path / name)
        text = written[0].read_text(encoding="utf-8")
        for said in ("Heads, counted", f"It has {n} heads.", "How many heads?", "Counted by hand."):
            assert said in text
        assert len(written) == 1 or "c1-heads.svg" in {path.name for path in written}


def test_those_of_a_package_are_among_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anew: Catalogue[Part]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    make_package(tmp_path, "lab_parts", CODE, {"parts": POINTS})
    assert [part.name for part in find_parts(None)][-3:] == ["overlap", "heads", "together"]
    assert [part.name for part in catalogue.parts_of_one()][-1] == "heads"
    with pytest.raises(WorkbenchError, match="The part together compares circuits"):
        assessed("together")
    found = assessed("heads", "together", circuits=2)
    assert all(list(one.results) == ["heads"] for one in found.circuits)
    assert found.compared["together"].heads == 2


@pytest.mark.parametrize(
    ("name", "said"), [("FAILS", "ValueError: no luck"), ("UNTOLD", "KeyError: 'heads'")]
)
def test_one_that_fails_costs_no_other(file: str, name: str, said: str) -> None:
    (one,) = assessed(f"{file}:{name}", f"{file}:HEADS").circuits
    assert list(one.results) == ["heads"]
    assert one.failed[name.lower()] == f"The part {name.lower()} of {file} fails: {said}."


def test_what_is_no_part(file: str) -> None:
    with pytest.raises(WorkbenchError, match="There is no part 'beauty'"):
        find_parts(["beauty"])
    with pytest.raises(WorkbenchError, match="has to be a part of an assessment, a Part"):
        find_parts([f"{file}:part"])
    assert "heads" not in PARTS
