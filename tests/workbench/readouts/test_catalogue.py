"""Readouts by name, in the four shapes, and those of plug-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from screens.readouts.shapes import draw_shape
from tests.support.cases.readout_cases import case
from tests.support.plugin_packages import clear_plugins, make_package
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue
from workbench.readouts import catalogue as readouts
from workbench.readouts.catalogue import READOUTS, find_readout, read_out
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.shapes import Grid, Ranking, Rows, Series, Shape, shape_of, to_json

CODE = """
from workbench.readouts.catalogue import Readout
from workbench.readouts.shapes import Ranking

def norms(experiment, node, *, pair, run):
    return Ranking(f"Norms of {node} in the {run} run", ((node, float(pair)),), "norm")

NORMS = Readout("norms", ("Norms", "Norms", "Nrm"), f"{__name__}:norms", "Norms.",
                by_position=False)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    points = {"readouts": {"norms": "plug_readout:NORMS"}}
    make_package(tmp_path, "plug_readout", CODE, points)
    anew = Catalogue("readouts", "readout", readouts.Readout, readouts.BUILT_IN)
    monkeypatch.setattr(readouts, "READOUTS", anew)
    yield
    clear_plugins()


@pytest.mark.parametrize("name", [entry.name for entry in readouts.BUILT_IN])
def test_every_built_in_one_is_found_by_name_and_has_a_shape(name: str) -> None:
    c = case("gpt2")
    entry = READOUTS[name]
    more: dict[str, Any] = {}
    if entry.needs_lens:
        width = c.experiment.model.parts.d_model
        more["through"] = JacobianLens({1: torch.eye(width)}, width, 1)
    if entry.runs == ("circuit",):
        more["run"] = InCircuit(Circuit.full(c.experiment.graph))
    if entry.directed:
        more["direction"] = "unembed: are"
    result = read_out(c.experiment, name, "a1.h0" if entry.by_node else None, pair=0, **more)
    shape = shape_of(result)
    assert isinstance(shape, Ranking | Series | Grid | Rows)
    assert json.loads(json.dumps(to_json(shape)))["title"] == shape.title
    assert shape.title in draw_shape(shape, 60).plain.replace("\n", " ")


def test_it_is_what_its_function_says() -> None:
    c = case("gpt2")
    assert read_out(c.experiment, "lens", "m1", position=-2, k=3) == logit_lens(
        c.experiment, "m1", position=-2, k=3
    )
    with pytest.raises(WorkbenchError, match="is of a node"):
        read_out(c.experiment, "lens")
    with pytest.raises(WorkbenchError, match="choose one of: lens"):
        find_readout("no-such")


def test_one_of_a_plug_in(package: None) -> None:
    found = read_out(SimpleNamespace(), "norms", "m0", pair=2)  # type: ignore[arg-type]
    assert found == Ranking("Norms of m0 in the clean run", (("m0", 2.0),), "norm")
    assert shape_of(found) is found


SHAPES: list[tuple[Shape, str]] = [
    (Ranking("Ranking", ((" cat", 2.0), ("dog", -1.0)), "norm"), "·cat +2.00"),
    (Series("Series", ("layer 0", "layer 1"), (0.5, 1.0)), "layer·1 +1.00"),
    (Grid("Grid", ("a", "b"), ("a", "b"), np.array([[1, np.nan], [-0.5, 0.5]])), "1 b −▓▓▓"),
    (Rows("Rows", ("after", "says"), (("layer 0", "x"), ("all", "y"))), "layer 0  x"),
]


@pytest.mark.parametrize(("shape", "line"), SHAPES)
def test_every_shape_is_drawn(shape: Shape, line: str) -> None:
    for width in (24, 80):
        text = draw_shape(shape, width).plain
        assert text.startswith(shape.title) and line in text
        assert all(len(row) <= max(width, 36) for row in text.splitlines())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Series("S", ("a",), (1.0, 2.0)),
        lambda: Grid("G", ("a",), ("b",), np.zeros((2, 1))),
        lambda: Rows("R", ("a",), (("b", "c"),)),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: Any) -> None:
    with pytest.raises(WorkbenchError):
        wrong()
