"""Induction: lists, what is repeated, and how it is corrupted."""

from collections import Counter

import pytest

from tasks import TaskError, make_task
from tasks.induction import LENGTH
from tests.support.small_tokenizers import byte_level
from tests.support.tiny_models import tiny_tokenizer

TASK = make_task("induction", tiny_tokenizer(), 300, 0)


def words(prompt: str) -> list[str]:
    assert prompt.startswith("List: ")
    return prompt.split()[1:]


def test_the_answer_followed_the_repeated_word() -> None:
    for pair in TASK.pairs:
        *listed, again = words(pair.clean)
        assert len(set(listed)) == len(listed) == LENGTH
        assert pair.answers == (f" {listed[listed.index(again) + 1]}",)
        assert {*pair.answers, *pair.wrong_answers} == {f" {word}" for word in listed}


def test_the_corrupted_list_has_other_words_and_repeats_another_place() -> None:
    for pair in TASK.pairs:
        *clean, again = words(pair.clean)
        *corrupted, repeated = words(pair.corrupted)
        assert not set(clean) & set(corrupted)
        assert len(set(corrupted)) == LENGTH
        assert clean.index(again) != corrupted.index(repeated)
        assert corrupted.index(repeated) < LENGTH - 1


def test_every_place_is_repeated_about_as_often() -> None:
    for side in ("clean", "corrupted"):
        listed = [words(getattr(pair, side)) for pair in TASK.pairs]
        places = Counter(said.index(said[-1]) for said in listed)
        assert sorted(places) == list(range(LENGTH - 1))
        assert min(places.values()) > 20


def test_too_few_nouns_are_refused() -> None:
    with pytest.raises(TaskError, match="needs 16 nouns"):
        make_task("induction", byte_level(["List: box cup key"]), 1)
