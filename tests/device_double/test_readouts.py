"""Every readout on a device: what it shows comes back at the end, and is what the CPU shows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.device_double.cases import experiment
from tests.support.device_double.events import watched
from workbench.circuits.circuit import Circuit
from workbench.experiment.experiment import Experiment
from workbench.readouts.catalogue import BUILT_IN, Readout, read_out
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.shapes import shape_of, to_json

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task

MOST = 16
"""Answers that a readout may wait for: a map has one for each position."""

CASES = [(r, way, pair) for r in BUILT_IN for way in (r.ways or ("",)) for pair in (0, None)]


def read(at: Experiment, readout: Readout, way: str, pair: int | None) -> Any:
    more: dict[str, Any] = {"way": way} if way else {}
    if readout.needs_lens:
        width = at.model.parts.d_model
        more["through"] = JacobianLens({1: torch.eye(width)}, width, 1)
    if readout.runs == ("circuit",):
        more["run"] = InCircuit(Circuit.full(at.graph))
    if readout.directed:
        more["direction"] = "unembed: Mary"
    node = "a1.h1" if readout.by_node else None
    return read_out(at, readout.name, node, pair=pair, **more)


def numbers(result: Any) -> list[float]:
    """All numbers of a shape, in order."""
    found: list[float] = []

    def walk(value: Any) -> None:
        if isinstance(value, float):
            found.append(value)
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, dict | list | float):
                walk(one) if not isinstance(one, float) else found.append(one)

    walk(json.loads(json.dumps(to_json(shape_of(result)))))
    return found


@pytest.mark.parametrize(
    ("readout", "way", "pair"), CASES, ids=lambda case: getattr(case, "name", case)
)
def test_a_readout_waits_at_the_end(readout: Readout, way: str, pair: int | None) -> None:
    at = experiment("llama", there=True)
    with watched() as seen:
        there = read(at, readout, way, pair)
    seen.check()
    assert len(seen.events) <= MOST + len(at.batch.roles.names)
    here = read(experiment("llama", there=False), readout, way, pair)
    np.testing.assert_allclose(numbers(there), numbers(here), atol=1e-3)
