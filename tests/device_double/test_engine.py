"""Everything that computes with circuits, on a device: it waits for its answers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import workbench as w
from tests.support.cases.engine_cases import random_circuit
from tests.support.device_double.cases import experiment, model, task
from tests.support.device_double.events import watched
from workbench.assessment.catalogue import PARTS
from workbench.assessment.settings import AssessmentSettings
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role
from workbench.experiment.experiment import Experiment

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task

TEXT = "John and Mary went to the store and " * 3


def circuit(at: Experiment, seed: int = 0, density: float = 0.5) -> Circuit:
    return random_circuit(at.graph, density, seed)


def by_role(at: Experiment) -> Circuit:
    """A circuit some of whose edges are kept at one role alone."""
    made = circuit(at)
    made.at = made.at.named(at.batch.roles.names)
    role = at.batch.roles.names[-1]
    for edge in list(made.edges())[::2]:
        made.toggle(str(edge))
        made.toggle(at_role(str(edge), role))
    return made


def edits(at: Experiment) -> list[float]:
    """A circuit edge by edge, a neuron, and alternatives; what the screen shows of each."""
    run = w.Evaluator(at, circuit(at))
    found = []
    for edit in (
        w.Edit(toggle=("m0->m1",)),
        w.Edit(toggle=("a0.h0->a1.h1<q>", "input->m1")),
        w.Edit(neurons=("m0.n3",)),
        w.Edit(neurons=("m0.n5", "m1.n2")),
    ):
        value = run.commit(edit)
        found += [value.metric, value.kl]
    tried = run.what_if([w.Edit(toggle=(edge,)) for edge in list(at.graph.edges())[::9]])
    return [*found, *tried.mean(1).tolist()]


def effects(at: Experiment) -> list[float]:
    run, some = w.Evaluator(at, circuit(at)), list(at.graph.edges())[::7]
    found = [
        values.mean()
        for setting in ("full", "along", "within")
        for _, values in w.edge_effects(run, some, setting)
    ]
    nodes = [values.mean() for _, values in w.node_effects(run, ["a0.h0", "m0"], position=9)]
    return [float(x) for x in (*found, *nodes)]


def roles(at: Experiment) -> list[float]:
    run = w.Evaluator(at, by_role(at))
    sweep = w.sweep_edges(at, into=["m1"], by_role=True)
    return [run.value().metric, float(sum(row.effect for row in sweep.rows))]


def changed(at: Experiment) -> list[float]:
    done = w.with_interventions(at, ["a0.h0 * 0.5", "m0 = corrupted at -1"])
    found = w.intervention_effect(at, done, circuit(at), n=2)
    again = w.rerun(at, w.Changes((w.Knockout(queries=(-1,), keys=(1, 2)),)))
    return [done.clean.metric, float(np.mean(again.per_pair)), float(len(str(found)) > 0)]


COMPUTED: dict[str, Callable[[Experiment], Any]] = {
    "edits": edits,
    "effects": effects,
    "roles": roles,
    "changed": changed,
    "evaluate": lambda at: w.evaluate(at.model, at.batch.task, circuit(at)).circuit,
    "node map": lambda at: w.node_map(at).exact,
    "node map, zero": lambda at: w.node_map(at, ablation="zero").exact,
    "role map": lambda at: w.role_map(at, "head").values,
    "joint": lambda at: w.joint_effects(at, ["a0.h0", "m0"]).together,
    "self repair": lambda at: len(w.self_repair(at, ["a0.h0"]).sources),
    "reliability": lambda at: len(str(w.find_reliability(at))),
    "all for one": lambda at: len(str(w.all_for_one(at))),
    "knock-outs": lambda at: len(str(w.knockout_map(at))),
    "heads": lambda at: len(w.find_heads(at.model).values),
    "neurons": lambda at: len(w.neurons_of(at, "m1").rows),
    "neurons within": lambda at: len(w.neurons_of(at, "m1", circuit(at), setting="within").rows),
    "neuron's inputs": lambda at: len(w.neuron_inputs(at, "m1.n3").feeds),
    "firings": lambda at: len(str(w.neuron_firings(at, "m1.n3"))),
    "neuron's tokens": lambda at: len(w.neuron_tokens(at.parts, at.batch.encoding, ["m1.n3"])),
    "promoting": lambda at: len(w.neurons_promoting(at.parts, at.batch.encoding, [5])),
    "sufficient": lambda at: len(str(w.sufficient_neurons(at, circuit(at), "m1"))),
    "text": lambda at: len(w.continue_text(at.model, TEXT, n=2).prompt),
    "pair goes on": lambda at: len(w.continue_pair(at, 0, circuit(at), n=2).prompt),
    "a pair tried": lambda at: len(str(w.try_pair(at.model, at.batch.task.pairs[0]))),
    "rows of pairs": lambda at: len(w.pair_rows(at, circuit(at))),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_waits_for_its_answers_alone(name: str) -> None:
    there, here = (experiment("gpt2", there=yes) for yes in (True, False))
    with watched() as seen:
        found = COMPUTED[name](there)
    seen.check()
    assert seen.launches > 0
    np.testing.assert_allclose(found, COMPUTED[name](here), atol=1e-4)


def test_some_heads_of_a_layer_are_no_list_either() -> None:
    there, here = (experiment("three heads", there=yes) for yes in (True, False))
    with watched() as seen:
        found = edits(there)
    seen.check()
    np.testing.assert_allclose(found, edits(here), atol=1e-4)


QUICK = AssessmentSettings(resamples=20, n_random=3, n_subsets=3, n_repeats=2)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_an_assessment(part: str) -> None:
    at = experiment("gpt2", there=True)
    circuits = [circuit(at, density=0.2), circuit(at, 1, 0.2)][: 2 if PARTS[part].compares else 1]
    with watched() as seen:
        made = w.assess(model("gpt2", there=True), task(), circuits, parts=[part], settings=QUICK)
    seen.check()
    assert not any(one.failed for one in made.circuits)
