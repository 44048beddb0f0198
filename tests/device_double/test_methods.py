"""Every method of discovery on a device: it waits once it is done, and finds what the CPU finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.device_double.cases import model, task
from tests.support.device_double.events import watched
from workbench import discover
from workbench.discovery.catalogue import BUILT_IN, Method
from workbench.discovery.run import Discovery

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task

TOLD: dict[str, dict[str, Any]] = {
    "edges": {"edges": 8},
    "nodes": {"nodes": 3},
    "learned": {"edges": 8, "steps": 2},
    "search": {"edges": 8},
}
CASES = [(m, by_role) for m in BUILT_IN for by_role in ((False, True) if m.by_role else (False,))]


def told(method: Method, by_role: bool) -> dict[str, Any]:
    asked = {"threshold": 0.05} if method.name == "acdc" else dict(TOLD[method.kind])
    return asked | ({"by_role": True} if by_role else {})


def found(family: str, name: str, *, there: bool, **asked: Any) -> Discovery:
    return discover(model(family, there=there), task(family), name, **asked)


def same(one: Discovery, other: Discovery) -> None:
    assert one.score.metric == pytest.approx(other.score.metric, abs=1e-4)
    for values in ("edges", "nodes", "at_roles"):
        here, there = getattr(one.findings, values), getattr(other.findings, values)
        if here is not None:
            np.testing.assert_allclose(there, here, atol=1e-4)


@pytest.mark.parametrize(("method", "by_role"), CASES, ids=lambda case: getattr(case, "name", case))
def test_a_method_waits_for_its_answers_alone(method: Method, by_role: bool) -> None:
    asked = told(method, by_role)
    with watched() as seen:
        there = found("gpt2", method.name, there=True, **asked)
    seen.check()
    same(found("gpt2", method.name, there=False, **asked), there)


@pytest.mark.parametrize("ablation", ["zero", "mean", "context-mean"])
@pytest.mark.parametrize("name", ["eap", "exact"])
def test_constants_are_brought_there_once(name: str, ablation: str) -> None:
    with watched() as seen:
        there = found("llama", name, there=True, edges=8, ablation=ablation)
    seen.check()
    same(found("llama", name, there=False, edges=8, ablation=ablation), there)
