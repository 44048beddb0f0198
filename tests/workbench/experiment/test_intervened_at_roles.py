"""Interventions at token roles, against hooks on the model's own modules."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tasks.task import Task
from tests.support.cases.engine_cases import random_circuit
from tests.support.cases.family_cases import model_of, usual_case
from tests.support.cases.readout_cases import PAIRS
from tests.support.references.family import names_of
from tests.support.references.intervened import hooked_logits
from tests.workbench.experiment.test_intervened import FAMILIES, ROUNDING, close, with_interventions
from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.continuation import continue_pair, continue_text
from workbench.engine.evaluator import Evaluator
from workbench.engine.intervention_effect import alpha_curve, measures
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import Intervention, parse_all
from workbench.prompts.batch import Group
from workbench.transformer.forward import unembed

pytestmark = pytest.mark.dependencies

LINES = ("a1.h0,a2.h3 * 2 at A", "m1 * 1.5 at B,-1", "m0.n5 * -2 at B")
"""Roles that all pairs have, each somewhere else."""


def _where(experiment: Experiment, pair: int, *roles: str) -> list[int]:
    return [at for at, role in enumerate(experiment.batch.roles.at(pair)) if role in roles]


@pytest.mark.parametrize("name", FAMILIES)
def test_both_runs_are_transformers_own_under_hooks(name: str) -> None:
    experiment = with_interventions(name, LINES)
    hf, names = experiment.model.hf, names_of(experiment.model.hf)
    seen = set()
    for group, recording in zip(experiment.batch.groups, experiment.recordings, strict=True):
        for row, pair in enumerate(group.indices):
            a, b = _where(experiment, pair, "A"), _where(experiment, pair, "B")
            seen.add((*a, *b))

            def at(positions: list[int], factor: float, neuron: Any = slice(None)) -> Any:
                def change(value: torch.Tensor) -> torch.Tensor:
                    value = value.clone()
                    rows = value[:, positions]
                    rows[..., neuron] *= factor
                    value[:, positions] = rows
                    return value

                return change

            runs = ((group.clean, recording.whole), (group.corrupted, recording.corrupted))
            for tokens, run in runs:
                heads = {(1, 0): at(a, 2), (2, 3): at(a, 2)}
                mlps = {1: [at([*b, group.length - 1], 1.5)]}
                one = tokens[row : row + 1]
                expected = hooked_logits(hf, one, heads, {0: [at(b, -2, 5)]}, mlps, names)[0]
                with torch.no_grad():
                    found = unembed(recording.parts, run.final[row])
                    plain = hf(one, use_cache=False).logits[0, -len(found) :]
                expected = expected[-len(found) :]
                torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING.get(name, 2e-5))
                assert (expected - plain).abs().max() > 0.05
    assert len(seen) == experiment.n_pairs  # the roles stand somewhere else in each


EVERY = (
    *("a0.h2 * 0 at A", "m1 = corrupted at A", "r1 + 2 * difference at B", "m0.n3 = 0.7 at A"),
    *("a0.h1->m2 * 3 at A", "m0->a2.h0<k> = corrupted at B", "hide 1[0,2]:END<A"),
)


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
@pytest.mark.parametrize("line", EVERY)
def test_each_pair_is_as_with_its_positions_by_number(name: str, line: str) -> None:
    """Clean run, corrupted run, a circuit, and what leaves an edge out, pair by pair."""
    experiment = with_interventions(name, [line])
    circuit = random_circuit(experiment.graph, 0.5, seed=3)
    found = Evaluator(experiment, circuit).value().per_pair
    usual, (one,) = usual_case(name).experiment, parse_all([line])
    (role,) = {*one.roles} - {"END"}
    for pair in range(experiment.n_pairs):
        where = ",".join(map(str, _where(experiment, pair, role)))
        numbers = line.replace(f"at {role}", f"at {where}").replace("END<A", f"-1<{where}")
        # Differences are means over all pairs, so that all of them are run.
        alone = with_interventions(name, [numbers]) if _fits(usual, where) else None
        if alone is None:
            continue
        close(experiment.clean.per_pair[pair], alone.clean.per_pair[pair])
        close(experiment.corrupted.per_pair[pair], alone.corrupted.per_pair[pair])
        close(found[pair], Evaluator(alone, circuit).value().per_pair[pair])
    every = Evaluator(experiment, Circuit(experiment.graph, all_edges(experiment.graph)))
    close(every.value().per_pair, experiment.clean.per_pair)
    none = Evaluator(experiment, Circuit.empty(experiment.graph)).value()
    close(none.per_pair, experiment.corrupted.per_pair)


def _fits(experiment: Experiment, where: str) -> bool:
    """Whether the shortest prompt has these positions."""
    return max(map(int, where.split(","))) < min(g.length for g in experiment.batch.groups)


@pytest.mark.parametrize("ablation", ["zero", "mean", "positional-mean"])
def test_ablations_are_of_the_changed_model(ablation: str) -> None:
    """Means of prompts are taken over all of them, however they are grouped."""
    experiment = with_interventions("llama", LINES, ablation=ablation)
    none = Evaluator(experiment, Circuit.empty(experiment.graph)).value()
    close(none.per_pair, experiment.corrupted.per_pair)
    given = with_interventions("llama", LINES, ablation=ablation, means=usual_batch())
    close(given.corrupted.per_pair, experiment.corrupted.per_pair)


def usual_batch() -> Any:
    return usual_case("llama").experiment.batch


def test_effect_and_curve_of_pairs_in_groups_of_other_sizes() -> None:
    plain, line = usual_case("llama").experiment, "m1 * 3 at A"
    done = with_interventions("llama", [line])
    assert len(done.batch.groups) > len(plain.batch.groups)
    assert done.with_metric("logit_diff").clean.per_pair == done.clean.per_pair
    found = measures(done, plain, None)
    by_hand = [
        float(_kl(plain, done, pair, group, row))
        for group in plain.batch.groups
        for row, pair in enumerate(group.indices)
    ]
    assert found.kl == pytest.approx(np.mean(by_hand), rel=1e-4)
    circuit = random_circuit(plain.graph, 0.5, seed=1)
    bare = alpha_curve(plain, [line], alphas=[1, 3])
    beside = alpha_curve(plain, [line], alphas=[1, 3], circuit=circuit)
    for one, other in zip(bare.points, beside.points, strict=True):
        assert one.metric == pytest.approx(other.metric, abs=1e-6)
        assert one.kl == pytest.approx(other.kl, abs=1e-6)
    assert bare.points[0].metric == pytest.approx(plain.clean.metric, abs=1e-6)
    assert bare.points[1].metric == pytest.approx(done.clean.metric, abs=1e-6)
    assert bare.points[1].kl == pytest.approx(found.kl, abs=1e-6)


def _kl(plain: Experiment, done: Experiment, pair: int, group: Group, row: int) -> torch.Tensor:
    logs = []
    for experiment in (plain, done):
        own, at = experiment.batch.locate(pair)
        number = [one is own for one in experiment.batch.groups].index(True)
        recording = experiment.recordings[number]
        assert torch.equal(own.clean[at], group.clean[row])
        with torch.no_grad():
            logits = unembed(recording.parts, recording.clean.final[at, -1])
        logs.append(logits.double().log_softmax(-1))
    return (logs[0].exp() * (logs[0] - logs[1])).sum()


def test_pairs_of_their_own_keep_their_positions() -> None:
    experiment = with_interventions("llama", LINES)
    for pair in range(experiment.n_pairs):
        alone = experiment.alone(pair)
        assert alone.batch.roles.at(0) == experiment.batch.roles.at(pair)
        batch = replace(usual_batch(), task=Task("pairs", PAIRS[:3], "logit_diff", "Pairs."))
        other = experiment.beside(batch.part([pair]))
        assert other.clean.per_pair[0] == pytest.approx(experiment.clean.per_pair[pair], abs=1e-5)


def test_tokens_are_gone_on_with_and_have_no_role() -> None:
    experiment = with_interventions("llama", ["a1.h0 * 40 at END", "m1 * 4 at A"])
    hf, names = experiment.model.hf, names_of(experiment.model.hf)
    for pair in range(experiment.n_pairs):
        group, row = experiment.batch.locate(pair)
        tokens, expected = group.clean[row : row + 1], []
        for _ in range(3):
            a, last = _where(experiment, pair, "A"), [group.length - 1]

            def scaled(value: torch.Tensor, positions: list[int], by: float) -> torch.Tensor:
                value = value.clone()
                value[:, positions] *= by
                return value

            heads: Any = {(1, 0): partial(scaled, positions=last, by=40)}
            mlps: Any = {1: [partial(scaled, positions=a, by=4)]}
            logits = hooked_logits(hf, tokens, heads, {}, mlps, names)
            expected.append(int(logits[0, -1].argmax()))
            tokens = torch.cat([tokens, torch.tensor([[expected[-1]]])], 1)
        found = [one.token for one in continue_pair(experiment, pair, n=3).model]
        assert found == expected[: len(found)] and found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("m1 * 0 at S9", "No pair has a role 'S9': there are A, B, C, D, END"),
        ("m1 * 0 at C", "Pair 3 has no token of the role C"),
        ("hide 1:END<S9", "No pair has a role 'S9'"),
        ("hide 1:all,END<0", "Queries are numbers"),
        ("m1 * 0 at S2!", "no intervention"),
    ],
)
def test_a_role_that_a_prompt_does_not_have_is_said(line: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        with_interventions("llama", [line])


def test_a_text_by_itself_has_no_roles() -> None:
    with pytest.raises(WorkbenchError, match="a text by itself has no token roles"):
        continue_text(model_of("llama"), "The war lasted", n=1, interventions=["m1 * 0 at END"])


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("a3.h1 * 2 at S2, END", "S2,END"),
        ("r3 + 2 * unit:difference at ..S1,-1", "..S1,-1"),
        ("m3 = mean at IO..S2", "IO..S2"),
        ("m3 = prompt:she is at home", "all"),
        ('m3 = prompt:"she is at home" at S2', "S2"),
        ("m3 = prompt:she is at home at -1", "-1"),
        ("m3 + file:v.safetensors#N[3] at S2", "S2"),
        ("a3.h1 * 2 at :5,S2", ":5,S2"),
    ],
)
def test_a_line_is_written_as_it_is_read(line: str, at: str) -> None:
    one = Intervention.parse(line)
    assert one.at == at and Intervention.parse(one.text) == one
    assert Intervention.from_json(one.to_json()) == one


def test_a_batch_stays_as_it_is_where_its_groups_fit() -> None:
    batch = usual_batch()
    assert batch.grouped_at(()) is batch
    assert batch.grouped_at(("END",)) is batch
    split = batch.grouped_at(("A", "END"))
    assert sorted(i for group in split.groups for i in group.indices) == [0, 1, 2]
