"""Readouts at a role: means at its last token over the pairs that have it, of whatever length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.cases.readout_cases import PAIRS, case
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.readouts.answer_curve import answer_curve
from workbench.readouts.catalogue import READOUTS, read_out
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.lens_map import lens_map
from workbench.readouts.logit_lens import logit_lens

EXPERIMENT = case("gpt2").experiment
ROLES = EXPERIMENT.batch.roles
VOCABULARY = EXPERIMENT.model.parts.w_u.shape[1]


def lens(**how: Any) -> list[float]:
    found = logit_lens(EXPERIMENT, "m0", k=VOCABULARY, **how)
    return [value for _, value in sorted((one.id, one.value) for one in found.promoted)]


def shares(**how: Any) -> list[float]:
    return [row.value for row in direct_logit_attribution(EXPERIMENT, **how).rows]


def curve(**how: Any) -> list[float]:
    return list(answer_curve(EXPERIMENT, "a1.h0", **how).values)


@pytest.mark.parametrize("read", [lens, shares, curve])
@pytest.mark.parametrize("run", ["corrupted", "clean-corrupted"])
def test_a_mean_at_a_role_is_that_of_the_pairs_that_have_it(
    read: Callable[..., list[float]], run: str
) -> None:
    for role in ROLES.names:
        places = {pair: at[-1] for pair in range(len(PAIRS)) if (at := ROLES.positions(role, pair))}
        each = [read(pair=pair, position=at, run=run) for pair, at in places.items()]
        mean = read(position=role, run=run)
        assert mean == pytest.approx(np.mean(each, axis=0), abs=1e-4)
        first = next(iter(places))
        assert read(position=role, pair=first, run=run) == pytest.approx(each[0], abs=1e-6)


def test_a_place_says_its_role_and_how_many_pairs_have_it() -> None:
    few = min(ROLES.names, key=lambda role: sum(bool(ROLES.positions(role, i)) for i in range(5)))
    place = logit_lens(EXPERIMENT, "m0", position=few).place
    n = sum(bool(ROLES.positions(few, pair)) for pair in range(len(PAIRS)))
    assert (place.position, place.n_pairs) == (few, n) and n < len(PAIRS)


def test_the_map_of_a_circuit_is_by_role_too() -> None:
    full = InCircuit(Circuit.full(EXPERIMENT.model.graph))
    mine, plain = lens_map(EXPERIMENT, run=full), lens_map(EXPERIMENT)
    assert mine.columns == plain.columns == ROLES.names and mine.texts == plain.texts


def test_every_readout_of_a_position_takes_a_role() -> None:
    for entry in READOUTS.values():
        if entry.by_position and not entry.directed and not entry.needs_lens:
            run = (
                InCircuit(Circuit.full(EXPERIMENT.model.graph))
                if entry.runs == ("circuit",)
                else "clean"
            )
            node = "a1.h0" if entry.by_node else None
            assert read_out(EXPERIMENT, entry.name, node, position="END", run=run, pair=0)


def test_a_role_that_is_not_there_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="No pair has a role 'XX': there are"):
        logit_lens(EXPERIMENT, "m0", position="XX")
    lacking = next(role for role in ROLES.names if not ROLES.positions(role, 0))
    with pytest.raises(WorkbenchError, match=r"Prompt 1 has no role .*: it has "):
        logit_lens(EXPERIMENT, "m0", position=lacking, pair=0)
