"""Noising and denoising, against the plain model's hooks, and on gates made by hand."""

from __future__ import annotations

import json

import pytest
from torch import Tensor

from tests.support.cases.engine_cases import Case, ablated_case, case, random_circuit
from tests.support.cases.family_cases import usual_case
from tests.support.gates import gate_model
from tests.support.references.engine import Reference
from workbench.assessment.parts.directions import assess_part, gate
from workbench.assessment.results.directions import GATES, Directions
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES, true_circuit
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.models.model import load_model
from workbench.prompts.batch import make_batch


def directions(experiment: Experiment, circuit: Circuit) -> Directions:
    return finish(assess_part(experiment, circuit, AssessmentSettings()))


def edges_of(graph: Graph, component: str) -> set[str]:
    """The edge, or every edge out of the node."""
    if "->" in component:
        return {component}
    return {edge for edge in graph.edges() if edge.startswith(f"{component}->")}


def denoised(reference: Reference, component: set[str]) -> Tensor:
    """Logits [pair, vocabulary] where only these edges are clean: whatever nothing clean has
    reached writes what it writes when everything is ablated, all else what it computes.
    """
    reached: set[str] = set()

    def patch(destination: str, x: Tensor, writes: dict[str, Tensor]) -> Tensor:
        node = destination.partition("<")[0]
        for source in reference.earlier(destination):
            x = x - writes[source]
            if f"{source}->{destination}" in component:
                x = x + reference.clean_writes[source]
                reached.add(node)
            elif source in reached:
                x = x + writes[source]
                reached.add(node)
            else:
                x = x + reference.corrupted_writes[source]
        return x

    return reference._run(reference.clean, patch, {})


CASES = [
    *[(family, "patching") for family in ("gpt2", "llama", "neox", "neox-sequential")],
    *[(family, ablation) for family in ("gpt2", "llama") for ablation in ("zero", "mean")],
]


def found_case(family: str, ablation: str) -> Case:
    return case(family) if ablation == "patching" else ablated_case(family, ablation)


@pytest.mark.parametrize(("family", "ablation"), CASES)
def test_both_directions_are_those_of_the_plain_model(family: str, ablation: str) -> None:
    c = found_case(family, ablation)
    circuit = random_circuit(c.graph, 0.08, 2)
    every, kept = set(c.graph.edges()), set(circuit.edges())
    found = directions(c.experiment, circuit)
    model, corrupted = found.model, found.corrupted
    span = model - corrupted
    assert [part.name for part in found.edges] == circuit.edges()
    assert [part.name for part in found.nodes] == [n for n in circuit.nodes() if n != "logits"]
    for part in (*found.nodes, *found.edges):
        own = edges_of(c.graph, part.name)
        assert part.kind == ("edge" if "->" in part.name else "node")
        # Without the input nothing clean is left, and everything is ablated.
        noised = float(c.circuit_metric(every - own if part.name != "input" else set()).mean())
        clean = float(c.metric([denoised(r, own) for r in c.references]).mean())
        assert part.noised == pytest.approx(noised, abs=2e-3)
        assert part.denoised == pytest.approx(clean, abs=2e-3)
        assert part.noising == pytest.approx((model - part.noised) / span, abs=1e-9)
        assert part.denoising == pytest.approx((part.denoised - corrupted) / span, abs=1e-9)
    without = float(c.circuit_metric(every - kept).mean())
    assert found.without == pytest.approx(without, abs=2e-3)
    assert found.necessity == pytest.approx((model - without) / span, abs=1e-2)
    assert found.sufficiency == pytest.approx(
        (float(c.circuit_metric(kept).mean()) - corrupted) / span, abs=1e-2
    )


def test_post_norms_are_exchanged_too() -> None:
    """The reference's two prompts are exchanged, and the metric's answers kept."""
    c = usual_case("gemma2")
    circuit = random_circuit(c.graph, 0.1, 4)
    found = directions(c.experiment, circuit)
    every = set(c.graph.edges())
    others = [type(r)(c.model.hf, r.corrupted, r.clean) for r in c.references]
    for part in found.edges[::3]:
        expected = float(c.metric([r.circuit(every - {part.name}) for r in others]).mean())
        assert part.denoised == pytest.approx(expected, abs=2e-3)


