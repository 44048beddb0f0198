"""Sound and faulty components, against plain transformers under hooks and slow loops."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.pair import Pair
from tasks.task import Task
from tests.support.cases.family_cases import model_of
from tests.support.references.family import names_of
from tests.support.references.intervened import LAST_MAP, hooked_logits
from workbench.base.work import finish
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import Intervention
from workbench.prompts.batch import make_batch
from workbench.prompts.checks import Needs
from workbench.reliability.find import classed, halves, map_of
from workbench.reliability.results import GridPoint, ReliabilityMap, ReliabilitySettings
from workbench.reliability.steering import (
    chosen,
    find_reliability,
    perplexity,
    plain_text,
)

pytestmark = pytest.mark.dependencies

FAMILIES = ("gpt2", "llama", "gpt_neox", "gemma2", "phi3", "qwen3")
families = pytest.mark.parametrize("name", FAMILIES)
ANSWERS = (" Mary", " John", " Paul")
LOOSE = ReliabilitySettings(sound=0.6, harm=0.4, share=0.3, rank=200, neurons=True, extreme=40)


@cache
def experiment_of(name: str) -> Experiment:
    """Prompts of two lengths in three classes."""
    model = model_of(name)
    pairs = []
    for i in range(24):
        right = ANSWERS[i % 3]
        middle = ("the", "and", "a", "from", "year", "to", "The", "went")[i % 8]
        start = "The year" if i % 2 else "The"
        clean = f"{start} {middle}{right} and the{ANSWERS[(i + i // 3) % 3]}"
        wrong = tuple(text for text in ANSWERS if text != right)
        pairs.append(Pair(clean, clean.replace(right, wrong[0], 1), (right,), wrong))
    task = Task("three", tuple(dict.fromkeys(pairs)), "logit_diff", "Three names.")
    return Experiment(model, make_batch(task, model.tokenizer))


def _hooked(
    experiment: Experiment, text: str, at: int
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """What enters each layer's output matrix of heads, and of the MLP, at a token of a text."""
    hf, names = experiment.model.hf, names_of(experiment.model.hf)
    seen: dict[int, Tensor] = {}
    hidden: dict[int, Tensor] = {}
    handles = []
    for layer, block in enumerate(hf.get_submodule(names.blocks)):
        out = block.get_submodule(f"{names.attention}.{names.out}")
        last = block.get_submodule(LAST_MAP.get(hf.config.model_type, "mlp.down_proj"))
        for module, to in ((out, seen), (last, hidden)):
            handles.append(
                module.register_forward_pre_hook(
                    lambda m, args, layer=layer, to=to: to.__setitem__(
                        layer, args[0].view(1, -1, args[0].shape[-1])[0, at]
                    )
                )
            )
    tokens = torch.tensor([experiment.batch.encoding.prompts([text])[0]])
    with torch.no_grad():
        hf(tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen, hidden


def slow(name: str, role: str | None = None, run: str = "clean") -> dict[str, dict[str, Any]]:
    """What the definition says of every head, prompt by prompt, from hooks on the model.

    At the last position, or at the last token of a role in the prompts that have it.
    """
    experiment = experiment_of(name)
    roles = experiment.batch.roles
    hf, names = experiment.model.hf, names_of(experiment.model.hf)
    blocks, n_heads = list(hf.get_submodule(names.blocks)), hf.config.num_attention_heads
    unembedding = hf.get_output_embeddings().weight
    ids = [experiment.model.tokenizer(a, add_special_tokens=False)["input_ids"][0] for a in ANSWERS]
    multiplier = getattr(hf.config, "residual_multiplier", 1.0)
    found: dict[str, dict[str, Any]] = {}
    unclear: set[str] = set()
    for index, pair in enumerate(experiment.batch.task.pairs):
        places = (-1,) if role is None else roles.positions(role, index)
        if not places:
            continue
        at = places[-1]
        each = [_hooked(experiment, getattr(pair, one), at) for one in run.split("-")]
        seen, hidden = (
            {layer: part[0][layer] - sum(other[layer] for other in part[1:]) for layer in part[0]}
            for part in zip(*each, strict=True)
        )
        c = ANSWERS.index(pair.answers[0])
        for layer, block in enumerate(blocks):
            out = block.get_submodule(f"{names.attention}.{names.out}")
            width = seen[layer].shape[-1] // n_heads
            zero = out(torch.zeros_like(seen[layer]))
            for head in range(n_heads):
                own = torch.zeros_like(seen[layer])
                own[head * width : (head + 1) * width] = seen[layer][
                    head * width : (head + 1) * width
                ]
                logits = unembedding @ ((out(own) - zero) * multiplier)
                _say(found, f"a{layer}.h{head}", logits, ids, c)
            last = block.get_submodule(LAST_MAP.get(hf.config.model_type, "mlp.down_proj"))
            rows = last.weight if type(last).__name__ == "Conv1D" else last.weight.T
            for neuron in range(len(rows)):
                logits = unembedding @ (rows[neuron] * hidden[layer][neuron])
                weights = unembedding @ rows[neuron]
                order = weights.argsort().tolist()
                extreme = {*order[: LOOSE.extreme], *order[-LOOSE.extreme :]}
                if extreme & set(ids):
                    _say(found, f"m{layer}.n{neuron}", logits, ids, c)
                if abs(hidden[layer][neuron]) < 1e-5:  # its sign is rounding
                    unclear.add(f"m{layer}.n{neuron}")
    return {node: own for node, own in found.items() if node not in unclear}


def _say(found: dict[str, Any], name: str, logits: Tensor, ids: list[int], c: int) -> None:
    own = found.setdefault(name, {"right": [[], [], []], "promotes": [[], [], []], "harm": []})
    best = float(logits[ids[c]])
    others = [float(logits[i]) for k, i in enumerate(ids) if k != c]
    rank = 1 + int((logits > best).sum())
    own["right"][c].append(best > max(others) and rank <= LOOSE.rank)
    bar = LOOSE.share * float(logits.max())
    active = bool(logits.abs().max() > 0)
    own["promotes"][c].append([active and float(logits[i]) >= bar for i in ids])
    own["harm"].append(active and max(others) >= bar)


@families
def test_every_measure_is_the_slow_loops(name: str) -> None:
    experiment = experiment_of(name)
    prompts = classed(experiment)
    assert prompts.classes == ANSWERS
    check_map(finish(map_of(experiment, prompts, LOOSE)), slow(name))


@pytest.mark.parametrize(
    ("name", "role", "run"),
    [("gpt2", 1, "clean"), ("llama", -2, "corrupted"), ("phi3", 2, "clean"),
     ("gpt2", -1, "clean-corrupted"), ("qwen3", -3, "clean-corrupted")],
)  # fmt: skip
def test_at_a_role_too_over_the_prompts_that_have_it(name: str, role: int, run: str) -> None:
    experiment = experiment_of(name)
    roles = experiment.batch.roles
    here = roles.names[role]
    settings = replace(LOOSE, position=here, run=run)
    prompts = classed(experiment, settings)
    assert prompts.indices == roles.having(here) and prompts.classes == ANSWERS
    check_map(finish(map_of(experiment, prompts, settings)), slow(name, here, run))
    pair = prompts.indices[3]
    alone = find_reliability(experiment, replace(settings, pair=pair, neurons=False))
    assert alone.steering is None and alone.map.prompts == (1,)
    assert f"the role {here} of prompt {pair + 1}" in alone.map.definition
    at = roles.positions(here, pair)[-1]
    same = find_reliability(experiment, replace(settings, pair=pair, position=at, neurons=False))
    assert alone.map.components == same.map.components
    told = find_reliability(experiment, replace(settings, numbers=(1,), factors=(2.0,)))
    assert told.steering is None or sum(told.steering.told_prompts) < len(prompts.indices)


def check_map(found: ReliabilityMap, expected: dict[str, dict[str, Any]]) -> None:
    by_name = {one.name: one for one in found.components}
    heads = [n for n in expected if n.startswith("a")]
    assert set(heads) == {n for n in by_name if n.startswith("a")}
    assert any(n.startswith("m") for n in expected)
    for node, own in expected.items():
        one = by_name[node]
        accuracy = [sum(rows) / len(rows) for rows in own["right"]]
        assert one.accuracy == pytest.approx(accuracy), node
        recall = [sum(r[c] for r in own["promotes"][c]) / len(own["promotes"][c]) for c in range(3)]
        assert one.recall == pytest.approx(recall), node
        for c in range(3):
            others = [r[c] for k in range(3) if k != c for r in own["promotes"][k]]
            false = sum(others) / len(others)
            total = recall[c] + false
            precision = recall[c] / total if total else 0.0
            assert one.precision[c] == pytest.approx(precision), node
            both = precision + recall[c]
            assert one.f1[c] == pytest.approx(2 * precision * recall[c] / both if both else 0.0)
        harm = sum(own["harm"]) / len(own["harm"])
        assert one.harmful_share == pytest.approx(harm), node
        sound = sum(a >= LOOSE.sound for a in accuracy)
        assert one.sound == sound
        kind = "reliable" if sound else "harmful" if harm >= LOOSE.harm else "unreliable"
        assert one.kind == kind
    order = [(-one.sound, -one.mean("recall")) for one in found.components]
    assert order == sorted(order)


@families
def test_steering_is_told_by_plain_runs_under_hooks(name: str) -> None:
    experiment = experiment_of(name)
    settings = ReliabilitySettings(sound=0.5, rank=10_000, numbers=(1, 2), factors=(2.0, 6.0))
    found = find_reliability(experiment, settings, also=experiment)
    steering = found.steering
    assert steering is not None and steering.ranked
    first, second = halves(classed(experiment))
    assert not set(first.indices) & set(second.indices)
    for point in steering.grid:
        right = _likeliest_right(experiment, steering.ranked[: point.number], point.factor)
        for c in range(3):
            mine = [right[i] for i, of in zip(first.indices, first.of, strict=True) if of == c]
            assert point.accuracy[c] == pytest.approx(sum(mine) / len(mine))
    names = steering.ranked[: steering.number]
    told = _likeliest_right(experiment, names, steering.factor)
    for c in range(3):
        mine = [told[i] for i, of in zip(second.indices, second.of, strict=True) if of == c]
        assert steering.told_after[c] == pytest.approx(sum(mine) / len(mine))
    assert steering.also is not None
    assert steering.also.after == pytest.approx(sum(told) / len(told))


def _likeliest_right(experiment: Experiment, names: Any, factor: float) -> list[bool]:
    hf, right = experiment.model.hf, []
    places = [tuple(int(x) for x in n[1:].split(".h")) for n in names]
    heads = {place: (lambda v: factor * v) for place in places}
    for pair in experiment.batch.task.pairs:
        tokens = torch.tensor([experiment.batch.encoding.prompts([pair.clean])[0]])
        logits = hooked_logits(hf, tokens, heads, {}, {}, names_of(hf))  # type: ignore[arg-type]
        token = experiment.model.tokenizer(pair.answers[0], add_special_tokens=False)["input_ids"][
            0
        ]
        right.append(int(logits[0, -1].argmax()) == token)
    return right


def test_perplexity_is_transformers_loss() -> None:
    model = model_of("llama")
    text = "The year and the war went to the year from John and Mary to Paul"
    found, n = perplexity(model, text)
    ids = torch.tensor([model.tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        loss = model.hf(ids, labels=ids).loss
    assert n == ids.shape[1] - 1
    assert found == pytest.approx(math.exp(float(loss)), rel=1e-5)
    scaled, _ = perplexity(model, text, [Intervention.parse("a1.h0 * 3")])
    handle_names = names_of(model.hf)
    logits = hooked_logits(model.hf, ids, {(1, 0): lambda v: 3 * v}, {}, {}, handle_names)
    nll = torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:])
    assert scaled == pytest.approx(math.exp(float(nll)), rel=1e-5)


def test_the_page_is_plain_text_of_some_length() -> None:
    assert 400 < len(plain_text().split()) < 700


def test_the_choice_prefers_few_and_small_and_nothing_to_no_gain() -> None:
    points = [
        GridPoint(3, 1.2, (1.0, 0.5)),
        GridPoint(1, 2.0, (1.0, 0.5)),
        GridPoint(1, 1.4, (0.5, 1.0)),
    ]
    assert chosen(points, (0.5, 0.5)) == (1, 1.4)
    assert chosen(points, (1.0, 0.5)) == (0, 1.0)


def test_what_cannot_be_asked_is_said() -> None:
    experiment = experiment_of("llama")
    with pytest.raises(WorkbenchError, match="no order"):
        ReliabilitySettings(order="size")  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="between 0 and 1"):
        ReliabilitySettings(sound=2)
    pairs = tuple(Pair(p.clean, p.corrupted, p.answers, ()) for p in experiment.batch.task.pairs)
    task = Task("no wrong", pairs, "kl", "None.")
    needs = Needs(wrong_answers=False)
    batch = make_batch(task, experiment.model.tokenizer, needs=needs)
    with pytest.raises(WorkbenchError, match="right and wrong"):
        find_reliability(Experiment(experiment.model, batch, "kl"))


def test_many_answer_sets_are_one_class() -> None:
    experiment = experiment_of("llama")
    some = experiment.batch.task.pairs[:5]
    batch = make_batch(Task("few", some, "logit_diff", "Few."), experiment.model.tokenizer)
    few = Experiment(experiment.model, batch)
    found = find_reliability(few, LOOSE, scale_up=False)
    assert found.map.classes == ("all",) and found.steering is None
    assert found.map.prompts == (len(some),)
