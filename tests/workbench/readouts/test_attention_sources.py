"""Scores by sources: they sum to what the model's own softmax sees, and each part is its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.node_cases import NodeCase, node_case
from tests.support.cases.readout_cases import PAIRS, case
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.roles import Roles
from workbench.readouts.attention_sources import (
    ANY,
    CONSTANTS,
    attention_sources,
    attention_without,
)
from workbench.readouts.catalogue import read_out

FAMILIES = [
    "gpt2", "llama", "gpt_neox", "gemma2", "gptj", "gpt_neo", "opt", "qwen3", "olmo2", "cohere",
    "deepseek_v2",
]  # fmt: skip


def experiment_of(made: NodeCase) -> Experiment:
    """The case's experiment with what readouts ask of a batch."""
    batch: Any = made.experiment.batch
    n = made.n_pairs

    def locate(pair: int) -> tuple[Any, int]:
        group = next(g for g in made.groups if pair in g.indices)
        return group, group.indices.index(pair)

    def tokens(pair: int) -> tuple[list[str], list[str]]:
        group, row = locate(pair)
        return [[str(t) for t in side[row].tolist()] for side in (group.clean, group.corrupted)]  # type: ignore[return-value]

    rows = tuple((0,) * (locate(i)[0].length - 1) + (1,) for i in range(n))
    batch.n_pairs, batch.locate, batch.tokens = n, locate, tokens
    batch.roles = Roles(("all", "END"), rows, by_task=True)
    return made.experiment


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_softmax_of_the_scores_is_the_models_own_pattern(family: str, run: str) -> None:
    made = node_case(family)
    experiment = experiment_of(made)
    model = made.references[0].model
    group = made.groups[0]
    with torch.no_grad():
        tokens = group.clean if run == "clean" else group.corrupted
        patterns = model(tokens, output_attentions=True, use_cache=False).attentions
    layer = made.graph.n_layers - 1
    attention = experiment.parts.layers[layer].attention
    for head in range(made.graph.n_heads):
        query, pair = group.length - 1, group.indices[1]
        found = [
            attention_sources(
                experiment, f"a{layer}.h{head}", query=query, key=j, pair=pair, run=run
            )
            for j in range(group.length)
        ]
        scores = torch.tensor([one.values.sum() for one in found])
        if attention.softcap is not None:
            scores = attention.softcap * (scores / attention.softcap).tanh()
        if attention.window is not None and group.length > attention.window:
            scores[: group.length - attention.window] = -torch.inf
        wanted = patterns[layer][1, head, query].double()
        np.testing.assert_allclose(scores.softmax(-1).numpy(), wanted.numpy(), atol=2e-5)
        for j, one in enumerate(found):
            assert one.attention == pytest.approx(float(wanted[j]), abs=2e-5)


