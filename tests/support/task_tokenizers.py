"""Tokenizers with which the built-in tasks can be made: byte-level BPE, and whole words."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from tasks import (
    TASKS,
    arithmetic,
    boxes,
    brackets,
    capitals,
    colored_objects,
    docstring,
    gender_bias,
    greater_than,
    hypernymy,
    multiple_choice,
    parentheses,
    subject_verb_agreement,
    successor,
    words,
)
from tests.support.small_tokenizers import byte_level
from tests.support.tiny_models import tiny_tokenizer

MODULES: tuple[ModuleType, ...] = (
    arithmetic, boxes, brackets, capitals, colored_objects, docstring, gender_bias,
    greater_than, hypernymy, multiple_choice, parentheses, subject_verb_agreement, successor, words,
)  # fmt: skip


def _texts(value: object) -> Iterator[str]:
    """Every text in a list of words, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts((*value, *value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, successor.Order):
        yield from value.words


@functools.cache
def task_words() -> tuple[str, ...]:
    """Every word of the built-in tasks' lists and examples."""
    lists = [v for module in MODULES for name, v in vars(module).items() if name.isupper()]
    examples = [
        side for task in TASKS.values() for side in (task.example.clean, task.example.corrupted)
    ]
    found = re.findall(r"[A-Za-z]+", " ".join([*_texts(lists), *examples]))
    return tuple(dict.fromkeys([*found, "woman", "other", "he", "she"]))


@functools.cache
def bytes_tokenizer() -> Any:
    """Byte-level BPE: words, and up to four closing parentheses, are tokens; digits are single."""
    corpus = [text for word in task_words() for text in (word, f" {word}")]
    marks = [")", "))", ")))", "))))", " (", " [", " {", " )", " ]", " }", "\n", ":", ","]
    return byte_level([*corpus, *marks, *(str(n) for n in range(10))])


@functools.cache
def words_tokenizer() -> Any:
    """Whole words, and numbers of up to three digits; punctuation mark by mark."""
    return tiny_tokenizer(digits="three", more=(*task_words(), *'()"+-=$'))
