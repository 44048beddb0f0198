"""Indirect object identification: names, orders and corruptions."""

import re

import pytest

from tasks import TaskError, make_task
from tests.support.small_tokenizers import byte_level
from tests.support.tiny_models import tiny_tokenizer

PROMPT = re.compile(r"^\w+ (\w+) and (\w+) went to the \w+, (\w+) \w+ a \w+ to$")
TASK = make_task("ioi", tiny_tokenizer(), 400, 0)


def names(prompt: str) -> tuple[str, str, str]:
    found = PROMPT.match(prompt)
    assert found, prompt
    return found[1], found[2], found[3]


def test_the_answer_is_the_name_that_is_not_repeated() -> None:
    for pair in TASK.pairs:
        first, second, subject = names(pair.clean)
        assert first != second
        assert pair.wrong_answers == (f" {subject}",)
        assert {f" {first}", f" {second}"} == {*pair.answers, *pair.wrong_answers}


def test_half_of_the_prompts_are_abba_and_half_baba() -> None:
    abba = [names(pair.clean)[1] == names(pair.clean)[2] for pair in TASK.pairs]
    assert sum(abba) == 200
    assert sum(abba[:32]) == 16


def test_the_corrupted_prompt_has_a_third_name_for_the_second_subject() -> None:
    for pair in TASK.pairs:
        clean, corrupted = names(pair.clean), names(pair.corrupted)
        assert corrupted[:2] == clean[:2]
        assert len({*corrupted}) == 3
        assert pair.corrupted.replace(f", {corrupted[2]} ", f", {clean[2]} ") == pair.clean


def test_all_words_vary_but_the_frame() -> None:
    columns = list(zip(*(pair.clean.split() for pair in TASK.pairs), strict=True))
    frame = {2: "and", 4: "went", 5: "to", 6: "the", 10: "a", 12: "to"}
    for place, column in enumerate(columns):
        if place in frame:
            assert set(column) == {frame[place]}
        else:
            assert len(set(column)) >= 4
    assert len({pair.answers for pair in TASK.pairs}) > 40


def test_the_metric_and_the_answer_space() -> None:
    assert TASK.metric == "logit_diff"
    assert list(TASK.answer_space) == sorted(TASK.answer_space)
    assert {" Mary", " John"} <= set(TASK.answer_space)


def test_three_names_are_needed() -> None:
    corpus = ["When Mary and John went to the store , gave a drink to", " Mary John"]
    with pytest.raises(TaskError, match="three names"):
        make_task("ioi", byte_level(corpus), 1)