def parts_of(made: NodeCase, layer: int, head: int, pair: int, query: int, key: int) -> Tensor:
    """[source, source] by plain weights of a llama, from what hooks saw its modules write."""
    reference, group = made.references[0], made.groups[0]
    row, block = group.indices.index(pair), reference.blocks[layer]
    written: dict[str, Tensor] = {"input": reference.values["input"][row]}
    for at in range(layer):
        o_proj = reference.blocks[at].self_attn.o_proj.weight
        for h in range(made.graph.n_heads):
            name, own = reference.head(f"a{at}.h{h}")
            written[f"a{at}.h{h}"] = reference.values[name][row][:, own] @ o_proj[:, own].T
        written[f"m{at}"] = reference.values[f"m{at}"][row]
    each = torch.stack(list(written.values()))  # [source, position, d_model]
    biases = [reference.blocks[at].self_attn.o_proj.bias for at in range(layer)]
    total = each.sum(0) + torch.stack(biases).sum(0)
    norm = block.input_layernorm
    scale = (total.square().mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt()
    normed = each * scale * norm.weight
    width = block.self_attn.head_dim
    q = normed[:, query] @ block.self_attn.q_proj.weight[head * width : (head + 1) * width].T
    kv = head * reference.n_kv_heads // reference.n_heads
    k = normed[:, key] @ block.self_attn.k_proj.weight[kv * width : (kv + 1) * width].T
    inverse = reference.model.model.rotary_emb.inv_freq.double()

    def turned(x: Tensor, position: int) -> Tensor:
        angle = torch.cat((inverse, inverse)) * position
        half = width // 2
        crossed = torch.cat((-x[:, half:], x[:, :half]), dim=-1)
        return x * angle.cos() + crossed * angle.sin()

    return turned(q, query) @ turned(k, key).T / width**0.5


def test_each_part_is_what_plain_weights_make_of_two_sources() -> None:
    made = node_case("llama")
    experiment = experiment_of(made)
    pair = made.groups[0].indices[0]
    for head, query, key in ((0, 7, 3), (1, 5, 5), (2, 7, 0)):
        found = attention_sources(experiment, f"a2.h{head}", query=query, key=key, pair=pair)
        wanted = parts_of(made, 2, head, pair, query, key).detach().numpy()
        np.testing.assert_allclose(found.values[:-1, :-1], wanted, atol=2e-5)
        assert found.sources[0] == "input" and found.sources[-1] == CONSTANTS
        first = found.strongest(3)[0]
        assert abs(first[2]) == pytest.approx(np.abs(wanted).max(), abs=2e-5)
    np.testing.assert_allclose(found.by_query.sum(), found.score, atol=1e-6)
    np.testing.assert_allclose(found.by_key.sum(), found.score, atol=1e-6)


def test_the_mean_over_roles_is_of_its_pairs_and_positions() -> None:
    experiment = case("llama").experiment
    roles = experiment.batch.roles
    query, key = "END", roles.names[1]
    mean = attention_sources(experiment, "a1.h2", query=query, key=key, pair=None)
    each = []
    for pair in range(len(PAIRS)):
        queries, keys = roles.positions(query, pair), roles.positions(key, pair)
        if queries and keys:
            parts = [
                attention_sources(experiment, "a1.h2", query=i, key=j, pair=pair).values
                for i in queries
                for j in keys
            ]
            each.append(np.mean(parts, axis=0))
    np.testing.assert_allclose(mean.values, np.mean(each, axis=0), atol=1e-5)
    assert (mean.query, mean.key) == (query, key)
    best = attention_sources(experiment, "a1.h2", query=-1, pair=None)
    assert best.query == "-1" and best.key in roles.names


def test_the_difference_is_that_of_the_runs() -> None:
    experiment = case("gpt2").experiment
    one, other, both = (
        attention_sources(experiment, "a1.h0", query=-1, key=1, pair=0, run=run).values
        for run in ("clean", "corrupted", "clean-corrupted")
    )
    np.testing.assert_allclose(both, one - other, atol=1e-5)


def test_attention_without_is_that_of_the_model_without_the_two_edges() -> None:
    experiment = case("neox").experiment
    found = attention_sources(experiment, "a1.h0", query=-1, key=1, pair=0)
    assert attention_without(experiment, found, CONSTANTS, CONSTANTS) == pytest.approx(
        found.attention, abs=1e-5
    )
    assert attention_without(experiment, found, "m0", "input") != pytest.approx(
        found.attention, abs=1e-4
    )
    corrupted = attention_sources(experiment, "a1.h0", query=-1, key=1, pair=0, run="corrupted")
    with pytest.raises(WorkbenchError, match="clean prompts alone"):
        attention_without(experiment, corrupted, "m0", "input")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"head": "m0"}, "Only heads attend"),
        ({"head": "a9.h9"}, "no node"),
        ({"query": 99}, "no position 99"),
        ({"query": 1, "key": 3}, "looks backward only"),
        ({"query": "S9"}, "No pair has a role"),
        ({"pair": 77}, "no pair 77"),
        ({"run": "circuit"}, "split by sources"),
        ({"run": "x"}, "split by sources"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(options: dict[str, Any], said: str) -> None:
    experiment = case("gpt2").experiment
    head = options.pop("head", "a1.h0")
    with pytest.raises(WorkbenchError, match=said):
        attention_sources(experiment, head, **options)


@pytest.mark.parametrize("run", ["clean", "corrupted", "clean-corrupted"])
@pytest.mark.parametrize("pair", [0, None])
def test_as_a_readout_it_lists_the_strongest_parts_and_what_each_side_brings(
    run: str, pair: int | None
) -> None:
    experiment = case("gpt2").experiment
    shown = read_out(experiment, "why", "a1.h0", position=-2, pair=pair, run=run)
    query = -2 if pair is not None else experiment.batch.roles.at(0)[-2]
    found = attention_sources(experiment, "a1.h0", query=query, pair=pair, run=run)
    strongest = found.strongest()
    wanted = [(one, other, f"{part:+.3f}") for one, other, part in strongest]
    assert list(shown.rows[: len(wanted)]) == wanted
    *sides, whole = shown.rows[len(wanted) :]
    assert whole == (ANY, ANY, f"{found.score:+.3f}")
    sums = {row[:2]: float(row[2]) for row in sides}
    for (one, other), value in sums.items():
        at = found.sources.index(one if other == ANY else other)
        side = found.values.sum(axis=1 if other == ANY else 0)
        assert value == pytest.approx(side[at], abs=6e-4)
    assert {ANY} < {name for names in sums for name in names}
    assert f"{found.attention:.3f}" in shown.title and shown.definition


def test_as_a_readout_it_refuses_what_it_cannot_read() -> None:
    experiment = case("gpt2").experiment
    for more in ({"run": "circuit"}, {"position": -99}, {"position": -99, "pair": 0}):
        with pytest.raises(WorkbenchError):
            read_out(experiment, "why", "a1.h0", **more)
    with pytest.raises(WorkbenchError, match="Only heads attend"):
        read_out(experiment, "why", "m0")
