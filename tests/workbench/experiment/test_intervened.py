"""Interventions against transformers' own modules under hooks, and against slow circuits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.batches import batch_of
from tests.support.cases.engine_cases import Case, in_float64, random_circuit, some_edges
from tests.support.cases.family_cases import GROUPS, model_of, usual_case
from tests.support.references.family import names_of
from tests.support.references.intervened import IntervenedReference, hooked_logits
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.estimates import estimates
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import Intervention, parse_all
from workbench.prompts.batch import make_batch
from workbench.prompts.encoding import Encoding
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.transformer.forward import unembed

pytestmark = pytest.mark.dependencies

FAMILIES = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "phi", "phi3", "qwen3")
families = pytest.mark.parametrize("name", FAMILIES)
ROUNDING = {"phi3": 1e-4}
"""Logits that float32 cannot tell apart better, where 2e-5 is too little.

Longrope makes queries and keys √3 times as long, so that phi3's scores lie up to 75 apart where
those of the others lie 30 apart at most: rounded, they move its attention ten times as far.
Under these hooks transformers' own run in float32 is 1e-4 from its run in float64; with the factor
left out phi3's attention in the first layer is as exact as the others'.
"""
LINES = (
    "a1.h0,a2.h3 * 2",
    "a0.h2 * 0 at -1,1",
    "m1 * 1.5 at -3:",
    "m0.n5 * -2",
    "m2.n3 = 0.7 at -2:",
    'a0.h1 + 2 * token:"x"',
    "r1 + 1.5 * difference at 2:",
    "a1.h1 = corrupted",
    "m2 = mean at :3",
)


def with_interventions(name: str, lines: Sequence[str], **how: Any) -> Experiment:
    """The usual pairs of a family, in a model to which something is done."""
    model, groups = model_of(name), usual_case(name).experiment.batch.groups
    batch = batch_of(groups, encoding=Encoding(model.tokenizer))
    lines = [line.replace('"x"', f'"{_token(model)}"') for line in lines]
    return Experiment(model, batch, interventions=parse_all(lines), **how)


def _token(model: Any) -> str:
    return str(model.tokenizer.decode([11]))


@cache
def changed_case(name: str) -> Case:
    """All of `LINES`, done by the workbench and, in plain tensors, by the reference."""
    experiment = with_interventions(name, LINES)
    references = [
        IntervenedReference(in_float64(experiment.model.hf), group.clean, group.corrupted)
        for group in experiment.batch.groups
    ]
    usual = usual_case(name)
    unembedding = in_float64(experiment.model.hf).get_output_embeddings().weight
    # At the last position, over all pairs.
    before_1 = [_residual(r, ("input", *(f"a0.h{h}" for h in range(4)), "m0")) for r in references]
    difference = torch.cat([a[:, -1] - b[:, -1] for a, b in before_1]).mean(0)
    m2 = torch.cat([r.plain_clean["m2"].flatten(0, 1) for r in references]).mean(0)
    for reference in references:
        _change(reference, unembedding[11], difference, m2)
    return Case(experiment.model, experiment, references, usual.answers, usual.wrong)  # type: ignore[arg-type]


def _residual(reference: Any, sources: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The residual before layer 1 of both plain runs, read off the model's own block."""
    found = []
    for tokens in (reference.clean, reference.corrupted):
        seen: list[Tensor] = []
        handle = reference.blocks[1].register_forward_pre_hook(
            lambda m, args, kwargs, seen=seen: seen.append(
                args[0] if args else kwargs["hidden_states"]
            ),
            with_kwargs=True,
        )
        with torch.no_grad():
            reference.model(tokens, use_cache=False)
        handle.remove()
        found.append(seen[0])
    return found[0], found[1]


def _at(positions: Any, do: Any) -> Any:
    def change(value: Tensor) -> Tensor:
        value = value.clone()
        value[:, positions] = do(value[:, positions])
        return value

    return change


