"""Changed edges against slow runs of the model's own modules, destination by destination."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.batches import ROLES
from tests.support.cases.engine_cases import Case, in_float64, random_circuit, some_edges
from tests.support.cases.family_cases import model_of, usual_case
from tests.support.references.by_role import ByRole, circuit_with, mixed
from tests.support.references.family import FamilyReference
from tests.workbench.experiment.test_intervened import (
    close,
    effects_equal_the_reference,
    with_interventions,
)
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit, RoleGroup, all_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.neuron_patching import neuron_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.intervention_groups import parse_with_groups

FAMILIES = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "phi", "phi3", "qwen3",
            "deepseek_v2")  # fmt: skip
families = pytest.mark.parametrize("name", FAMILIES)
four = pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "gemma2", "qwen3"])
"""Learned positions, parallel blocks, norms behind heads, shared keys that are normed."""
JOINT = ("olmo2",)
"""Families that norm all heads' queries and keys together."""

LINES = (
    "a0.h1->a1.h2<k> * 2.5",
    "a0.h1->a1.h3<k>,m0->a1.h3<k> * 0 at -1,1",
    "a0.h2->a2.h1 * -1 at :4",
    "m0->a2.h0<v>,a1.h0->a2.h0<v> * 3",
    "a1.h2->m2 * 0.5",
    "m1->logits * 2 at -1",
    "a2.h3->logits * 0",
    "m0->m1 * 1.5 at 1:",
    "m0->m1 * 2",
    "m0->m1 * 3 at -1",
)


class EdgesReference(FamilyReference):
    """Runs in which what a destination reads of a source is times a number, [position, 1]."""

    changes: dict[tuple[str, str], Tensor]

    def __init__(self, model: Any, clean: Tensor, corrupted: Tensor) -> None:
        self.changes = {}
        super().__init__(model, clean, corrupted)

    def changed(self, factors: dict[tuple[str, str], Tensor]) -> EdgesReference:
        """Read edges so from now on, in both runs."""
        self.changes = factors
        own = lambda d, s, writes: writes[s]  # noqa: E731
        self.corrupted_logits = self._run(self.corrupted, own, self.corrupted_writes)
        self.clean_logits = self._run(self.clean, own, self.clean_writes, inputs=self.clean_inputs)
        return self

    def _run(self, tokens: Tensor, choose: Any, *args: Any, **kwargs: Any) -> Tensor:
        def read(destination: str, source: str, writes: dict[str, Tensor]) -> Tensor:
            value: Tensor = choose(destination, source, writes)
            factor = self.changes.get((source, destination))
            return value if factor is None else value * factor

        return super()._run(tokens, read, *args, **kwargs)


def _lines(name: str) -> list[str]:
    if name not in JOINT:
        return list(LINES)
    return [line.replace("<k>", "<v>").replace("a2.h1 ", "a2.h1<v> ") for line in LINES]


def _factors(lines: Sequence[str], n: int, like: Tensor) -> dict[tuple[str, str], Tensor]:
    """What the lines say, read with nothing of the workbench."""
    found: dict[tuple[str, str], Tensor] = {}
    for line in lines:
        edges, _, rest = line.partition(" * ")
        by, _, at = rest.partition(" at ")
        where = torch.zeros(n, dtype=torch.bool)
        for word in (at or ":").split(","):
            if ":" in word:
                first, last = (int(w) if w else None for w in word.split(":"))
                where[first:last] = True
            else:
                where[int(word)] = True
        for edge in edges.split(","):
            source, destination = edge.split("->")
            whole = destination.startswith("a") and "<" not in destination
            for one in [f"{destination}<{w}>" for w in "qkv"] if whole else [destination]:
                own = found.setdefault((source, one), torch.ones(n, 1).to(like))
                own[where] *= float(by)
    return found


@cache
def changed_case(name: str) -> Case:
    """All of the lines, done by the workbench and by the reference."""
    experiment = with_interventions(name, _lines(name))
    references = []
    for group in experiment.batch.groups:
        one = EdgesReference(in_float64(experiment.model.hf), group.clean, group.corrupted)
        factors = _factors(_lines(name), group.length, one.clean_logits)
        references.append(one.changed(factors))
    usual = usual_case(name)
    return Case(experiment.model, experiment, references, usual.answers, usual.wrong)  # type: ignore[arg-type]


