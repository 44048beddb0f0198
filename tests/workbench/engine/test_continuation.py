"""What model and circuit go on with, against transformers' own generation and slow circuits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.task import Task
from tests.support.cases.engine_cases import in_float64
from tests.support.cases.family_cases import model_of
from tests.support.cases.readout_cases import PAIRS
from tests.support.references.family import FamilyReference
from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.continuation import continue_pair, continue_text
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch

N, PAIR = 5, 3


def experiment_of(name: str, ablation: str = "patching") -> Experiment:
    model = model_of(name)
    task = Task("continuations", PAIRS, "logit_diff", "Pairs.")
    return Experiment(model, make_batch(task, model.tokenizer), ablation=ablation)


def circuit_of(experiment: Experiment) -> Circuit:
    graph, rng = experiment.graph, np.random.default_rng(5)
    opened = frozenset(d for d in graph.destinations[:-1] if rng.random() < 0.1)
    mask = all_edges(graph) & (rng.random((graph.n_sources, graph.n_destinations)) < 0.6)
    return Circuit(graph, mask, open=opened)


@pytest.mark.parametrize(
    ("name", "ablation"),
    [("gpt2", "patching"), ("llama", "patching"), ("gpt_neox", "patching"), ("mistral", "zero")],
)
def test_every_token_is_the_argmax_of_a_slow_run(name: str, ablation: str) -> None:
    experiment = experiment_of(name, ablation)
    circuit = circuit_of(experiment)
    found = continue_pair(experiment, PAIR, circuit, n=N)
    group, row = experiment.batch.locate(PAIR)
    clean, corrupted = group.clean[row : row + 1], group.corrupted[row : row + 1]
    hf = in_float64(experiment.model.hf)
    assert found.circuit is not None and 1 <= len(found.circuit) <= N

    def ids(side: tuple) -> list[int]:
        return [one.token for one in side]

    eos = experiment.model.tokenizer.eos_token_id
    for side, in_circuit in ((found.model, False), (found.circuit, True)):
        for step, one in enumerate(side):
            more = torch.tensor([ids(side)[:step]], dtype=torch.long)
            tokens = torch.cat([clean, more], 1)
            if in_circuit:
                reference = FamilyReference(hf, tokens, torch.cat([corrupted, more], 1))
                if ablation == "zero":
                    for written in reference.corrupted_writes.values():
                        written.zero_()
                logits = reference.circuit(set(circuit.edges()), circuit.open)[0]
            else:
                logits = hf(tokens, use_cache=False).logits[0, -1]
            assert one.token == int(logits.argmax())
            assert one.probability == pytest.approx(float(logits.softmax(-1).max()), abs=1e-4)
        assert len(side) == N or ids(side)[-1] == eos
    same = [a == b for a, b in zip(ids(found.model), ids(found.circuit), strict=False)]
    assert found.shared == (same.index(False) if False in same else len(same))


def test_of_a_text_and_the_likeliest_tokens() -> None:
    experiment = experiment_of("gpt2")
    circuit, model = circuit_of(experiment), experiment.model
    pair = PAIRS[PAIR]
    of_pair = continue_pair(experiment, PAIR, circuit, n=3)
    of_text = continue_text(model, pair.clean, circuit, corrupted=pair.corrupted, n=3)
    assert of_text == of_pair
    found = continue_text(model, pair.clean, n=0, top=4)
    tokens = model.tokenizer(pair.clean, return_tensors="pt")["input_ids"]
    chances = model.hf(tokens, use_cache=False).logits[0, -1].softmax(-1)
    assert [one.token for one in found.top] == chances.topk(4).indices.tolist()
    expected = pytest.approx(chances.topk(4).values.tolist(), rel=1e-5)
    assert [one.probability for one in found.top] == expected
    assert found.model == () and found.circuit is None and found.shared is None
    # The mean over all tokens holds at any position: the first token is the experiment's own.
    mean = experiment_of("gpt2", "mean")
    assert continue_pair(mean, PAIR, circuit, n=2).ablation == "mean"


def test_what_cannot_be_gone_on_with_is_refused() -> None:
    experiment = experiment_of("gpt2")
    model, circuit = experiment.model, circuit_of(experiment)
    for arguments, words in (
        ({"text": ""}, "is empty"),
        ({"text": "The", "n": -1}, "or more"),
        ({"text": "The", "n": 10_000}, "positions"),
        ({"text": "The", "circuit": circuit}, "corrupted text"),
        ({"text": "The", "circuit": circuit, "corrupted": "The keys"}, "differ in token length"),
        ({"text": "The", "circuit": circuit, "ablation": "mean"}, "means are taken"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            continue_text(model, **arguments)
    positional = experiment_of("gpt2", "positional-mean")
    assert len(continue_pair(positional, PAIR, circuit, n=1).circuit or ()) == 1
    with pytest.raises(WorkbenchError, match="position by position"):
        continue_pair(positional, PAIR, circuit, n=2)