def _change(reference: Any, column: Tensor, difference: Tensor, m2: Tensor) -> None:
    n = reference.clean.shape[1]

    def neuron(index: int, positions: Any, do: Any) -> Any:
        def change(value: Tensor) -> Tensor:
            value = value.clone()
            value[:, positions, index] = do(value[:, positions, index])
            return value

        return change

    every = slice(None)
    own = dict(reference.plain_corrupted)
    scale = getattr(reference.model.config, "logits_scaling", 1.0)
    assert scale == 1.0
    reference.changed(
        {
            "a1.h0": [lambda v: 2 * v],
            "a2.h3": [lambda v: 2 * v],
            "a0.h2": [_at([1, n - 1], lambda v: 0 * v)],
            "m1": [_at(slice(-3, None), lambda v: 1.5 * v)],
            "a0.h1": [lambda v: v + 2 * column / reference.multiplier],
            "m0": [_at(slice(2, None), lambda v: v + 1.5 * difference)],
            "a1.h1": [lambda v: own["a1.h1"]],
            "m2": [_at(slice(None, 3), lambda v: m2.expand_as(v))],
        },
        {
            0: [neuron(5, every, lambda v: -2 * v)],
            2: [neuron(3, slice(-2, None), lambda v: 0.7 + 0 * v)],
        },
    )


def close(found: Any, expected: Any, atol: float = 5e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@families
def test_runs_are_transformers_own_under_hooks(name: str) -> None:
    """Heads, neurons and MLPs scaled and set to numbers, at some positions."""
    lines = ("a1.h0,a2.h3 * 2", "a0.h2 * 0 at -1,1", "m1 * 1.5 at -3:", "m0.n5 * -2", "m2.n3 = 0.7")
    experiment = with_interventions(name, lines)
    hf = experiment.model.hf
    names = names_of(hf)

    def number(value: Tensor) -> Tensor:
        value = value.clone()
        value[..., 3] = 0.7
        return value

    def negative(value: Tensor) -> Tensor:
        value = value.clone()
        value[..., 5] *= -2
        return value

    for group, recording in zip(experiment.batch.groups, experiment.recordings, strict=True):
        for tokens, run in ((group.clean, recording.whole), (group.corrupted, recording.corrupted)):
            expected = hooked_logits(
                hf,
                tokens,
                {
                    (1, 0): lambda v: 2 * v,
                    (2, 3): lambda v: 2 * v,
                    (0, 2): _at([1, -1], lambda v: 0 * v),
                },
                {0: [negative], 2: [number]},
                {1: [_at(slice(-3, None), lambda v: 1.5 * v)]},
                names,
            )
            with torch.no_grad():
                found = unembed(recording.parts, run.final)
            expected = expected[:, -found.shape[1] :]
            torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING.get(name, 2e-5))
            with torch.no_grad():
                plain = hf(tokens, use_cache=False).logits[:, -found.shape[1] :]
            assert (found - plain).abs().max() > 0.05


@families
def test_both_runs_circuits_and_what_if_equal_the_reference(name: str) -> None:
    c = changed_case(name)
    close(c.experiment.clean.per_pair, c.metric([r.clean_logits for r in c.references]))
    close(c.experiment.corrupted.per_pair, c.metric([r.corrupted_logits for r in c.references]))
    circuit = random_circuit(c.graph, 0.5, seed=3, share_open=0.15)
    edges = some_edges(c.graph, 3, seed=4, without=circuit.open)
    kept = set(circuit.edges())
    evaluator = Evaluator(c.experiment, circuit)
    close(evaluator.value().per_pair, c.circuit_metric(kept, circuit.open))
    edits = [*(Edit(toggle=(e,)) for e in edges), Edit(toggle=tuple(edges))]
    for edit, metric in zip(edits, evaluator.what_if(edits), strict=True):
        close(metric, c.circuit_metric(kept ^ set(edit.toggle), circuit.open))


@families
def test_effects_and_eap_equal_the_reference(name: str) -> None:
    c = changed_case(name)
    effects_equal_the_reference(c, some_edges(c.graph, 3, seed=12))


