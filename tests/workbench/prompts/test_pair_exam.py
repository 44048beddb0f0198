"""What is said of a pair as it is typed: alignment, what mends it; templates; completion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.pair import Pair
from tests.support.small_tokenizers import byte_level
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding
from workbench.prompts.pair_exam import Column, examine
from workbench.prompts.template import fill, slots
from workbench.prompts.vocabulary import Vocabulary

TINY = Encoding(tiny_tokenizer())
MARY = Pair(
    "When Mary and John went to the store, John gave a drink to",
    "When Mary and John went to the store, Paul gave a drink to",
    (" Mary",),
    (" John",),
)
BYTES = Encoding(byte_level([MARY.clean, MARY.corrupted, " Mary John"]))


def test_a_pair_that_fits_has_nothing_against_it() -> None:
    exam = examine(MARY, TINY)
    assert exam.usable and not exam.findings and not exam.mends and not exam.length
    assert exam.lengths[0] == exam.lengths[1] == len(exam.columns)
    assert [column for column in exam.columns if not column.same] == [Column(" John", " Paul")]
    assert "".join(column.clean or "" for column in exam.columns) == MARY.clean


def test_another_length_is_aligned_named_and_mended_by_a_word_that_fits() -> None:
    long = replace(MARY, corrupted=MARY.corrupted.replace("Paul", "Isabel"))
    exam = examine(long, BYTES, words=(" Mary", " Isabelle", " Paul"))
    clean, corrupted = exam.lengths
    assert corrupted > clean and not exam.usable
    more = corrupted - clean
    assert [c.corrupted for c in exam.columns if c.clean is None] == [
        c.corrupted for c in exam.columns if not c.same
    ][1:]
    assert sum(column.clean is None for column in exam.columns) == more
    assert "' John' (1 token)" in exam.length and f"({more + 1} tokens)" in exam.length
    assert [mend.pair for mend in exam.mends] == [MARY]


@pytest.mark.parametrize(
    ("changed", "mended"),
    [
        ({"answers": ("Mary",)}, {}),
        ({"answers": (" Maryann",)}, {}),
        ({"wrong_answers": (" John", " Mary")}, {}),
        ({"clean": MARY.clean + " ", "corrupted": MARY.corrupted + " "}, {}),
    ],
)
def test_what_is_wrong_with_answers_and_spaces_is_mended_when_asked(
    changed: dict[str, object], mended: dict[str, object]
) -> None:
    pair = replace(MARY, **changed)  # type: ignore[arg-type]
    exam = examine(pair, BYTES)
    assert exam.findings and exam.pair == pair, "nothing is done unasked"
    assert exam.mends[0].pair == replace(MARY, **mended)  # type: ignore[arg-type]
    assert examine(exam.mends[0].pair, BYTES).usable


TEMPLATE = Pair(
    "When [NAME1] and [NAME2] went to the [PLACE], [NAME2] gave a drink to",
    "When [NAME1] and [NAME2] went to the [PLACE], [NAME3] gave a drink to",
    (" [NAME1]",),
    (" [NAME2]",),
)
LISTS = {"NAME": ["Mary", "John", "Paul", "Zebedee"], "PLACE": ["store"]}


@pytest.mark.parametrize("typed", ["Mary, Paul", " Mary/Paul", "Mary ; Paul", " Mary, Paul,"])
@pytest.mark.parametrize("encoding", [TINY, BYTES])
def test_several_answers_typed_as_one_are_parted_when_asked(typed: str, encoding: Encoding) -> None:
    mend = examine(replace(MARY, answers=(typed,)), encoding).mends[0]
    assert mend.said == "make it 2 answers, ' Mary' and ' Paul'"
    assert mend.pair.answers == (" Mary", " Paul")
    assert examine(mend.pair, encoding).usable
    # One of several tokens is no answer of its own.
    mends = examine(replace(MARY, answers=(typed.replace("Paul", "Bartlby"),)), encoding).mends
    assert not any("answers" in mend.said for mend in mends)


def test_each_answer_that_is_amiss_is_mended_by_its_own() -> None:
    exam = examine(replace(MARY, answers=(" Barnaby",), wrong_answers=("John",)), BYTES)
    said = [mend.said for mend in exam.mends]
    assert len(said) == len(set(said))
    assert any(one.endswith("of ' Barnaby'") for one in said)
    assert "put the space before 'John'" in said


def test_an_unknown_token_is_no_answer_that_is_offered() -> None:
    exam = examine(replace(MARY, answers=(" Zzz",)), TINY)
    assert not exam.usable and not exam.mends


def test_a_template_makes_all_pairs_that_fit_or_so_many_of_them() -> None:
    assert slots(TEMPLATE) == ("NAME1", "NAME2", "PLACE", "NAME3")
    made = fill(TEMPLATE, LISTS, TINY)
    assert made.possible == 24 and len(made.pairs) == 12, "no answer that it does not know"
    assert MARY in made.pairs and len(set(made.pairs)) == 12
    assert {finding.kind for finding in made.left_out} == {"several tokens"}
    assert len(made.left_out) == 12
    assert all(examine(pair, TINY).usable for pair in made.pairs)
    some = fill(TEMPLATE, LISTS, TINY, n=4)
    assert len(some.pairs) == 4 and set(some.pairs) < set(made.pairs)
    assert fill(TEMPLATE, LISTS, TINY, n=4) == some != fill(TEMPLATE, LISTS, TINY, n=4, seed=1)


@pytest.mark.parametrize(
    ("template", "lists", "says"),
    [
        (MARY, LISTS, "no slot"),
        (TEMPLATE, {"NAME": ["a", "b", "c"]}, "[PLACE] has no list"),
        (TEMPLATE, LISTS | {"NAME": ["a", "b"]}, "2 values for 3 slots"),
        (TEMPLATE, LISTS | {"NAME": [str(i) for i in range(99)]}, "take fewer"),
    ],
)
def test_a_template_that_cannot_be_filled(
    template: Pair, lists: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(WorkbenchError) as error:
        fill(template, lists, TINY)
    assert says in str(error.value)


def test_answers_are_completed_by_tokens_the_frequent_ones_first() -> None:
    vocabulary = Vocabulary(BYTES)
    found = vocabulary.complete(" M")
    assert " Mary" in found and all(text.startswith(" M") for text in found)
    ids = [BYTES.answers("to", [text])[0] for text in found if len(text) > 1]
    assert ids == sorted(ids, key=lambda token: token or 0)
    assert vocabulary.complete("no token begins so") == []
