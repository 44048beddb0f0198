"""Direct and total effects: against plain transformers with hooks, and against what they are."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.support.cases.node_cases import workspace_of
from tests.support.cases.readout_cases import case as readout_case
from tests.support.cases.repair_cases import FAMILIES, repair_case
from workbench.circuits.circuit import Circuit
from workbench.effects.definitions import CHANGE, DEFINITIONS, JOINED, REMOVAL
from workbench.effects.repair_results import Repair
from workbench.effects.self_repair import self_repair
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import node_effects
from workbench.errors import Cancelled, WorkbenchError
from workbench.readouts.direct_logit_attribution import direct_logit_attribution

TOLERANCE = 2e-4


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_node_equals_the_reference(family: str, zero: bool) -> None:
    made = repair_case(family)
    ablation = "zero" if zero else "patching"
    found = self_repair(made.nodes.experiment, ablation=ablation)
    sets: list[tuple[str, ...]] = [(node,) for node in made.references[0].sources()]
    wanted = made.expected(sets, zero=zero)
    np.testing.assert_allclose([r.total for r in found.rows], wanted["total"], atol=TOLERANCE)
    np.testing.assert_allclose([r.metric for r in found.rows], wanted["metric"], atol=TOLERANCE)
    np.testing.assert_allclose(found.writes, wanted["writes"], atol=TOLERANCE)
    np.testing.assert_allclose(found.changes, wanted["changes"], atol=TOLERANCE)
    # What the norms do is what none of the nodes does.
    rest = wanted["total"] - wanted["changes"].sum(axis=1)
    np.testing.assert_allclose([r.norm for r in found.rows], rest, atol=TOLERANCE)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gemma2", "olmo2"])
@pytest.mark.parametrize("zero", [False, True])
def test_sets_of_nodes_equal_the_reference(family: str, zero: bool) -> None:
    made = repair_case(family)
    sets: list[tuple[str, ...]] = [
        ("a0.h1", "m1"),
        ("input", "a2.h3"),
        ("a1.h0", "a1.h2", "m1", "a2.h1"),
        ("m0", "m2"),
    ]
    found = self_repair(
        made.nodes.experiment,
        [JOINED.join(nodes) for nodes in sets],
        ablation="zero" if zero else "patching",
    )
    wanted = made.expected(sets, zero=zero)
    np.testing.assert_allclose([r.total for r in found.rows], wanted["total"], atol=TOLERANCE)
    np.testing.assert_allclose([r.metric for r in found.rows], wanted["metric"], atol=TOLERANCE)
    np.testing.assert_allclose(found.changes, wanted["changes"], atol=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_add_up_to_the_total_effect(family: str) -> None:
    for ablation in ("patching", "zero", "mean"):
        for row in self_repair(repair_case(family).nodes.experiment, ablation=ablation).rows:
            parts = row.left - row.writes + row.heads + row.mlps + row.norm
            assert parts == pytest.approx(row.total, abs=TOLERANCE)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_the_models_top_token_as_the_target(family: str) -> None:
    made = repair_case(family)
    found = self_repair(made.nodes.experiment, definition=REMOVAL)
    wanted = made.expected([(s,) for s in made.references[0].sources()], target="top")
    np.testing.assert_allclose([r.total for r in found.rows], wanted["total"], atol=TOLERANCE)
    np.testing.assert_allclose(found.writes, wanted["writes"], atol=TOLERANCE)
    for row, total, writes in zip(found.rows, wanted["total"], wanted["writes"], strict=True):
        assert row.direct == pytest.approx(-writes, abs=TOLERANCE)
        assert row.repaired == pytest.approx(total + writes, abs=2 * TOLERANCE)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
def test_the_definitions_agree_by_zero_ablation_and_not_by_patching(family: str) -> None:
    experiment = repair_case(family).nodes.experiment

    def repaired(definition: str, ablation: str) -> np.ndarray:
        found = self_repair(experiment, definition=definition, ablation=ablation, target="answers")
        return np.array([row.repaired for row in found.rows])

    one, other = (repaired(name, "zero") for name in DEFINITIONS)
    np.testing.assert_allclose(one, other, atol=1e-5)
    by_patching = [repaired(name, "patching") for name in DEFINITIONS]
    assert np.abs(by_patching[0] - by_patching[1]).max() > 0.1


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2"])
@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
def test_totals_equal_the_node_effects(family: str, ablation: str) -> None:
    experiment = repair_case(family).nodes.experiment
    found = self_repair(experiment, ablation=ablation)
    under = workspace_of(experiment.model, experiment.batch.groups, ablation=ablation)
    evaluator = Evaluator(under, Circuit.empty(under.graph))
    wanted: dict[str, float] = {}
    for names, values in node_effects(evaluator, under.graph.sources):
        wanted |= dict(zip(names, values, strict=True))
    assert {row.node: row.metric for row in found.rows} == pytest.approx(wanted, abs=TOLERANCE)


@pytest.mark.parametrize("ablation", ["patching", "zero"])
@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_at_one_position_totals_equal_the_node_effects(family: str, ablation: str) -> None:
    experiment = repair_case(family).nodes.experiment.under(ablation)
    evaluator = Evaluator(experiment, Circuit.empty(experiment.graph))
    for position in (0, 1, 3, 7):
        found = self_repair(experiment, position=position)
        for names, values in node_effects(evaluator, experiment.graph.sources, position=position):
            mine = [found.row(name).metric for name in names]
            np.testing.assert_allclose(mine, values, atol=TOLERANCE)
        for row in found.rows:
            parts = row.left - row.writes + row.heads + row.mlps + row.norm
            assert parts == pytest.approx(row.total, abs=TOLERANCE)
            if position:  # what it writes at the last position is as it was
                assert row.left == pytest.approx(row.writes, abs=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_the_mean_is_that_of_the_pairs(family: str) -> None:
    experiment = repair_case(family).nodes.experiment
    whole = self_repair(experiment)
    pairs = [self_repair(experiment, pair=pair) for pair in range(experiment.n_pairs)]
    for name in ("total", "writes", "left", "heads", "mlps", "norm", "metric"):
        mean = np.mean([[getattr(row, name) for row in one.rows] for one in pairs], axis=0)
        own = [getattr(row, name) for row in whole.rows]
        np.testing.assert_allclose(own, mean, atol=1e-5)
    np.testing.assert_allclose(
        whole.changes, np.mean([one.changes for one in pairs], axis=0), atol=1e-5
    )


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_on_the_corrupted_prompts_the_clean_output_is_put_in(family: str) -> None:
    """The same as an experiment whose pairs are the other way round."""
    made = repair_case(family).nodes
    turned = workspace_of(
        made.experiment.model,
        tuple(replace(g, clean=g.corrupted, corrupted=g.clean) for g in made.groups),
    )
    for ablation in ("patching", "zero"):
        mine = self_repair(made.experiment, run="corrupted", ablation=ablation)
        theirs = self_repair(turned, ablation=ablation)
        for a, b in zip(mine.rows, theirs.rows, strict=True):
            assert a.total == pytest.approx(b.total, abs=TOLERANCE)
            assert a.left == pytest.approx(b.left, abs=TOLERANCE)
    assert mine.metric == pytest.approx(made.experiment.corrupted.metric, abs=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "neox", "gpt2 with unembedding bias"])
@pytest.mark.parametrize("pair", [None, 1])
def test_direct_effects_and_constants_sum_to_the_logit_difference(
    family: str, pair: int | None
) -> None:
    experiment = readout_case(family).experiment
    found = self_repair(experiment, pair=pair)
    view = direct_logit_attribution(experiment, pair=pair)
    for node, value in zip(found.sources, found.writes, strict=True):
        assert value == pytest.approx(view.value(node), abs=1e-5)
    constants = sum(row.value for row in view.rows if row.node not in found.sources)
    assert found.writes.sum() + constants == pytest.approx(found.logit, abs=1e-4)
    assert found.logit == pytest.approx(view.total, abs=1e-5)


def test_all_heads_of_a_layer_are_one_set() -> None:
    experiment = repair_case("gpt2").nodes.experiment
    heads = [experiment.graph.sources[s] for s in experiment.graph.head_sources(1)]
    layer, joined = self_repair(experiment, ["a1", "+".join(heads)]).rows
    assert layer == joined and list(layer.nodes) == heads
    with pytest.raises(WorkbenchError):
        self_repair(experiment, ["a9"])


def row(writes: float, left: float, total: float, noticed: float = 0.1) -> Repair:
    return Repair("a0.h0", writes, left, total, 0, 0, 0, 0, CHANGE, noticed)


def test_verdicts() -> None:
    assert row(1, 0, -0.4).is_repaired
    assert not row(1, 0, -0.6).is_repaired
    assert row(1, 0, 0.2).is_repaired, "made up for by more than what was lost"
    assert row(1, 0, 0.6).verdict == "overturned"
    assert not row(1, 0, -1.4).is_repaired, "made worse"
    assert not row(0.05, 0, 0).is_repaired, "too small to be worth a word"
    assert row(-1, 0, 0.4).verdict == "repaired, negative"
    assert row(1, 0.5, -0.25).undone == pytest.approx(0.5)
    assert row(1, 0.5, -0.25).fraction == pytest.approx(0.25)
    assert row(0, 0, 1).fraction is None
    assert row(0, 0, 1).undone is None


def _looks(made: Any, node: str | None) -> list[list[Tensor]]:
    """Of each group where the model's own attention looks from the last token, by layer."""
    found: list[list[Tensor]] = []
    for reference in made.references:
        rows: list[Tensor] = []
        attentions = [b.get_submodule(reference.names.attention) for b in reference.nodes.blocks]
        hooks = [
            module.register_forward_hook(lambda _, args, out, rows=rows: rows.append(out[1]))
            for module in attentions
        ]
        reference.run({} if node is None else {node: reference.instead(node)})
        for hook in hooks:
            hook.remove()
        found.append([row[:, :, -1] for row in rows])
    return found


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2"])
def test_attention_moves_as_the_models_own(family: str) -> None:
    made = repair_case(family)
    experiment = made.nodes.experiment
    plain = _looks(made, None)
    for node in ("m0", "a0.h1"):
        found = self_repair(experiment, [node]).attention[0]
        wanted = np.zeros(experiment.graph.n_sources)
        for before, after in zip(plain, _looks(made, node), strict=True):
            for layer, (one, other) in enumerate(zip(before, after, strict=True)):
                moved = (one - other).abs().sum(-1).sum(0)
                wanted[experiment.graph.head_rows(layer)] += moved.double().numpy()
        np.testing.assert_allclose(found, wanted / experiment.n_pairs, atol=TOLERANCE)
        assert found.max() > 0.01


