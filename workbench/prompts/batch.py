"""Batch: a task's pairs as tokens, grouped by length.

The two prompts of a pair have the same length in tokens, since a patch puts what was written at a
position of one run in the same position of the other.  Different pairs may differ in length: equal
lengths form a group, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tasks.pair import Pair
from tasks.task import Task
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding, shown


@dataclass(frozen=True, eq=False)
class Group:
    """The pairs of one token length.

    Attributes:
        indices: which pairs of the batch, in the order of the rows.
        clean, corrupted: token ids [pair, position], on the batch's device.
        answers, wrong_answers: token ids of each pair, as many as it has.
        first_difference: the first position at which any pair's two prompts differ; before it the
            two runs are equal.

    Glossary: docs/glossary.md#group-of-pairs.
    """

    indices: tuple[int, ...]
    clean: Tensor
    corrupted: Tensor
    answers: tuple[tuple[int, ...], ...]
    wrong_answers: tuple[tuple[int, ...], ...]
    first_difference: int

    @property
    def length(self) -> int:
        """Tokens in each prompt."""
        return self.clean.shape[1]


@dataclass(frozen=True, eq=False)
class Batch:
    """A task for one tokenizer.

    Attributes:
        task: with the pairs that are left; a pair's index counts these.
        groups: one for each token length, the shortest first.
        n_pairs: in all groups together.
        dropped: how many pairs were left out because their prompts differ in length.
        prepend_bos: whether a BOS token was put before the prompts that did not have one.
        answer_tokens: (label, token id) of the task's answer space, in its order.

    Glossary: docs/glossary.md#batch.
    """

    task: Task
    groups: tuple[Group, ...]
    n_pairs: int
    dropped: int
    prepend_bos: bool
    answer_tokens: tuple[tuple[str, int], ...]
    encoding: Encoding = field(repr=False)

    @property
    def unknown(self) -> str:
        """A sentence on prompts with words that the tokenizer reads as unknown; empty if none."""
        tokenizer = self.encoding.tokenizer
        unk = tokenizer.unk_token_id
        # GPT-2 names its end of text as unknown token too, and knows every text.
        if unk is None or unk in (tokenizer.bos_token_id, getattr(tokenizer, "eos_token_id", None)):
            return ""
        found = sorted(
            index
            for group in self.groups
            for row, index in enumerate(group.indices)
            if (group.clean[row] == unk).any() or (group.corrupted[row] == unk).any()
        )
        if not found:
            return ""
        return (
            f"The tokenizer does not know every word: {len(found)} of {self.n_pairs} pairs hold "
            f"one that is read as {tokenizer.unk_token}, pair {found[0] + 1} for one."
        )

    def locate(self, index: int) -> tuple[Group, int]:
        """The group of a pair and its row in it.

        Raises:
            WorkbenchError: there is no such pair.
        """
        for group in self.groups:
            if index in group.indices:
                return group, group.indices.index(index)
        raise WorkbenchError(f"There is no pair {index}: the task has {self.n_pairs}, from 0.")

    def tokens(self, index: int) -> tuple[list[str], list[str]]:
        """The clean and the corrupted prompt of a pair, token by token, as text."""
        group, row = self.locate(index)
        clean, corrupted = (ids[row].tolist() for ids in (group.clean, group.corrupted))
        return self.encoding.pieces(clean), self.encoding.pieces(corrupted)


@dataclass(frozen=True)
class _Row:
    """One pair as ids; `number` counts all pairs of the task from 1, for messages."""

    number: int
    pair: Pair
    clean: list[int]
    corrupted: list[int]


def make_batch(
    task: Task,
    tokenizer: Any,
    *,
    prepend_bos: bool | None = None,
    device: torch.device | str = "cpu",
    mismatch: str = "refuse",
) -> Batch:
    """Tokenise a task.

    Args:
        task: the pairs.
        tokenizer: a Hugging Face tokenizer.
        prepend_bos: whether a BOS token goes before each prompt; None for the tokenizer's default.
        device: where the token ids go.
        mismatch: what to do with a pair whose prompts differ in token length, "refuse" or "drop".

    Raises:
        WorkbenchError: no pair is left; the prompts of a pair differ in length and are not to be
            dropped, or are the same tokens, or empty; an answer is not one token.
    """
    if mismatch not in ("refuse", "drop"):
        raise WorkbenchError(f"Pairs of unequal length are refused or dropped, not {mismatch!r}.")
    if not task.pairs:
        raise WorkbenchError(f"The task {task.name} has no pairs.")
    encoding = Encoding(tokenizer, prepend_bos)
    rows = _rows(task, encoding)
    unequal = [row for row in rows if len(row.clean) != len(row.corrupted)]
    if unequal and (mismatch == "refuse" or len(unequal) == len(rows)):
        raise WorkbenchError(_unequal(unequal, len(rows), encoding, mismatch))
    kept = [row for row in rows if len(row.clean) == len(row.corrupted)]
    for row in kept:
        _check(row, encoding)
    return Batch(
        task=replace(task, pairs=tuple(row.pair for row in kept)),
        groups=tuple(_groups(kept, encoding, torch.device(device))),
        n_pairs=len(kept),
        dropped=len(unequal),
        prepend_bos=bool(encoding.prefix),
        answer_tokens=_answer_tokens(task.answer_space, kept[0].pair.clean, encoding),
        encoding=encoding,
    )


def _rows(task: Task, encoding: Encoding) -> list[_Row]:
    for number, pair in enumerate(task.pairs, start=1):
        for text in (pair.clean, pair.corrupted, *pair.answers, *pair.wrong_answers):
            _check_text(text, number)
    clean = encoding.prompts([pair.clean for pair in task.pairs])
    corrupted = encoding.prompts([pair.corrupted for pair in task.pairs])
    numbered = enumerate(zip(task.pairs, clean, corrupted, strict=True), start=1)
    return [_Row(number, *row) for number, row in numbered]


def _check_text(text: object, number: int) -> None:
    if not isinstance(text, str):
        raise WorkbenchError(f"Pair {number} holds {text!r} where a text is needed.")
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no tokenizer can read
        raise WorkbenchError(
            f"Pair {number} holds a text that is not valid Unicode: {printable(text)}."
        ) from None


def _unequal(unequal: list[_Row], n_pairs: int, encoding: Encoding, mismatch: str) -> str:
    first = unequal[0]
    more = f" (as do {len(unequal) - 1} of the other pairs)" if len(unequal) > 1 else ""
    advice = (
        "mend them, since no pair is left when such are dropped"
        if mismatch == "drop" or len(unequal) == n_pairs
        else "mend it, or have such pairs dropped (--mismatch drop)"
    )
    return (
        f"The prompts of pair {first.number} differ in token length{more}, {len(first.clean)} and "
        f"{len(first.corrupted)}, clean [{shown(encoding.pieces(first.clean))}], corrupted "
        f"[{shown(encoding.pieces(first.corrupted))}]: {advice}."
    )


def _check(row: _Row, encoding: Encoding) -> None:
    """Refuse a pair of equal length that cannot be patched, or is too long to be read."""
    if not row.clean:
        raise WorkbenchError(f"The prompts of pair {row.number} are empty.")
    if row.clean == row.corrupted:
        raise WorkbenchError(
            f"The prompts of pair {row.number} are the same tokens, so that there is nothing to "
            f"patch: [{shown(encoding.pieces(row.clean))}]."
        )
    if encoding.max_length is not None and len(row.clean) > encoding.max_length:
        raise WorkbenchError(
            f"The prompts of pair {row.number} have {len(row.clean):,} tokens, more than the "
            f"{encoding.max_length:,} that the model's tokenizer allows."
        )


def _groups(rows: list[_Row], encoding: Encoding, device: torch.device) -> Iterator[Group]:
    for length in sorted({len(row.clean) for row in rows}):
        placed = [(index, row) for index, row in enumerate(rows) if len(row.clean) == length]
        clean = torch.tensor([row.clean for _, row in placed], dtype=torch.long)
        corrupted = torch.tensor([row.corrupted for _, row in placed], dtype=torch.long)
        answers = [_answers(row, encoding) for _, row in placed]
        yield Group(
            indices=tuple(index for index, _ in placed),
            clean=clean.to(device),
            corrupted=corrupted.to(device),
            answers=tuple(right for right, _ in answers),
            wrong_answers=tuple(wrong for _, wrong in answers),
            first_difference=int((clean != corrupted).any(dim=0).nonzero()[0].item()),
        )


def _answers(row: _Row, encoding: Encoding) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The token ids of a pair's answers and of its wrong answers."""
    sides = (row.pair.answers, row.pair.wrong_answers)
    texts = [text for side in sides for text in side]
    for side, name in zip(sides, ("answers", "wrong answers"), strict=True):
        if not side:
            raise WorkbenchError(f"Pair {row.number} has no {name}.")
    ids: list[int] = []
    for text, token in zip(texts, encoding.answers(row.pair.clean, texts), strict=True):
        if token is None:
            raise WorkbenchError(_not_one_token(row.number, text, encoding))
        if token in ids:
            raise WorkbenchError(f"Pair {row.number} has the answer {printable(text)!r} twice.")
        ids.append(token)
    size = len(row.pair.answers)
    return tuple(ids[:size]), tuple(ids[size:])


def _not_one_token(number: int, text: str, encoding: Encoding) -> str:
    pieces = encoding.alone(text)
    what = f"is {len(pieces)} tokens" if len(pieces) != 1 else "is not known to the tokenizer"
    return (
        f"The answer {printable(text)!r} of pair {number} {what} [{shown(pieces)}], and has to be "
        "exactly one."
    )


def _answer_tokens(
    labels: Sequence[str], prompt: str, encoding: Encoding
) -> tuple[tuple[str, int], ...]:
    """The labels that are one token; a readout over the answer space leaves out the others."""
    found = zip(labels, encoding.answers(prompt, labels) if labels else [], strict=True)
    return tuple((label, token) for label, token in found if token is not None)
