"""The logit lens of components and its curve, against plain transformers."""

from __future__ import annotations

import pytest
import torch

from tests.support.cases.readout_cases import ANSWER_SPACE, FAMILIES, PAIRS, Case, case
from workbench.errors import WorkbenchError
from workbench.readouts.answer_curve import answer_curve
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.results import Lens, TokenValue

TOLERANCE = 1e-4


def expected(case: Case, node: str, position: int, pair: int | None, run: str) -> torch.Tensor:
    """The lens [vocab] worked out prompt by prompt."""
    chosen = range(len(PAIRS)) if pair is None else [pair]
    return torch.stack(
        [case.reference.lens(case.written(i, run), node, position) for i in chosen]
    ).mean(0)


def assert_lens(view: Lens, logits: torch.Tensor, k: int) -> None:
    order = logits.argsort(descending=True).tolist()
    for side, ids in ((view.promoted, order[:k]), (view.suppressed, order[::-1][:k])):
        assert [t.id for t in side] == ids
        assert [t.value for t in side] == pytest.approx(logits[ids].tolist(), abs=TOLERANCE)


def nodes(case: Case) -> list[str]:
    return list(case.experiment.model.graph.nodes)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
@pytest.mark.parametrize("pair", [None, 3])
def test_lens_of_every_node_equals_the_reference(family: str, run: str, pair: int | None) -> None:
    made = case(family)
    for node in nodes(made):
        for position in (-1, -3):
            view = logit_lens(made.experiment, node, position=position, pair=pair, k=7, run=run)
            assert_lens(view, expected(made, node, position, pair, run), 7)


@pytest.mark.parametrize("family", FAMILIES)
def test_lens_before_the_prompts_differ_is_the_same_in_both_runs(family: str) -> None:
    made = case(family)
    clean, corrupted = (
        logit_lens(made.experiment, "m1", position=0, pair=1, run=run)
        for run in ("clean", "corrupted")
    )
    assert clean.promoted == corrupted.promoted
    assert_lens(corrupted, expected(made, "m1", 0, 1, "corrupted"), 10)


def test_lenses_differ_between_runs_positions_and_pairs() -> None:
    made = case("llama")
    views = [
        logit_lens(made.experiment, "m1", position=position, pair=pair, run=run).promoted
        for position in (-1, -2)
        for pair in (None, 0, 2)
        for run in ("clean", "corrupted")
    ]
    assert len(set(views)) == len(views)


@pytest.mark.parametrize("family", FAMILIES)
def test_lens_says_what_the_node_does_to_the_answers(family: str) -> None:
    made = case(family)
    for node in ("a1.h1", "m0", "logits"):
        for pair in (None, 2):
            chosen = range(len(PAIRS)) if pair is None else [pair]
            means = []
            for i in chosen:
                logits = expected(made, node, -1, i, "clean")
                means.append([float(logits[ids].mean()) for ids in made.answers(i)])
            right, wrong = torch.tensor(means).mean(0).tolist()
            view = logit_lens(made.experiment, node, pair=pair)
            assert view.answers == pytest.approx(right, abs=TOLERANCE)
            assert view.wrong_answers == pytest.approx(wrong, abs=TOLERANCE)


def test_lens_of_the_logits_is_the_models_prediction() -> None:
    made = case("gpt2")
    logits = made.written(0).logits[-1]
    (top,) = logit_lens(made.experiment, "logits", pair=0, k=1).promoted
    assert top.id == int(logits.argmax())
    assert top.value == pytest.approx(float(logits.max() - logits.mean()), abs=TOLERANCE)


def test_lens_is_plain_and_says_where_it_read() -> None:
    made = case("gpt2")
    view = logit_lens(made.experiment, "a0.h2", position=1, pair=2, k=3)
    assert all(type(t) is TokenValue and type(t.value) is float for t in view.promoted)
    assert (view.place.node, view.place.position, view.place.pair) == ("a0.h2", 1, 2)
    assert view.place.token == " books"
    assert logit_lens(made.experiment, "a0.h2").place.token is None
    assert logit_lens(made.experiment, "a0.h2").place.n_pairs == len(PAIRS)
    corrupted = logit_lens(made.experiment, "a0.h2", position=1, pair=2, run="corrupted")
    assert corrupted.place.token == " book"
    assert view.promoted[0].token == made.experiment.model.tokenizer.decode([view.promoted[0].id])
    assert "without the bias" in view.definition
    assert "frozen" in view.definition


def test_lens_of_more_tokens_than_there_are_gives_all() -> None:
    made = case("gpt2")
    view = logit_lens(made.experiment, "m0", k=10**6)
    assert len(view.promoted) == made.experiment.model.parts.w_u.shape[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"node": "a7.h0"}, "no node"),
        ({"node": "nonsense"}, "no node"),
        ({"node": "a0.h0<q>"}, "no node"),
        ({"node": "m0", "pair": 5}, "no pair 5"),
        ({"node": "m0", "pair": -1}, "no pair -1"),
        ({"node": "m0", "position": 5}, "outside"),
        ({"node": "m0", "position": -6}, "outside"),
        ({"node": "m0", "position": 5, "pair": 0}, "outside"),
        ({"node": "m0", "run": "circus"}, "no run"),
        ({"node": "m0", "k": 0}, "at least one"),
    ],
)
def test_lens_refuses_what_is_not_there(arguments: dict, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        logit_lens(case("gpt2").experiment, **arguments)


def test_a_long_prompts_position_is_there_for_that_prompt() -> None:
    made = case("gpt2")
    view = logit_lens(made.experiment, "m0", position=5, pair=1)
    assert_lens(view, expected(made, "m0", 5, 1, "clean"), 10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", [None, 4])
def test_curve_is_the_lens_at_the_answer_space(family: str, pair: int | None) -> None:
    made = case(family)
    ids = [made.experiment.model.tokenizer(text)["input_ids"][0] for text in ANSWER_SPACE]
    for node in ("input", "a0.h1", "m1", "logits"):
        view = answer_curve(made.experiment, node, pair=pair)
        logits = expected(made, node, -1, pair, "clean")
        assert len(view.labels) == len(ANSWER_SPACE)
        assert list(view.values) == pytest.approx(logits[ids].tolist(), abs=TOLERANCE)


def test_curve_marks_the_answers() -> None:
    made = case("gpt2")
    one = answer_curve(made.experiment, "m0", pair=0)
    assert one.answers == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert one.wrong_answers == (0.0, 1.0, 0.0, 0.0, 0.0)
    every = answer_curve(made.experiment, "m0")
    assert every.answers == pytest.approx((0.2, 0.2, 0.2, 0.2, 0.0))
    assert every.wrong_answers == pytest.approx((0.2, 0.4, 0.2, 0.2, 0.0))