def test_the_input_alone_is_everything() -> None:
    """Whatever the prompts differ in comes in by the input: corrupting all of it is the corrupted
    run, and in the corrupted run making it clean is the clean one.
    """
    c = case("gpt2")
    found = directions(c.experiment, Circuit.full(c.graph))
    (everything,) = (part for part in found.nodes if part.name == "input")
    assert everything.noising == pytest.approx(1, abs=1e-4)
    assert everything.denoising == pytest.approx(1, abs=1e-4)
    assert (found.sufficiency, found.necessity) == pytest.approx((1, 1), abs=1e-4)
    assert everything.gate is None


@pytest.mark.parametrize(
    ("noising", "denoising", "expected"),
    [
        (0.0, 0.9, "or"),
        (0.9, 0.0, "and"),
        (0.9, 0.8, None),
        (0.0, 0.05, None),
        (-0.5, 0.01, "and"),
        (0.01, -0.5, "or"),
        (-0.5, 0.4, "sign"),
        (0.0, 0.0, None),
        (None, None, None),
    ],
)
def test_when_they_disagree(
    noising: float | None, denoising: float | None, expected: str | None
) -> None:
    assert gate(noising, denoising, 0.1, 0.25) == expected


def test_an_or_is_seen_by_denoising_and_an_and_by_noising() -> None:
    for kind in ("or", "and"):
        experiment, circuit = gate_model(kind)
        found = directions(experiment, circuit)
        assert found.sufficiency == pytest.approx(1, abs=0.02)
        heads = {part.name: part for part in found.nodes if part.name.startswith("a0")}
        assert set(heads) == {"a0.h0", "a0.h1"}
        for part in heads.values():
            assert part.gate == kind
            assert part.warning == GATES[kind]
            silent, loud = part.noising, part.denoising
            if kind == "and":
                silent, loud = loud, silent
            assert silent == pytest.approx(0, abs=0.02)
            assert loud == pytest.approx(1, abs=0.02)
        assert {"a0.h0->m0", "a0.h1->m0"} <= {part.name for part in found.warned}


def test_known_finds_its_word_in_two_ways() -> None:
    """m2 lets through what is above a threshold: one of the two ways alone gives less than half."""
    model = load_model("known")
    task = load_task("induction", model, pairs=8)
    experiment = Experiment(model, make_batch(task, model.tokenizer), task.metric)
    found = directions(experiment, true_circuit())
    assert {part.name for part in found.edges} == set(TRUE_EDGES)
    assert found.sufficiency == pytest.approx(1, abs=0.01)
    assert found.necessity == pytest.approx(1, abs=0.01)
    for part in found.edges:
        assert part.noising is not None and part.noising > 0.1
    by_name = {part.name: part for part in (*found.nodes, *found.edges)}
    for way in ("a1.h0", "a1.h2"):
        part = by_name[way]
        assert part.noising is not None and part.noising > 0.5
        assert part.denoising is not None and part.denoising < 0.5
    assert by_name["m2"].denoising == pytest.approx(1, abs=0.01)


def test_bad_input() -> None:
    with pytest.raises(WorkbenchError, match="another model"):
        directions(case("gpt2").experiment, Circuit.full(Graph(5, 3)))
    empty = directions(case("gpt2").experiment, Circuit.empty(case("gpt2").graph))
    assert (empty.nodes, empty.edges) == ((), ())
    assert (empty.sufficiency, empty.necessity) == pytest.approx((0, 0), abs=1e-4)


def test_the_result_is_plain() -> None:
    found = directions(case("gpt2").experiment, random_circuit(case("gpt2").graph, 0.2, 1))
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["edges"][0]["name"] == found.edges[0].name
    assert again["warnings"] == {part.name: part.warning for part in found.warned}
