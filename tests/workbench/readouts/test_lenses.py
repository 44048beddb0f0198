"""Readouts through a Jacobian lens, lens maps and ranks, against plain transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.readout_cases import ANSWER_SPACE, FAMILIES, PAIRS, Case, case
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.readouts import lens_map as maps
from workbench.readouts.answer_curve import answer_curve
from workbench.readouts.beside_circuit import beside_circuit
from workbench.readouts.catalogue import read_out
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.curve_by_answer import curve_by_answer
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.jacobian_lens import jacobian_lens
from workbench.readouts.lens_map import lens_map
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.residual_lens import residual_lens
from workbench.readouts.results import position_words
from workbench.readouts.target import find_target
from workbench.readouts.token_ranks import token_ranks

TOLERANCE = 1e-4
N_LAYERS = 2


def lens_for(made: Case, *depths: int) -> JacobianLens:
    """Some matrices: near the identity, so that what is read is no noise."""
    width = made.experiment.model.parts.d_model
    generator = torch.Generator().manual_seed(5)
    matrices = {
        depth: torch.eye(width) + 0.3 * torch.randn(width, width, generator=generator)
        for depth in depths or (0, 1)
    }
    return JacobianLens(matrices, width, 3, N_LAYERS, made.experiment.model.name)


def carried(lens: JacobianLens, x: Tensor, depth: int) -> Tensor:
    matrix = lens.matrices.get(depth)
    return x if matrix is None else matrix.double() @ x


def depth_of(node: str) -> int:
    """After how many blocks a node's output stands in the residual."""
    if node in ("input", "logits"):
        return 0 if node == "input" else N_LAYERS
    return int(node[1:].split(".")[0]) + 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", [None, 3])
def test_the_jacobian_lens_of_every_node_equals_the_reference(
    family: str, pair: int | None
) -> None:
    made = case(family)
    lens = lens_for(made)
    chosen = range(len(PAIRS)) if pair is None else [pair]
    for node in made.experiment.model.graph.nodes:
        for position, run in ((-1, "clean"), (-3, "corrupted")):
            each = []
            for i in chosen:
                written = made.written(i, run)
                x = carried(lens, written.nodes[node][position], depth_of(node))
                final = written.nodes["logits"][position]
                logits = made.reference.logits_of(x, final, biases=node == "logits")
                each.append(logits - logits.mean())
            wanted = torch.stack(each).mean(0)
            view = jacobian_lens(
                made.experiment, node, through=lens, position=position, pair=pair, k=5, run=run
            )
            order = wanted.argsort(descending=True).tolist()
            assert [token.id for token in view.promoted] == order[:5]
            assert [token.value for token in view.promoted] == pytest.approx(
                wanted[order[:5]].tolist(), abs=TOLERANCE
            )
            assert [token.id for token in view.suppressed] == order[::-1][:5]


def test_after_the_last_block_it_is_the_logit_lens_and_it_is_linear_before() -> None:
    made = case("llama")
    lens = lens_for(made)
    for node in ("m1", "a1.h2", "logits"):
        mine = jacobian_lens(made.experiment, node, through=lens, pair=1)
        plain = logit_lens(made.experiment, node, pair=1)
        assert [t.value for t in mine.promoted] == [t.value for t in plain.promoted]
    # What all nodes of the first block wrote together is read as their lenses' sum.
    both = [f"a0.h{head}" for head in range(4)] + ["m0", "input"]
    one_depth = lens_for(made, 1)
    labels = find_target(made.experiment.batch, [" are"])
    total = sum(
        jacobian_lens(made.experiment, node, through=one_depth, pair=1, target=labels).answers
        for node in both
    )
    written = made.written(1)
    x = carried(one_depth, written.residuals[1][-1], 1)
    logits = made.reference.logits_of(x, written.nodes["logits"][-1], biases=False)
    token = made.experiment.model.tokenizer(" are")["input_ids"][0]
    assert total == pytest.approx(float(logits[token] - logits.mean()), abs=TOLERANCE)


