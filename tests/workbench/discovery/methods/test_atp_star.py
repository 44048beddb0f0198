"""AtP*: QK fix and GradDrop, against hooks and stopped gradients on the plain model."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.node_cases import LENGTHS, NAMES, NodeCase, case_of, node_case
from tests.support.tiny_models import tiny_gpt2
from workbench.base.work import finish
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.qk_fix import _Row
from workbench.discovery.methods.atp_star import OF_HEADS, magnitudes
from workbench.models.model import Model

names = pytest.mark.parametrize("name", NAMES)


class Effects:
    """Effects in one pass, of one group: by pair and position, and by pair at all positions."""

    def __init__(self, by_position: Tensor, whole: Tensor | None = None) -> None:
        self.by_position = by_position.numpy()
        self.whole = (by_position.sum(1) if whole is None else whole).numpy()


def effects_of(c: NodeCase, group: int, node: str, kind: str, stopped: int | None) -> Effects:
    """Of a node's output, or of a head's query, key or value, with one block's gradient stopped."""
    reference = c.references[group]
    gradients = reference.gradients(lambda logits: c.metric(group, logits), stopped)
    name, own = reference.place(node)
    gradient, clean = gradients[name][..., own], reference.values[name][..., own]
    if kind == "output":
        moved = reference.corrupted_values[name][..., own] - clean
        return Effects((moved * gradient).sum(-1))
    which = ("query", "key", "value").index(kind)
    whole = ((reference.with_input(node, which) - clean) * gradient).sum(-1)
    alone = [
        ((reference.with_input(node, which, [position]) - clean) * gradient).sum((1, 2))
        for position in range(clean.shape[1])
    ]
    return Effects(torch.stack(alone, dim=1), whole.sum(1))


def expected(c: NodeCase, node: str, kind: str) -> tuple[float, np.ndarray]:
    """A node's magnitude at all positions, and at each one [position]."""
    n_layers = c.graph.n_layers
    passes = list(range(n_layers)) if n_layers > 1 else [None]
    divisor = n_layers if node == "input" or n_layers == 1 else n_layers - 1
    whole, by_position = 0.0, np.zeros(max(LENGTHS))
    for group in range(len(c.groups)):
        for stopped in passes:
            effects = effects_of(c, group, node, kind, stopped)
            whole += np.abs(effects.whole).sum()
            at = np.abs(effects.by_position).sum(0)
            by_position[-len(at) :] += at
    return whole / divisor / c.n_pairs, by_position / divisor / c.n_pairs


@names
def test_every_node_in_every_pass(name: str) -> None:
    c = node_case(name)
    findings = Findings.of(c.graph, "atp-star", "logit_diff")
    found = finish(magnitudes(c.experiment, findings))
    size = found.nodes.max()
    nodes = ["input", "a0.h1", "m0", "a1.h2", "m1", "a2.h3", "m2"]
    for node in nodes:
        source = c.graph.source_index(node)
        for kind in range(4 if c.graph.is_head(node) else 1):
            whole, by_position = expected(c, node, OF_HEADS[kind])
            assert found.nodes[kind, source] == pytest.approx(whole, abs=2e-4 * size)
            positions = found.positions[kind, source]
            np.testing.assert_allclose(positions, by_position, rtol=0, atol=2e-4 * size)
            assert whole > 1e-3 * size or kind
    assert findings.needed == 0
    assert findings.nodes is not None and findings.positions is not None
    np.testing.assert_allclose(findings.nodes, found.nodes.max(axis=0), rtol=1e-6)
    np.testing.assert_allclose(findings.positions, found.positions.max(axis=0), rtol=1e-6)


@names
def test_neurons(name: str) -> None:
    c = node_case(name)
    found = c.found("atp-star").neurons
    n_layers = c.graph.n_layers
    for mlp, scores in found.items():
        wanted = np.zeros(len(scores))
        for group, reference in enumerate(c.references):
            value = f"{mlp}.neurons"
            moved = reference.corrupted_values[value] - reference.values[value]
            for stopped in range(n_layers):
                gradient = reference.gradients(partial(c.metric, group), stopped)[value]
                wanted += (moved * gradient).sum(1).abs().sum(0).numpy()
        wanted /= (n_layers - 1) * c.n_pairs
        np.testing.assert_allclose(scores, wanted, rtol=0, atol=2e-4 * wanted.max())


def test_a_model_of_one_layer_has_nothing_to_drop() -> None:
    c = case_of(Model.from_hf(*tiny_gpt2(layers=1), name="one", device="cpu"))
    found = c.found("atp-star").nodes
    assert found is not None
    for source, node in enumerate(c.graph.sources):
        kinds = OF_HEADS if c.graph.is_head(node) else OF_HEADS[:1]
        assert found[source] == pytest.approx(
            max(expected(c, node, kind)[0] for kind in kinds), rel=1e-3
        )


@pytest.mark.parametrize("sharpness", [1.0, 30.0])
def test_one_key_at_a_time_is_a_softmax_of_its_own(sharpness: float) -> None:
    """Also where one key has all the weight, so that 1 - p is rounding."""
    generator = torch.Generator().manual_seed(3)
    queries, keys, changed = 4, 6, 4
    scores = sharpness * torch.randn(2, queries, keys, generator=generator)
    other = sharpness * torch.randn(2, queries, changed, generator=generator)
    hidden = torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)
    hidden[0, 1:] = True  # the first query sees one key only
    scores = scores.masked_fill(hidden, float("-inf"))
    other = other.masked_fill(hidden[:, -changed:], float("-inf"))
    gradient = torch.randn(2, queries, keys, generator=generator)
    found = _Row(scores, other).effects(gradient)
    for key in range(changed):
        new = scores.double().clone()
        new[..., keys - changed + key] = other[..., key]
        change = new.softmax(-1) - scores.double().softmax(-1)
        wanted = (change * gradient).sum(-1)
        torch.testing.assert_close(found[..., key].double(), wanted, rtol=1e-4, atol=1e-6)


def test_a_saturated_query_is_found_where_its_slope_is_nothing() -> None:
    made, tokenizer = tiny_gpt2(layers=3, heads=4)
    with torch.no_grad():
        for block in made.transformer.h:
            block.attn.c_attn.weight[:, : 2 * made.config.n_embd] *= 6
    c = case_of(Model.from_hf(made, tokenizer, name="sharp", device="cpu"))
    findings = Findings.of(c.graph, "atp-star", "logit_diff")
    fixed = finish(magnitudes(c.experiment, findings)).nodes[OF_HEADS.index("query")]
    node = "a1.h0"
    assert fixed[c.graph.source_index(node)] == pytest.approx(
        expected(c, node, "query")[0], rel=1e-3
    )
    width = made.config.n_embd // 4
    slope = 0.0
    for group, reference in enumerate(c.references):
        gradient = reference.gradients(partial(c.metric, group))
        name = "a1.proj0"
        moved = reference.corrupted_values[name] - reference.values[name]
        slope += float((moved * gradient[name])[..., :width].sum((1, 2)).abs().sum()) / c.n_pairs
    assert fixed[c.graph.source_index(node)] > 0.3
    assert slope < 1e-3