def effects_equal_the_reference(c: Case, edges: Sequence[str], share: float = 0.01) -> None:
    """Exact effects of edges of the whole model, and their estimates."""
    scores = estimates(c.experiment)
    every = Circuit(c.graph, all_edges(c.graph))
    effects: dict[str, float] = {}
    for names, values in edge_effects(Evaluator(c.experiment, every), edges, "full"):
        effects.update(zip(names, values, strict=True))
    clean = c.metric([r.clean_logits for r in c.references]).mean()
    for edge in edges:
        along = c.metric([r.along(edge, set(c.graph.edges())) for r in c.references]).mean()
        assert effects[edge] == pytest.approx(along - clean, abs=5e-5)
        slopes = [
            (r.nudged(edge, share) - r.nudged(edge, -share)) / (2 * share) for r in c.references
        ]
        expected = float(c.metric(slopes).mean())
        assert scores[c.graph.parse_edge(edge)] == pytest.approx(expected, rel=0.03, abs=3e-3)


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
@families
def test_all_edges_are_the_clean_run_and_none_the_corrupted(name: str, ablation: str) -> None:
    lines = [line for line in LINES if "= corrupted" not in line]
    experiment = with_interventions(name, lines, ablation=ablation)
    every = Evaluator(experiment, Circuit(experiment.graph, all_edges(experiment.graph))).value()
    none = Evaluator(experiment, Circuit.empty(experiment.graph)).value()
    close(every.per_pair, experiment.clean.per_pair)
    close(none.per_pair, experiment.corrupted.per_pair)


@families
def test_factor_one_changes_no_bit_of_the_model_and_no_more_of_a_circuit_than_noise(
    name: str,
) -> None:
    plain = usual_case(name).experiment
    same = with_interventions(name, ["a0.h0,a1.h2,m1,input * 1", "m0.n1,m2.n4 * 1 at -1"])
    assert same.clean.per_pair == plain.clean.per_pair
    circuit = random_circuit(plain.graph, 0.5, seed=3)
    here, there = (Evaluator(each, circuit).value().per_pair for each in (same, plain))
    # Rows at which nothing differs are left out of plain MLPs alone, so products have other shapes.
    assert here == pytest.approx(there, rel=1e-6, abs=1e-7)


@families
def test_set_to_corrupted_is_the_node_patched(name: str) -> None:
    """All edges out of a node dropped in the plain model: the same by another road."""
    plain = usual_case(name).experiment
    for node in ("a1.h2", "m1"):
        source = plain.graph.source_index(node)
        mask = all_edges(plain.graph)
        mask[source] = False
        # What stands after it reads the clean run of the changed model, which is recorded.
        dropped = Evaluator(plain, Circuit(plain.graph, mask)).value()
        done = with_interventions(name, [f"{node} = corrupted"])
        close(done.clean.per_pair, dropped.per_pair)
        close(done.corrupted.per_pair, plain.corrupted.per_pair)


@families
def test_factor_zero_is_zero_ablation_of_the_node(name: str) -> None:
    zero = Experiment(model_of(name), usual_case(name).experiment.batch, ablation="zero")
    mask = all_edges(zero.graph)
    mask[zero.graph.source_index("a1.h3")] = False
    dropped = Evaluator(zero, Circuit(zero.graph, mask)).value()
    close(with_interventions(name, ["a1.h3 * 0"]).clean.per_pair, dropped.per_pair)
    close(with_interventions(name, ["a1.h3 = zero"]).clean.per_pair, dropped.per_pair)