@families
def test_runs_circuits_and_what_if_equal_the_reference(name: str) -> None:
    c = changed_case(name)
    plain = usual_case(name).experiment
    assert np.abs(np.subtract(c.experiment.clean.per_pair, plain.clean.per_pair)).max() > 0.01
    close(c.experiment.clean.per_pair, c.metric([r.clean_logits for r in c.references]))
    close(c.experiment.corrupted.per_pair, c.metric([r.corrupted_logits for r in c.references]))
    circuit = random_circuit(c.graph, 0.5, seed=3, share_open=0.15)
    edges = some_edges(c.graph, 3, seed=4, without=circuit.open)
    if "a1.h2<k>" not in circuit.open:
        edges = [*edges, "a0.h1->a1.h2<k>"]
    kept = set(circuit.edges())
    evaluator = Evaluator(c.experiment, circuit)
    close(evaluator.value().per_pair, c.circuit_metric(kept, circuit.open))
    edits = [*(Edit(toggle=(e,)) for e in edges), Edit(toggle=tuple(edges))]
    for edit, metric in zip(edits, evaluator.what_if(edits), strict=True):
        close(metric, c.circuit_metric(kept ^ set(edit.toggle), circuit.open))


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "qwen3"])
def test_circuits_and_what_if_by_role_equal_the_reference(name: str) -> None:
    """What is read of an edge depends on the position, so rows are not told by their role alone."""
    reference = ByRole(changed_case(name))
    c = reference.case
    # Of an MLP that is read at all positions some are computed.
    read = ["input->m0", "m0->m1", "m1->a2.h1<k>", "m1->a2.h1<v>", "a2.h1->logits", "m1->logits"]
    for circuit in (circuit_with(c.graph, read), mixed(c.graph, 3, 0.5, 0.1)):
        evaluator = Evaluator(c.experiment, circuit)
        close(evaluator.value().per_pair, reference.metric(circuit))
        edges = ["m0->m1", circuit.edges()[0]]
        edits = [Edit(toggle=(f"{edge}@{role}",)) for edge in edges for role in ("A", "B", "END")]
        for edit, values in zip(edits, evaluator.what_if(edits), strict=True):
            after = circuit.copy()
            after.at = after.at.named(ROLES)
            after.toggle(edit.toggle[0])
            close(values, reference.metric(after))
            close(evaluator.commit(edit).per_pair, values)
            close(evaluator.commit(edit).per_pair, reference.metric(circuit))


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "olmo2"])
def test_effects_and_eap_equal_the_reference(name: str) -> None:
    c = changed_case(name)
    changed = "a0.h1->a1.h2<k>" if name not in JOINT else "a0.h1->a1.h2<v>"
    edges = [changed, "m1->logits", "m0->m1", *some_edges(c.graph, 2, seed=12)]
    effects_equal_the_reference(c, edges)


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
@pytest.mark.parametrize("name", ["gemma2", "qwen3"])
def test_all_edges_are_the_clean_run_and_none_the_corrupted(name: str, ablation: str) -> None:
    lines = ["m0->a1.h1<v> = mean at -1", "m1->logits + 2 * difference", "a1.h2 * 2", "r1 + mean"]
    experiment = with_interventions(name, [*_lines(name), *lines], ablation=ablation)
    every = Evaluator(experiment, Circuit(experiment.graph, all_edges(experiment.graph))).value()
    none = Evaluator(experiment, Circuit.empty(experiment.graph)).value()
    close(every.per_pair, experiment.clean.per_pair)
    close(none.per_pair, experiment.corrupted.per_pair)


@four
def test_factor_one_changes_nothing(name: str) -> None:
    plain = usual_case(name).experiment
    lines = ["a0.h0->a1.h2<v> * 1", "m0->m1,input->logits * 1 at -1"]
    same = with_interventions(name, lines)
    close(same.clean.per_pair, plain.clean.per_pair, atol=5e-6)
    circuit = random_circuit(plain.graph, 0.5, seed=3)
    found, expected = Evaluator(same, circuit).value(), Evaluator(plain, circuit).value()
    close(found.per_pair, expected.per_pair, atol=5e-6)


EDGES = ("a0.h1->a1.h2<v>", "a0.h0->m1", "m1->logits", "m0->a2.h3<k>", "input->a1.h1<q>")


def _dropped(plain: Experiment, edge: str) -> Sequence[float]:
    mask = all_edges(plain.graph)
    mask[plain.graph.parse_edge(edge)] = False
    return Evaluator(plain, Circuit(plain.graph, mask)).value().per_pair


@four
def test_set_to_corrupted_is_the_edge_patched_and_zero_its_zero_ablation(name: str) -> None:
    plain = usual_case(name).experiment
    zero = Experiment(model_of(name), plain.batch, ablation="zero")
    for edge in EDGES:
        source = edge.split("->")[0]
        close(with_interventions(name, [f"{edge} * 0"]).clean.per_pair, _dropped(zero, edge))
        if source.startswith("a") and name == "gemma2":
            continue
        done = with_interventions(name, [f"{edge} = corrupted"])
        close(done.clean.per_pair, _dropped(plain, edge))
        close(done.corrupted.per_pair, plain.corrupted.per_pair)
        nothing = with_interventions(name, [f"{edge} = zero"])
        close(nothing.clean.per_pair, _dropped(zero, edge))


