"""The model `known` is what its file writes, works as it says, and is found as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench import Circuit, evaluate, load_circuit, load_model, load_task
from workbench.base.progress import silent
from workbench.bundled_models.known import TRUE_EDGES, VOCABULARY, WORDS, make_model, write
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import drop_costs, edge_effects, node_effects
from workbench.experiment.settings import ExperimentSettings
from workbench.models.bundled import CIRCUIT, KNOWN
from workbench.models.model import Model
from workbench.session.open import Opened, open_engine
from workbench.session.session import Session
from workbench.session.start import begin

ENOUGH = 0.1
"""Every true effect is larger, in units of a logit difference of 6."""
NOTHING = 0.01
"""Every other effect is smaller."""


@cache
def known() -> Model:
    return load_model("known", device="cpu", dtype="float32")


@cache
def opened() -> Opened:
    task = load_task("induction", known(), pairs=24)
    return open_engine(known(), task, ExperimentSettings("known", task.name), silent)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with begin(opened(), tmp_path / "journal.jsonl") as made:
        yield made


def truth() -> Circuit:
    return load_circuit(KNOWN.checked_folder / CIRCUIT, known().graph)


def test_the_files_are_what_is_written_down(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write(tmp_path)
    packed = KNOWN.checked_folder
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path, packed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for name in (CIRCUIT, "tokenizer.json"):
        ours_, theirs_ = (json.loads((folder / name).read_text()) for folder in (tmp_path, packed))
        assert ours_ == theirs_


def test_it_does_the_task_and_the_corrupted_prompts_say_nothing() -> None:
    score = evaluate(known(), "induction", Circuit.full(known().graph), pairs=200)
    assert score.accuracy == 1
    assert score.clean > 5
    assert abs(score.corrupted) < 1e-3


def test_the_true_circuit_is_the_whole_of_it() -> None:
    score = evaluate(known(), "induction", truth(), pairs=100)
    assert score.closed and score.edges == len(TRUE_EDGES) == 11
    assert score.faithfulness == pytest.approx(1, abs=1e-3)
    assert truth().pruned() == truth()


def test_the_heads_attend_to_what_they_are_said_to() -> None:
    model = make_model()
    model.set_attn_implementation("eager")
    said = ["<|begin|>", "List", ":", *(f" {word}" for word in (*WORDS[:8], WORDS[2]))]
    ids = torch.tensor([[VOCABULARY.index(token) for token in said]])
    with torch.no_grad():
        out = model(ids, output_attentions=True)
    last, before, after = len(said) - 1, said.index(f" {WORDS[2]}"), said.index(f" {WORDS[3]}")
    attention = [layer[0] for layer in out.attentions]
    assert min(attention[0][1, p, p - 1].item() for p in range(1, len(said))) > 0.8
    assert attention[0][3, last, before] > 0.8
    assert attention[1][0, last, after] > 0.7
    assert attention[1][2, last, after] > 0.7
    assert VOCABULARY[int(out.logits[0, -1].argmax())] == f" {WORDS[3]}"
    assert VOCABULARY[int(out.logits[0, 0].argmax())] == "List"


# Every way of finding circuits finds this one.


def best(scores: dict[str, float], n: int) -> set[str]:
    return set(sorted(scores, key=lambda edge: -abs(scores[edge]))[:n])


def apart(scores: dict[str, float]) -> None:
    """The true edges have effects, and the others have none worth the name."""
    for edge, effect in scores.items():
        assert (abs(effect) > ENOUGH) if edge in TRUE_EDGES else (abs(effect) < NOTHING), edge


def test_attribution_finds_it() -> None:
    graph, eap = known().graph, opened().eap
    scores = {edge: float(eap[graph.parse_edge(edge)]) for edge in graph.edges()}
    apart(scores)
    assert best(scores, len(TRUE_EDGES)) == set(TRUE_EDGES)


@pytest.mark.parametrize("setting", ["full", "within", "along"])
def test_exact_effects_of_all_edges_find_it(setting: str) -> None:
    graph, experiment = known().graph, opened().engine.experiment
    evaluator = Evaluator(experiment, Circuit.full(graph))
    scores: dict[str, float] = {}
    for edges, effects in edge_effects(evaluator, list(graph.edges()), setting):
        scores.update(zip(edges, effects.tolist(), strict=True))
    apart(scores)


def test_dropping_an_edge_of_the_true_circuit_costs_and_adding_one_does_not() -> None:
    evaluator = Evaluator(opened().engine.experiment, truth())
    costs: dict[str, float] = {}
    for edges, values in drop_costs(evaluator, truth().edges()):
        costs.update(zip(edges, values.tolist(), strict=True))
    assert set(costs) == set(TRUE_EDGES)
    assert all(abs(cost) > ENOUGH for cost in costs.values())
    others = [edge for edge in known().graph.edges() if edge not in TRUE_EDGES]
    for _, effects in edge_effects(evaluator, others, "within"):
        assert np.abs(effects).max() < NOTHING


def test_activation_patching_finds_its_nodes() -> None:
    graph = known().graph
    evaluator = Evaluator(opened().engine.experiment, Circuit.full(graph))
    found = set()
    for nodes, effects in node_effects(evaluator, list(graph.sources)):
        found |= {n for n, e in zip(nodes, effects.tolist(), strict=True) if abs(e) > ENOUGH}
    assert found | {"logits"} == set(truth().nodes())


@pytest.mark.parametrize("setting", ["full", "within", "along"])
@pytest.mark.parametrize("computed", [True, False], ids=["exact", "estimates"])
def test_stepping_backward_finds_it(session: Session, setting: str, computed: bool) -> None:
    session.set_threshold(ENOUGH)
    while frontier := session.frontier():
        if computed:
            session.sweep(frontier[0], setting=setting)
        session.expand(frontier[0], setting=setting)
    assert set(session.circuit.edges()) == set(TRUE_EDGES)
    assert session.status().faithfulness == pytest.approx(1, abs=1e-3)