def test_a_lens_of_some_layers_reads_a_write_at_the_next_one() -> None:
    made = case("gpt2")
    lens = lens_for(made, 1)
    view = jacobian_lens(made.experiment, "input", through=lens, pair=0)
    assert "carried on from after layer 0" in view.definition
    written = made.written(0)
    x = carried(lens, written.nodes["input"][-1], 1)
    logits = made.reference.logits_of(x, written.nodes["logits"][-1], biases=False)
    assert view.promoted[0].value == pytest.approx(float((logits - logits.mean()).max()), abs=1e-4)
    rows = residual_lens(made.experiment, through=lens).rows
    assert [row.name for row in rows] == ["layer 0", "layer 1"]


def residual_logits(
    made: Case, lens: JacobianLens | None, pair: int, run: str, depth: int, position: int
) -> Tensor:
    x = made.written(pair, run).residuals[depth][position]
    x = x if lens is None else carried(lens, x, depth)
    return made.reference.logits_of(x, x, biases=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("through", [False, True])
def test_residual_lens_and_ranks_equal_the_reference(family: str, through: bool) -> None:
    made = case(family)
    lens = lens_for(made) if through else None
    for pair in (None, 3):
        chosen = range(len(PAIRS)) if pair is None else [pair]
        view = residual_lens(made.experiment, pair=pair, position=-2, k=3, through=lens)
        series = token_ranks(made.experiment, pair=pair, position=-2, through=lens)
        assert series.labels == ("embeddings", "layer 0", "layer 1")
        for depth, row in enumerate(view.rows):
            each = [residual_logits(made, lens, i, "clean", depth, -2) for i in chosen]
            top = torch.stack([logits.softmax(-1) for logits in each]).mean(0).topk(3)
            assert [token.id for token in row.top] == top.indices.tolist()
            assert [t.value for t in row.top] == pytest.approx(top.values.tolist(), abs=1e-5)
            ranks = []
            for i, logits in zip(chosen, each, strict=True):
                order = logits.argsort(descending=True).tolist()
                ranks.append(1 + min(order.index(token) for token in made.answers(i)[0]))
            assert series.values[depth] == np.median(ranks)


def test_ranks_of_a_token_that_is_asked_about() -> None:
    made = case("gpt2")
    target = find_target(made.experiment.batch, [" John"])
    token = made.experiment.model.tokenizer(" John")["input_ids"][0]
    series = token_ranks(made.experiment, pair=1, run="corrupted", target=target)
    assert series.title == "Rank of ' John' at the last token, prompt 2, corrupted"
    for depth, rank in enumerate(series.values):
        logits = residual_logits(made, None, 1, "corrupted", depth, -1)
        assert rank == 1 + int((logits > logits[token]).sum())
    with pytest.raises(WorkbenchError, match="A rank is of one run"):
        token_ranks(made.experiment, run="clean-corrupted")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("through", [False, True])
def test_the_map_equals_the_reference_at_every_position_or_role(family: str, through: bool) -> None:
    made = case(family)
    lens = lens_for(made) if through else None
    tokenizer = made.experiment.model.tokenizer
    target = find_target(made.experiment.batch, [" John", " Mary"])
    ids = [tokenizer(text)["input_ids"][0] for text in (" John", " Mary")]
    batch = made.experiment.batch
    for pair in (None, 3):
        plain = lens_map(made.experiment, pair=pair, through=lens)
        asked = lens_map(made.experiment, pair=pair, through=lens, target=target)
        ranked = lens_map(made.experiment, pair=pair, through=lens, target=target, by="rank")
        assert plain.rows == ("embed", "0", "1")
        if pair is not None:
            assert plain.columns == tuple(batch.tokens(pair)[0])
            places = [{pair: column} for column in range(len(plain.columns))]
        else:
            assert plain.columns == batch.roles.names
            places = [
                {i: at[-1] for i in range(len(PAIRS)) if (at := batch.roles.positions(role, i))}
                for role in plain.columns
            ]
        for depth in range(3):
            for column, at_each in enumerate(places):
                each = [
                    residual_logits(made, lens, i, "clean", depth, at) for i, at in at_each.items()
                ]
                mean = torch.stack([logits.softmax(-1) for logits in each]).mean(0)
                best = int(mean.argmax())
                cell = plain.texts[depth][column]
                assert cell == made.experiment.batch.encoding.pieces([best])[0]
                values = [np.asarray(grid.values)[depth, column] for grid in (plain, asked, ranked)]
                assert values[0] == pytest.approx(float(mean[best]), abs=1e-5)
                assert values[1] == pytest.approx(float(mean[ids].sum()), abs=1e-5)
                assert values[2] == 1 + int((mean > mean[ids].max()).sum())


def test_the_map_of_two_runs_of_a_circuit_and_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    made = case("neox")
    experiment = made.experiment
    difference = np.asarray(lens_map(experiment, pair=1, run="clean-corrupted").values)
    last = difference.shape[1] - 1
    clean, corrupted = (
        residual_logits(made, None, 1, run, 2, last).softmax(-1) for run in ("clean", "corrupted")
    )
    assert difference[2, last] == pytest.approx(float((clean - corrupted).max()), abs=1e-5)
    assert np.abs(difference[:, 0]).max() < 1e-6  # the prompts begin alike
    full = InCircuit(Circuit.full(experiment.graph))
    mine = lens_map(experiment, pair=1, run=full)
    assert mine.texts == lens_map(experiment, pair=1).texts
    monkeypatch.setattr(maps, "MAX_LOGITS", 1)
    turns: list[int] = []

    @contextmanager
    def turn() -> Iterator[None]:
        turns.append(1)
        yield

    again = lens_map(experiment, pair=1, run=full, turn=turn)
    assert len(turns) == len(again.columns) + 1
    np.testing.assert_allclose(np.asarray(again.values), np.asarray(mine.values), atol=1e-6)


def test_what_a_map_refuses() -> None:
    experiment = case("gpt2").experiment
    with pytest.raises(WorkbenchError, match="choose a prompt, or the token"):
        lens_map(experiment, by="rank")
    own = np.asarray(lens_map(experiment, pair=0, by="rank").values)
    wanted = token_ranks(experiment, pair=0).values
    assert own[:, -1].tolist() == list(wanted)
    target = find_target(experiment.batch, [" John"])
    with pytest.raises(WorkbenchError, match="A rank is of one run"):
        lens_map(experiment, by="rank", target=target, run="clean-corrupted")
    with pytest.raises(WorkbenchError, match="not by 'size'"):
        lens_map(experiment, by="size")
    with pytest.raises(WorkbenchError, match="no pair 9"):
        lens_map(experiment, pair=9)


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_over_the_answer_space_are_the_runs(family: str) -> None:
    made = case(family)
    tokenizer = made.experiment.model.tokenizer
    ids = [tokenizer(label)["input_ids"][0] for label in ANSWER_SPACE]
    for pair, run in ((2, "clean"), (None, "corrupted")):
        chosen = range(len(PAIRS)) if pair is None else [pair]
        wanted = torch.stack(
            [made.written(i, run).logits[-1][ids].softmax(-1) for i in chosen]
        ).mean(0)
        found = answer_curve(made.experiment, "m0", pair=pair, run=run).probabilities
        assert found == pytest.approx(wanted.tolist(), abs=1e-5)
        assert sum(found) == pytest.approx(1)


def test_curves_by_answer_are_means_over_the_prompts_of_each() -> None:
    made = case("llama")
    tokenizer = made.experiment.model.tokenizer
    ids = [tokenizer(label)["input_ids"][0] for label in ANSWER_SPACE]
    grid = curve_by_answer(made.experiment, "a0.h1")
    assert grid.columns == ANSWER_SPACE and len(grid.rows) == 5  # every pair has its own answers
    sums = np.zeros(len(ids))
    for row in np.asarray(grid.values):
        sums += row
    each = answer_curve(made.experiment, "a0.h1")
    np.testing.assert_allclose(sums / 5, each.values, atol=1e-5)
    lenses = {i: made.reference.lens(made.written(i), "a0.h1", -1)[ids] for i in range(5)}
    for row in np.asarray(grid.values):
        assert any(np.allclose(row, lens.numpy(), atol=1e-4) for lens in lenses.values())
    one = curve_by_answer(made.experiment, "a0.h1", pair=1)
    np.testing.assert_allclose(np.asarray(one.values)[0], lenses[1].numpy(), atol=1e-4)
    logits = curve_by_answer(made.experiment, "logits", run="clean-corrupted")
    both = answer_curve(made.experiment, "logits", run="clean-corrupted")
    np.testing.assert_allclose(np.asarray(logits.values).mean(0), both.values, atol=1e-4)


def test_the_circuit_beside_the_model() -> None:
    made = case("gpt2")
    experiment = made.experiment
    circuit = Circuit.from_edges(experiment.graph, ["input->m0", "m0->m1", "m1->logits"])
    table = beside_circuit(experiment, "m1", run=InCircuit(circuit), pair=0, k=3)
    assert table.columns == ("token", "model", "circuit", "difference")
    model = {t.token: t.value for t in logit_lens(experiment, "m1", pair=0, k=1000).promoted}
    mine = {
        t.token: t.value
        for t in logit_lens(experiment, "m1", pair=0, k=1000, run=InCircuit(circuit)).promoted
    }
    assert model != mine
    for token, *numbers in table.rows:
        wanted = (model[token], mine[token], mine[token] - model[token])
        assert [float(number) for number in numbers] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    extreme = sorted(model, key=lambda token: -model[token])
    shown = {row[0] for row in table.rows}
    assert {*extreme[:3], *extreme[-3:]} <= shown
    whole = beside_circuit(experiment, "m1", run=InCircuit(Circuit.full(experiment.graph)))
    assert all(abs(float(row[3])) < 1e-4 for row in whole.rows)
    asked = find_target(experiment.batch, [" Anna"])
    head = beside_circuit(experiment, "m1", run=InCircuit(circuit), target=asked).rows[0]
    assert head[0] == " Anna"
    with pytest.raises(WorkbenchError, match="name the circuit"):
        beside_circuit(experiment, "m1")


def test_read_out_takes_a_lens_where_there_is_one() -> None:
    made = case("gpt2")
    lens = lens_for(made)
    found = read_out(made.experiment, "jacobian", "m0", through=lens)
    assert found == jacobian_lens(made.experiment, "m0", through=lens)
    assert read_out(made.experiment, "lens", "m0", through=lens) == found
    with pytest.raises(WorkbenchError, match="No Jacobian lens of tiny gpt2 is known"):
        read_out(made.experiment, "jacobian", "m0")
    with pytest.raises(WorkbenchError, match="attribution reads through no Jacobian lens"):
        read_out(made.experiment, "attribution", through=lens)
    with pytest.raises(WorkbenchError, match="residual is coloured by nothing"):
        read_out(made.experiment, "residual", by="rank")
    other = JacobianLens({1: torch.eye(5)}, 5, 1)
    with pytest.raises(WorkbenchError, match="of another model, one of width 5"):
        read_out(made.experiment, "map", through=other)


def test_a_position_is_said_in_words() -> None:
    said = [position_words(p) for p in (-1, -2, -3, -11, -22, 0, 3, "END")]
    assert said == [
        *("at the last token", "at the 2nd last token", "at the 3rd last token"),
        *("at the 11th last token", "at the 22nd last token", "at the 1st token"),
        *("at the 4th token", "at END"),
    ]
