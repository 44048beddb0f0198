"""Readouts of a circuit, and of differences, against a slow run of the circuit through hooks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.task import Task
from tests.support.cases.engine_cases import in_float64
from tests.support.cases.family_cases import model_of
from tests.support.cases.readout_cases import ANSWER_SPACE, PAIRS, case
from tests.support.references.family import FamilyReference
from workbench.circuits.circuit import Circuit, all_edges
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch
from workbench.readouts.activations import activations
from workbench.readouts.answer_curve import answer_curve
from workbench.readouts.attention import attention_pattern
from workbench.readouts.circuit_runs import CircuitRuns, InCircuit
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.residual_lens import residual_lens

PAIR = 3


@dataclass
class Read:
    """A circuit of a family, and what the reference says of one pair."""

    experiment: Experiment
    circuit: Circuit
    reference: FamilyReference
    writes: dict[str, Tensor]
    inputs: dict[str, Tensor]
    logits: Tensor
    row: int


@cache
def read(name: str, ablation: str = "patching") -> Read:
    model = model_of(name)
    task = Task("readouts", PAIRS, "logit_diff", "Pairs.", answer_space=ANSWER_SPACE)
    experiment = Experiment(model, make_batch(task, model.tokenizer), ablation=ablation)
    graph, rng = experiment.graph, np.random.default_rng(3)
    opened = frozenset(d for d in graph.destinations[:-1] if rng.random() < 0.2)
    mask = all_edges(graph) & (rng.random((graph.n_sources, graph.n_destinations)) < 0.3)
    circuit = Circuit(graph, mask, open=opened)
    group, row = experiment.batch.locate(PAIR)
    reference = FamilyReference(in_float64(model.hf), group.clean, group.corrupted)
    if ablation == "zero":
        for written in reference.corrupted_writes.values():
            written.zero_()
    writes: dict[str, Tensor] = {}
    inputs: dict[str, Tensor] = {}
    logits = reference.circuit(set(circuit.edges()), opened, writes, inputs)
    return Read(experiment, circuit, reference, writes, inputs, logits[row], row)


CASES = [("gpt2", "patching"), ("llama", "patching"), ("gpt_neox", "patching"),
         ("gemma2", "patching"), ("mistral", "zero")]  # fmt: skip
cases = pytest.mark.parametrize(("name", "ablation"), CASES)


def answers(r: Read) -> tuple[list[int], list[int]]:
    group = r.experiment.batch.locate(PAIR)[0]
    return list(group.answers[r.row]), list(group.wrong_answers[r.row])


def difference(r: Read, logits: Tensor) -> float:
    cap = r.experiment.parts.logit_cap
    plain = logits if cap is None else cap * torch.atanh(logits / cap)
    right, wrong = answers(r)
    return float(plain[right].mean() - plain[wrong].mean())


@cases
def test_every_node_writes_what_it_does_in_the_circuit(name: str, ablation: str) -> None:
    r = read(name, ablation)
    runs = CircuitRuns(r.experiment, r.circuit)
    for position in range(-4, 0):
        for pair in (PAIR, None):  # None: all pairs of the group, this one among them
            selection = next(
                s
                for s in activations(
                    r.experiment,
                    position,
                    pair,
                    "circuit",
                    circuit=runs,
                )
                if PAIR in s.indices
            )
            at = selection.indices.index(PAIR)
            for node in r.experiment.graph.sources[1:]:
                place = r.experiment.graph.parse_node(node)
                if place.head is None:
                    ours = selection.output(node)[at]
                else:
                    w_o = r.experiment.parts.layers[place.layer].attention.w_o[place.head]
                    ours = selection.heads(place.layer)[place.head][at] @ w_o
                torch.testing.assert_close(
                    ours.double(), r.writes[node][r.row, position], rtol=1e-3, atol=1e-4
                )
            final = r.inputs["logits"][r.row, position]
            torch.testing.assert_close(
                selection.output("logits")[at].double(), final, rtol=1e-3, atol=1e-4
            )


@cases
def test_attribution_in_the_circuit_sums_to_its_logit_difference(name: str, ablation: str) -> None:
    r = read(name, ablation)
    found = direct_logit_attribution(r.experiment, pair=PAIR, run=InCircuit(r.circuit))
    assert found.total == pytest.approx(difference(r, r.logits), abs=1e-3)
    assert sum(row.value for row in found.rows) == pytest.approx(found.total, abs=1e-4)
    # Whatever the logits do not read of a node is what takes its place.
    less = InCircuit(r.circuit, less_clean=True)
    other = direct_logit_attribution(r.experiment, pair=PAIR, run=less)
    clean = direct_logit_attribution(r.experiment, pair=PAIR)
    assert other.total == pytest.approx(found.total - clean.total, abs=1e-5)
    for node in r.experiment.graph.sources:
        assert other.value(node) == pytest.approx(found.value(node) - clean.value(node), abs=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox"])
def test_rows_and_lenses_are_read_off_what_the_reference_wrote(name: str) -> None:
    """With the final norm written out, its scale held at what the logits read in the circuit."""
    r = read(name)
    hf = r.reference.model
    norm = hf.get_submodule(r.reference.names.final_norm)
    w_u = hf.get_output_embeddings().weight
    centred = name != "llama"
    eps = norm.variance_epsilon if name == "llama" else norm.eps

    def centre(x: Tensor) -> Tensor:
        return x - x.mean() if centred else x

    def logits(x: Tensor, at: int) -> Tensor:
        final = centre(r.inputs["logits"][r.row, at])
        return w_u @ (centre(x) / (final.square().mean() + eps).sqrt() * norm.weight)

    found = direct_logit_attribution(r.experiment, pair=PAIR, run=InCircuit(r.circuit))
    for node in r.experiment.graph.sources[1:]:
        kept = r.circuit.has(f"{node}->logits")
        seen = (r.writes if kept else r.reference.corrupted_writes)[node][r.row, -1]
        assert found.value(node) == pytest.approx(difference(r, logits(seen, -1)), abs=1e-3)
        for position in (-1, -2):
            own = logits(r.writes[node][r.row, position], position)
            lens = logit_lens(
                r.experiment, node, position=position, pair=PAIR, k=3, run=InCircuit(r.circuit),
            )  # fmt: skip
            values = own - own.mean()
            assert [t.id for t in lens.promoted] == values.topk(3).indices.tolist()
            np.testing.assert_allclose(
                [t.value for t in lens.promoted], values.topk(3).values, rtol=0, atol=1e-3
            )


@cases
def test_attention_in_the_circuit_is_the_models_with_its_queries_and_keys(
    name: str, ablation: str
) -> None:
    r = read(name, ablation)
    r.reference.circuit(set(r.circuit.edges()), r.circuit.open)
    assert len(r.reference.patterns) == r.reference.n_layers * r.reference.n_heads
    for head, pattern in r.reference.patterns.items():
        ours = attention_pattern(r.experiment, head, pair=PAIR, run=InCircuit(r.circuit)).weights
        np.testing.assert_allclose(ours, pattern[r.row], rtol=0, atol=1e-4)


@cases
def test_the_residual_in_the_circuit_is_what_the_logits_read(name: str, ablation: str) -> None:
    r = read(name, ablation)
    rows = residual_lens(r.experiment, pair=PAIR, run=InCircuit(r.circuit)).rows
    logits = r.logits
    right, wrong = answers(r)
    assert rows[-1].logit_difference == pytest.approx(
        float(logits[right].mean() - logits[wrong].mean()), abs=1e-3
    )
    assert rows[-1].top[0].value == pytest.approx(float(logits.softmax(-1).max()), abs=1e-4)
    # After the last but one layer: the same without what the last layer gives to the logits.
    graph, last = r.experiment.graph, r.experiment.graph.n_layers - 1
    if r.experiment.parts.layers[last].post_attention is not None:
        return
    residual = r.inputs["logits"]
    for node in graph.sources[graph.layer_rows(last)]:
        kept = r.circuit.has(f"{node}->logits")
        residual = residual - (r.writes if kept else r.reference.corrupted_writes)[node]
    layer_before = r.reference._logits(
        r.reference.clean, residual - _output_bias(r, last)
    )[r.row]  # fmt: skip
    assert rows[-2].logit_difference == pytest.approx(
        float(layer_before[right].mean() - layer_before[wrong].mean()), abs=1e-3
    )


def _output_bias(r: Read, layer: int) -> Tensor | float:
    bias = r.experiment.parts.layers[layer].attention.b_o
    return 0.0 if bias is None else bias.double()


def test_differences_are_differences_of_readings() -> None:
    e = case("gpt2").experiment
    for pair in (None, 1):
        n = e.parts.w_u.shape[1]
        lenses = [
            {t.id: t.value for t in logit_lens(e, "m1", pair=pair, k=n, run=run).promoted}
            for run in ("clean", "corrupted", "clean-corrupted")
        ]
        assert lenses[2] == pytest.approx(
            {i: lenses[0][i] - lenses[1][i] for i in lenses[0]}, abs=1e-5
        )
        curves = [answer_curve(e, "m1", pair=pair, run=run).values
                  for run in ("clean", "corrupted", "clean-corrupted")]  # fmt: skip
        assert curves[2] == pytest.approx(tuple(np.subtract(curves[0], curves[1])), abs=1e-5)
        lines = [residual_lens(e, pair=pair, run=run).rows
                 for run in ("clean", "corrupted", "clean-corrupted")]  # fmt: skip
        for one, other, both in zip(*lines, strict=True):
            assert both.metric == pytest.approx(one.metric - other.metric, abs=1e-5)
    patterns = [attention_pattern(e, "a1.h0", pair=1, run=run).weights
                for run in ("clean", "corrupted", "clean-corrupted")]  # fmt: skip
    np.testing.assert_allclose(patterns[2], patterns[0] - patterns[1], rtol=0, atol=1e-6)


def test_all_kept_or_all_open_is_the_model_and_no_circuit_is_refused() -> None:
    e = case("llama").experiment
    whole = Circuit(e.graph, all_edges(e.graph))
    start = Circuit(e.graph, np.zeros_like(whole.mask), open=frozenset(e.graph.destinations))
    for circuit in (whole, start):
        found = direct_logit_attribution(e, run=InCircuit(circuit, less_clean=True))
        assert max(abs(row.value) for row in found.rows) < 1e-4
    with pytest.raises(WorkbenchError, match="name the circuit"):
        logit_lens(e, "m0", run="circuit")
    with pytest.raises(WorkbenchError, match="another model"):
        logit_lens(case("gpt2").experiment, "m0", run=InCircuit(whole))
