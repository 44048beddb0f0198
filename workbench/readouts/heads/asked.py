"""Which head is read, and which tokens it is asked about."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.tokens import single_token
from tasks.words import NAMES
from workbench.base.text import printable
from workbench.base.transfers import array_of
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding
from workbench.readouts.activations import lacking

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.readouts.results import Position
    from workbench.readouts.target import Target

LEAST_WORDS, MOST_WORDS = 10, 100
"""A share of fewer words says little; more take long and say no more."""
SEED = 0
"""Of the words that are drawn where there are no others."""


@dataclass(frozen=True)
class Words:
    """The words that copying is measured on.

    Attributes:
        ids: of their tokens.
        said: what they are, in a sentence.
    """

    ids: tuple[int, ...]
    said: str


def head_of(experiment: Experiment, name: str) -> tuple[int, int]:
    """A head's layer and its number in it.

    Raises:
        WorkbenchError: there is no such node, or it is no head.
    """
    graph = experiment.model.graph
    graph.source_index(name)
    node = graph.parse_node(name)
    if node.head is None:
        raise WorkbenchError(f"Only heads look at tokens, and {name} is none.")
    return node.layer, node.head


def looked_at(
    experiment: Experiment, position: Position, pair: int | None, target: Target | None
) -> tuple[int, ...] | None:
    """The tokens asked about; None where neither a prompt nor tokens are chosen.

    Raises:
        WorkbenchError: there is no such pair or position.
    """
    if target is not None and target.answers is not None:
        return tuple(token for token, _ in target.answers)
    if pair is None:
        return None
    prompt = prompt_tokens(experiment, pair)
    if isinstance(position, str):
        roles = experiment.batch.roles
        if not (here := roles.positions(position, pair)):
            raise lacking(roles, position, pair)
        position = here[-1]
    if not -len(prompt) <= position < len(prompt):
        raise WorkbenchError(
            f"Position {position} is outside of a prompt of {len(prompt)} tokens; choose one from "
            f"0 to {len(prompt) - 1}, or from the end, -1 to -{len(prompt)}."
        )
    return (prompt[position],)


def prompt_tokens(experiment: Experiment, pair: int) -> list[int]:
    """The ids of a pair's clean prompt.

    Raises:
        WorkbenchError: there is no such pair.
    """
    group, row = experiment.batch.locate(pair)
    ids: list[int] = array_of(group.clean[row]).tolist()
    return ids


def name_of(experiment: Experiment, token: int) -> str:
    """A token as it is quoted in a title or a table."""
    return quoted(experiment.batch.encoding, token)


def quoted(encoding: Encoding, token: int) -> str:
    """The same by an encoding."""
    (text,) = encoding.pieces([token])
    return repr(printable(text))


def word_tokens(experiment: Experiment) -> Words:
    """The answers and wrong answers of the pairs; if they are few, the task's answer space.

    If that is small too, as `words_of_model`.
    """
    batch = experiment.batch
    sides = [side for group in batch.groups for side in (*group.answers, *group.wrong_answers)]
    of_pairs = {token for side in sides for token in side}
    space = dict.fromkeys(token for _, token in batch.answer_tokens)
    for found, what in (
        (tuple(sorted(of_pairs)), "answers and wrong answers of the pairs"),
        (tuple(space), "task's answers"),
    ):
        if len(found) > MOST_WORDS:
            step = len(found) / MOST_WORDS
            some = tuple(found[int(i * step)] for i in range(MOST_WORDS))
            return Words(some, f"The words are {MOST_WORDS} of the {len(found):,} {what}, evenly.")
        if len(found) >= LEAST_WORDS:
            return Words(found, f"The {len(found)} words are the {what}.")
    return words_of_model(experiment.model, batch.encoding)


def words_of_model(model: Model, encoding: Encoding) -> Words:
    """Given names that are single tokens; if there are few, tokens drawn from the vocabulary."""
    found = (single_token(model.tokenizer, "When", f" {name}") for name in NAMES)
    names = tuple(dict.fromkeys(token for token in found if token is not None))
    if len(names) >= LEAST_WORDS:
        return Words(names, f"The {len(names)} words are given names that are single tokens.")
    valid = valid_tokens(model, encoding)
    drawn = random.Random(SEED).sample(valid, min(len(valid), MOST_WORDS))
    return Words(
        tuple(sorted(drawn)), f"The {len(drawn)} words are tokens drawn from the vocabulary."
    )


def valid_tokens(model: Model, encoding: Encoding) -> list[int]:
    """The tokens that a text can be made of: known, not special, and whole characters.

    Raises:
        WorkbenchError: there are fewer than two.
    """
    tokenizer: Any = model.tokenizer
    special = set(getattr(tokenizer, "all_special_ids", ()))
    added: Any = getattr(tokenizer, "added_tokens_decoder", {})
    special |= {token for token, kind in added.items() if getattr(kind, "special", False)}
    size = min(len(tokenizer), int(model.parts.w_u.shape[1]))
    texts: Sequence[str | None] = [encoding.text_of(token) for token in range(size)]
    valid = [
        token
        for token, text in enumerate(texts)
        if text and token not in special and "\ufffd" not in text
    ]
    if len(valid) < 2:
        raise WorkbenchError(f"The tokenizer of {model.name} has no two tokens to make texts of.")
    return valid