def test_all_edges_of_a_node_are_the_node() -> None:
    """What all readers are given times a number is what the node writes times it."""
    for name in ("gpt2", "llama", "gpt_neox"):
        graph = usual_case(name).experiment.graph
        ends = [d for d in (*graph.nodes[1:],) if _after(graph, "m0", d)]
        edges = ",".join(f"m0->{end}" for end in ends)
        by_edge = with_interventions(name, [f"{edges} * 1.7", f"{edges} + difference at -2:"])
        by_node = with_interventions(name, ["m0 * 1.7", "m0 + difference at -2:"])
        close(by_edge.clean.per_pair, by_node.clean.per_pair)
        # All readers share what stands beside the residual.
        assert by_edge.parts.d_model == 2 * by_node.parts.d_model


def _after(graph: Any, source: str, node: str) -> bool:
    column = graph.destination_index(graph.destinations_of(node)[0])
    return bool(graph.source_index(source) < graph.n_parents(column))


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("gpt2", "m1->a0.h1 * 2", "does not come after"),
        ("gpt2", "m1->m9 * 2", "no node"),
        ("gpt2", "m0.n1->m1 * 2", "begins at"),
        ("gpt2", "m0->input * 2", "ends at"),
        ("gpt2", "m0->m1 = 2", "Only neurons"),
        ("gpt2", "m0->m1 = unit:zero", "no direction"),
        ("gemma2", "a0.h1->m1 = mean", "it can be scaled"),
        ("olmo2", "m0->a1.h1<k> * 0", "together"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, line: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        with_interventions(name, [line])


def test_groups_stand_for_their_members() -> None:
    graph = usual_case("gpt2").experiment.graph
    groups = [
        RoleGroup("name movers", "", ("a1.h0", "a1.h2", "logits")),
        RoleGroup("B", "", ("m1",)),
    ]

    def nodes(line: str) -> tuple[str, ...]:
        return parse_with_groups(line, groups, graph).nodes

    assert nodes('group:"name movers" * 2 at -1') == ("a1.h0", "a1.h2")
    assert nodes('m0, group:B , group:"name movers" = mean') == ("m0", "m1", "a1.h0", "a1.h2")
    assert nodes('group:"name movers"->group:B * 0') == ("a1.h0->m1", "a1.h2->m1")
    # What comes no later reads nothing of it.
    assert nodes('group:B->group:"name movers" * 0') == ("m1->logits",)
    assert nodes("m0->group:B + 2 * difference") == ("m0->m1",)
    for line, said in (("group:C * 2", "no group 'C': there are"), ("group:B->m0 * 2", "nothing")):
        with pytest.raises(WorkbenchError, match=said):
            nodes(line)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "qwen3"])
def test_neurons_are_those_of_the_changed_model(name: str) -> None:
    """Their effects are what dropping them from the circuit of all edges does."""
    lines = ["m1 * 1.5", "m1->m2 * 0.5", "a1.h2->logits * 2", "m0 = mean at -1", "hide 2:last<1"]
    experiment = with_interventions(name, lines)
    evaluator = Evaluator(experiment, Circuit.full(experiment.graph))
    for layer in (0, 1):
        every = range(8)
        (_, full), *_ = neuron_effects(evaluator, layer, list(every), "full")
        (_, within), *_ = neuron_effects(evaluator, layer, list(every), "within")
        close(full, within, atol=2e-4)


def test_sweeps_by_another_ablation_run_the_changed_model() -> None:
    lines = ["m1 * 1.5", "m0->a1.h2<v> * 0.5", "hide 2:last<1"]
    for ablation, other in (("patching", "zero"), ("zero", "patching"), ("patching", "mean")):
        found = with_interventions("llama", lines, ablation=ablation).under(other)
        wanted = with_interventions("llama", lines, ablation=other)
        close(found.clean.per_pair, wanted.clean.per_pair)
        close(found.corrupted.per_pair, wanted.corrupted.per_pair)


@pytest.mark.parametrize("method", ["eap-ig", "gim", "relp", "exact", "atp", "atp-star"])
def test_methods_find_the_same_by_all_edges_of_a_node_as_by_the_node(method: str) -> None:
    graph = usual_case("llama").experiment.graph
    every = ",".join(f"m0->{end}" for end in graph.nodes[1:] if _after(graph, "m0", end))
    found = []
    for lines in ([f"{every} * 1.7", "a0.h1->m2 * 1"], ["m0 * 1.7"]):
        experiment = with_interventions("llama", lines)
        entry = find_method(method)
        edges, nodes = (None, 3) if entry.kind == "nodes" else (3, None)
        request = DiscoveryRequest.parse(method, edges=edges, nodes=nodes)
        request = request.checked(metric="logit_diff", ablation="patching")
        findings = Findings.about(experiment, method)
        finish(entry.load()(experiment, findings, request.options))
        scores = findings.edges if findings.nodes is None else findings.nodes
        found.append(np.nan_to_num(scores))
    assert np.abs(found[0]).max() > 0.01
    np.testing.assert_allclose(found[0], found[1], atol=2e-4)


def test_ifr_is_refused() -> None:
    experiment = with_interventions("gpt2", ["m0->m1 * 2"])
    with pytest.raises(WorkbenchError, match="choose another method"):
        finish(find_method("ifr").load()(experiment, Findings.about(experiment, "ifr"), Options()))
