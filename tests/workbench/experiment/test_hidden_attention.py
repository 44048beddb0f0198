"""Attention knocked out by an intervention, against the model's own modules with masks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tasks.task import Task
from tests.support.cases.engine_cases import Case, in_float64, random_circuit, some_edges
from tests.support.cases.family_cases import model_of, usual_case
from tests.support.cases.readout_cases import PAIRS
from tests.support.references.family import FamilyReference
from tests.support.references.masked import MaskedReference
from tests.workbench.engine.test_changed_run import hidden_by
from tests.workbench.experiment.test_intervened import (
    close,
    effects_equal_the_reference,
    with_interventions,
)
from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.changed_run import changed_finals
from workbench.engine.changes import Changes
from workbench.engine.evaluator import Edit, Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import Intervention, marks
from workbench.experiment.knockouts import read_knockout
from workbench.prompts.batch import make_batch
from workbench.readouts.attention import attention_pattern

KNOCKOUTS = ("1:last<1,2", "0..1[0,2]:2..3<1,-3", "2:all<all/self,first")
FAMILIES = ("gpt2", "llama", "gemma2", "mistral")


class HiddenReference(FamilyReference):
    """Runs in which queries do not see some keys."""

    def hide(self, masks: dict[int, torch.Tensor]) -> HiddenReference:
        """From now on, in both runs; masks by layer, bool [head, query, key]."""
        for layer, mask in masks.items():
            given = self._arguments[layer]
            seen = given["attention_mask"]
            given["attention_mask"] = seen.masked_fill(mask[None], float("-inf"))
        own = lambda d, s, writes: writes[s]  # noqa: E731
        self.corrupted_logits = self._run(self.corrupted, own, self.corrupted_writes)
        self.clean_logits = self._run(self.clean, own, self.clean_writes, inputs=self.clean_inputs)
        return self


@cache
def hidden_case(name: str) -> Case:
    """All knock-outs, by the workbench and by the reference."""
    experiment = with_interventions(name, [f"hide {one}" for one in KNOCKOUTS])
    knockouts, references = tuple(map(read_knockout, KNOCKOUTS)), []
    for group in experiment.batch.groups:
        one = HiddenReference(in_float64(experiment.model.hf), group.clean, group.corrupted)
        references.append(one.hide(hidden_by(knockouts, experiment.model.info, group.length)))
    usual = usual_case(name)
    return Case(experiment.model, experiment, references, usual.answers, usual.wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FAMILIES)
def test_runs_circuits_and_what_if_equal_the_reference(name: str) -> None:
    c = hidden_case(name)
    plain = usual_case(name).experiment
    assert np.abs(np.subtract(c.experiment.clean.per_pair, plain.clean.per_pair)).max() > 0.01
    close(c.experiment.clean.per_pair, c.metric([r.clean_logits for r in c.references]))
    close(c.experiment.corrupted.per_pair, c.metric([r.corrupted_logits for r in c.references]))
    circuit = random_circuit(c.graph, 0.5, seed=3, share_open=0.15)
    kept, edges = set(circuit.edges()), some_edges(c.graph, 3, seed=4, without=circuit.open)
    evaluator = Evaluator(c.experiment, circuit)
    close(evaluator.value().per_pair, c.circuit_metric(kept, circuit.open))
    edits = [*(Edit(toggle=(e,)) for e in edges), Edit(toggle=tuple(edges))]
    for edit, metric in zip(edits, evaluator.what_if(edits), strict=True):
        close(metric, c.circuit_metric(kept ^ set(edit.toggle), circuit.open))


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_effects_and_eap_equal_the_reference(name: str) -> None:
    c = hidden_case(name)
    effects_equal_the_reference(c, some_edges(c.graph, 3, seed=12))


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
def test_all_edges_are_the_clean_run_and_none_the_corrupted(ablation: str) -> None:
    lines = [*(f"hide {one}" for one in KNOCKOUTS), "a0.h1->a1.h2<k> * 2", "m0 * 1.5"]
    experiment = with_interventions("llama", lines, ablation=ablation)
    every = Evaluator(experiment, Circuit(experiment.graph, all_edges(experiment.graph))).value()
    none = Evaluator(experiment, Circuit.empty(experiment.graph)).value()
    close(every.per_pair, experiment.clean.per_pair)
    close(none.per_pair, experiment.corrupted.per_pair)


@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_it_is_the_knock_out_of_the_map(name: str) -> None:
    plain = usual_case(name).experiment
    done = with_interventions(name, [f"hide {KNOCKOUTS[0]}"])
    finals = changed_finals(plain, [Changes((read_knockout(KNOCKOUTS[0]),))])
    for final, recording in zip(finals, done.recordings, strict=True):
        torch.testing.assert_close(final[:, 0], recording.clean.final[:, -1], rtol=1e-4, atol=1e-4)
    # And a knock-out in the changed model is both.
    both = changed_finals(done, [Changes((read_knockout(KNOCKOUTS[1]),))])
    joined = with_interventions(name, [f"hide {one}" for one in KNOCKOUTS[:2]])
    for final, recording in zip(both, joined.recordings, strict=True):
        torch.testing.assert_close(final[:, 0], recording.clean.final[:, -1], rtol=1e-4, atol=1e-4)
    reference = MaskedReference(model_of(name).hf)
    for group, recording in zip(done.batch.groups, done.recordings, strict=True):
        hidden = hidden_by((read_knockout(KNOCKOUTS[0]),), done.model.info, group.length)
        wanted = reference.residuals(group.clean)[1]
        assert hidden[0].sum() == 0
        torch.testing.assert_close(
            recording.whole.layers[1].attn_in.double(), wanted.double(), rtol=1e-4, atol=1e-4
        )


def test_the_pattern_shows_it() -> None:
    batch = make_batch(Task("pairs", PAIRS, "logit_diff", "Pairs."), model_of("gpt2").tokenizer)
    hides = [Intervention.parse("hide 1[2]:last<1,2")]
    done = Experiment(model_of("gpt2"), batch, interventions=hides)
    pattern = np.array(attention_pattern(done, "a1.h2", pair=0).weights)
    assert pattern[-1, 1] == pattern[-1, 2] == 0 and pattern[-1].sum() == pytest.approx(1)
    other = np.array(attention_pattern(done, "a1.h1", pair=0).weights)
    assert other[-1, 1] > 0


def test_a_line_reads_back_and_is_told() -> None:
    one = Intervention.parse("  hide 1[2]:last<1,2 ")
    assert one.text == "hide 1[2]:last<1,2" and Intervention.from_json(one.to_json()) == one
    assert marks([one]) == {"a1.h2": "hides"} and not one.needs_pairs
    with pytest.raises(WorkbenchError, match="no factor"):
        one.times(2)
    for line, said in (
        ("hide", "LAYERS:QUERIES<KEYS"),
        ("hide 9:last<1", "no layer 9"),
        ("hide 1[9]:last<1", "no head 9"),
        ("hide 1:last<99", "no position 99"),
        ("hide 1:1<0,1", "see nothing at all"),
    ):
        with pytest.raises(WorkbenchError, match=said):
            with_interventions("gpt2", [line])