def test_repairers_come_by_what_they_make_up_for() -> None:
    found = self_repair(repair_case("gpt2").nodes.experiment)
    for one in found.rows:
        every = found.repairers(one.node, None)
        changes = dict(zip(found.sources, found.changes[found.index(one.node)], strict=True))
        sign = -np.sign(one.direct)
        assert [r.node for r in every] == sorted(
            (n for n, c in changes.items() if sign * c > 0 and n != one.node),
            key=lambda n: -abs(changes[n]),
        )
        assert all((r.kind == "negative") == (sign * r.writes < 0) for r in every)
        assert all((r.attention is None) == r.node.startswith(("m", "i")) for r in every)
        together = found.together(one.node)
        assert together[0] == one.node
        assert list(together[1:]) == [r.node for r in every[: len(together) - 1]]


def test_the_table_sorts_by_every_column() -> None:
    found = self_repair(repair_case("gpt2").nodes.experiment)
    totals = [abs(r.total) for r in found.sorted_by("total")]
    assert totals == sorted(totals, reverse=True)
    assert found.sorted_by("node") == found.rows
    assert found.sorted_by("direct", descending=False)[-1] == found.sorted_by("direct")[0]
    with pytest.raises(WorkbenchError, match="no column"):
        found.sorted_by("worth")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"nodes": ["a9.h9"]}, "a9.h9"),
        ({"nodes": ["m0+m0"]}, "twice"),
        ({"definition": "wrong"}, "no definition"),
        ({"ablation": "wrong"}, "no ablation"),
        ({"run": "circuit"}, "no run"),
        ({"pair": 99}, "no pair"),
        ({"target": "wrong"}, "no target"),
    ],
)
def test_bad_requests_are_refused(asked: dict, words: str) -> None:
    with pytest.raises(WorkbenchError, match=words):
        self_repair(repair_case("gpt2").nodes.experiment, **asked)


def test_it_stops() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        self_repair(repair_case("gpt2").nodes.experiment, cancel=stop)