def test_attributions_still_sum_to_the_logit_difference() -> None:
    from tasks.task import Task
    from tests.support.cases.readout_cases import PAIRS

    for name in ("gpt2", "gemma2"):
        model = model_of(name)
        batch = make_batch(Task("pairs", PAIRS, "logit_diff", "Pairs."), model.tokenizer)
        lines = parse_all([f'a0.h1 + 2 * token:"{_token(model)}"', "m1 * 2", "a2.h0 = corrupted"])
        experiment = Experiment(model, batch, interventions=lines)
        found = direct_logit_attribution(experiment)
        total = sum(row.value for row in found.rows)
        assert total == pytest.approx(found.total, abs=1e-3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a9.h0 * 2", "a9.h0"),
        ("m0.n999 * 2", "no neuron"),
        ("r9 + difference", "r0 to r3"),
        ("m0 * 2 at 40", "no position"),
        ('m0 + token:"The war lasted"', "tokens"),
        ('m0 + file:"nowhere.safetensors"', "cannot be read"),
        ('m0 = prompt:"The"', "fewer positions"),
    ],
)
def test_what_cannot_be_done_is_said(line: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        with_interventions("llama", [line])


def test_a_layer_of_experts_has_no_neurons() -> None:
    with pytest.raises(WorkbenchError, match="experts"):
        with_interventions("qwen3_moe", ["m0.n1 * 2"])


def test_a_row_of_a_file_is_added_and_stays_when_the_file_goes(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "v.safetensors"
    rows = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    save_file({"steer": rows}, path)
    line = f'r1 + 2 * file:"{path}#steer[1]"'
    experiment = with_interventions("llama", [line])
    (kept,) = experiment.interventions
    path.unlink()
    plain = usual_case("llama").experiment
    again = Intervention.from_json(kept.to_json())
    batch = experiment.batch
    other = Experiment(experiment.model, batch, interventions=[again])
    assert other.clean.per_pair == experiment.clean.per_pair
    for a, b in zip(experiment.recordings, plain.recordings, strict=True):
        moved = a.whole.layers[1].attn_in - b.whole.layers[1].attn_in
        torch.testing.assert_close(moved, (2 * rows[1]).expand_as(moved), rtol=0, atol=1e-5)


def test_groups_stand_for_the_usual_ones() -> None:
    assert len(GROUPS) == 2


METHODS_BY_SLICES = ("eap", "eap-ig", "eap-ig-activations", "gim", "relp", "atp", "atp-star", "ifr")


@pytest.mark.parametrize("method", METHODS_BY_SLICES)
@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_methods_take_pairs_apart_as_they_take_them_together(
    name: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set to each pair's own corrupted value is cut up with the pairs."""
    from workbench.base.work import finish
    from workbench.discovery.catalogue import METHODS
    from workbench.discovery.findings import Findings
    from workbench.discovery.gradients import slices
    from workbench.discovery.request import DiscoveryRequest

    lines = ["a1.h1 = corrupted", "m1 = corrupted at -3:", "m0.n5 = corrupted", "input * 0.9"]
    experiment = with_interventions(name, lines)
    chosen = METHODS[method]

    def scores() -> Any:
        findings = Findings.of(experiment.graph, method, experiment.metric_name)
        request = DiscoveryRequest.parse(method, threshold=0.1, seed=0)
        finish(chosen.load()(experiment, findings, request.options))
        return findings

    together = scores()
    monkeypatch.setattr(slices, "SLICE_BYTES", {"cpu": 1})
    apart = scores()
    kind = "edges" if chosen.kind != "nodes" else "nodes"
    np.testing.assert_allclose(
        getattr(apart, kind), getattr(together, kind), rtol=1e-4, atol=2e-5, equal_nan=True
    )


def test_tokens_are_gone_on_with_as_by_hooks_at_every_step() -> None:
    from tasks.task import Task
    from tests.support.cases.readout_cases import PAIRS
    from workbench.engine.continuation import continue_pair, continue_text

    model = model_of("llama")
    batch = make_batch(Task("pairs", PAIRS, "logit_diff", "Pairs."), model.tokenizer)
    group, row = batch.locate(0)
    names = names_of(model.hf)
    length = group.clean.shape[1]
    for at, places in (("all", slice(None)), ("-1", length - 1), ("-1:", slice(length - 1, None))):
        line = f"a1.h0,a2.h1 * 4 at {at}"
        experiment = Experiment(model, batch, interventions=parse_all([line]))
        tokens = group.clean[row : row + 1]
        expected: list[int] = []
        change = _at(places, lambda v: 4 * v)
        for _ in range(4):
            heads = {(1, 0): change, (2, 1): change}
            logits = hooked_logits(model.hf, tokens, heads, {}, {}, names)
            expected.append(int(logits[0, -1].argmax()))
            tokens = torch.cat([tokens, torch.tensor([[expected[-1]]])], 1)
        found = continue_pair(experiment, 0, n=4)
        ended = [one.token for one in found.model]
        assert ended == expected[: len(ended)] and ended
        text = continue_text(model, PAIRS[0].clean, n=4, interventions=[line])
        assert [one.token for one in text.model] == ended
