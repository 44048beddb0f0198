"""Batch: a task's pairs as tokens, grouped by length.

The two prompts of a pair have the same length in tokens, since a patch puts what was written at a
position of one run in the same position of the other.  Different pairs may differ in length: equal
lengths form a group, and nothing is padded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tasks.pair import Pair
from tasks.task import BUILT_IN, Task
from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.prompts.checks import (
    ALL,
    CheckedPair,
    Needs,
    check_pairs,
    counted_reasons,
    refusal,
    warned,
)
from workbench.prompts.encoding import Encoding
from workbench.prompts.roles import Roles, roles_of, without_unfit_roles


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

    def part(self, places: Mapping[int, int]) -> Group:
        """Some of the pairs alone; which they are, and the number that each has from now on.

        Raises:
            ValueError: none of them is in this group.
        """
        rows = [row for row, index in enumerate(self.indices) if index in places]
        if not rows:
            raise ValueError("a group has one pair at least")
        clean, corrupted = self.clean[rows], self.corrupted[rows]
        differ = (clean != corrupted).any(dim=0).nonzero()
        return Group(
            indices=tuple(places[self.indices[row]] for row in rows),
            clean=clean,
            corrupted=corrupted,
            answers=tuple(self.answers[row] for row in rows),
            wrong_answers=tuple(self.wrong_answers[row] for row in rows),
            # Pairs without corrupted prompts stay as they are, at 0.
            first_difference=int(differ[0].item()) if len(differ) else self.first_difference,
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """A task for one tokenizer.

    Attributes:
        task: with the pairs that are left; a pair's index counts these.
        groups: one for each token length, the shortest first.
        n_pairs: in all groups together.
        dropped: how many pairs were left out, when the file was read or here.
        left_out: how many for each reason, a name of `checks.KINDS`.
        warnings: the task's, and sentences on pairs that are used and odd.
        prepend_bos: whether a BOS token was put before the prompts that did not have one.
        answer_tokens: (label, token id) of the task's answer space, in its order.
        roles: the names of all positions of all pairs.

    Glossary: docs/glossary.md#batch.
    """

    task: Task
    groups: tuple[Group, ...]
    n_pairs: int
    dropped: int
    left_out: dict[str, int]
    warnings: tuple[str, ...]
    prepend_bos: bool
    answer_tokens: tuple[tuple[str, int], ...]
    roles: Roles
    encoding: Encoding = field(repr=False)

    @property
    def told(self) -> str:
        """What the pairs are, and how many were left out for which reasons, in a line."""
        if not self.dropped:
            return self.task.description
        total = self.n_pairs + self.dropped
        reasons = counted_reasons(self.left_out)
        return f"{self.task.description} {self.dropped:,} of {total:,} left out: {reasons}."

    def part(self, indices: Iterable[int]) -> Batch:
        """Some of the pairs as a batch of their own, in the order given, which counts them anew.

        What was left out is told of the whole batch alone.

        Raises:
            WorkbenchError: there is no such pair, or none is asked for.
        """
        chosen = tuple(indices)
        places = {index: place for place, index in enumerate(chosen)}
        unknown = [index for index in places if not 0 <= index < self.n_pairs]
        if unknown or not chosen:
            which = f"no pair {unknown[0]}" if unknown else "nothing in a part without pairs"
            raise WorkbenchError(f"There is {which}: the task has {self.n_pairs}, from 0.")
        groups = [group for group in self.groups if not places.keys().isdisjoint(group.indices)]
        return replace(
            self,
            task=replace(self.task, pairs=tuple(self.task.pairs[index] for index in chosen)),
            groups=tuple(group.part(places) for group in groups),
            n_pairs=len(places),
            dropped=0,
            left_out={},
            warnings=(),
            roles=replace(
                self.roles, of_pairs=tuple(self.roles.of_pairs[index] for index in chosen)
            ),
        )

    def grouped_at(self, roles: Sequence[str]) -> Batch:
        """The same pairs in groups in each of which these roles stand at the same positions.

        Raises:
            WorkbenchError: a pair has no token of one of them.
        """
        if not roles:
            return self
        for role in roles:
            missing = sorted({*range(self.n_pairs)} - {*self.roles.having(role)})
            if missing:
                which = f"Pair {missing[0] + 1} has"
                if missing[1:]:
                    which = f"{len(missing)} pairs, such as pair {missing[0] + 1}, have"
                raise WorkbenchError(
                    f"{which} no token of the role {role}, at which something is to be done: leave "
                    "such pairs out, or name positions (at -1)."
                )
        groups: list[Group] = []
        for group in self.groups:
            alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
            for index in group.indices:
                where = tuple(self.roles.positions(role, index) for role in roles)
                alike.setdefault(where, []).append(index)
            if len(alike) == 1:
                groups.append(group)
            else:
                groups += [group.part({i: i for i in indices}) for indices in alike.values()]
        if len(groups) == len(self.groups):
            return self
        return replace(self, groups=tuple(groups))

    def in_groups_of(self, most: Callable[[Group], int]) -> Batch:
        """The same pairs in groups of at most so many, each from where its own first differ."""
        groups: list[Group] = []
        for group in self.groups:
            n = most(group)
            cuts = [group.indices[at : at + n] for at in range(0, len(group.indices), n)]
            groups += [group.part({i: i for i in cut}) for cut in cuts]
        return replace(self, groups=tuple(groups))

    def roles_of(self, group: Group) -> tuple[str, ...]:
        """The role of each position of a group's first pair; of all where `grouped_at` made it."""
        return self.roles.at(group.indices[0])

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
        clean, corrupted = array_of(torch.stack((group.clean[row], group.corrupted[row]))).tolist()
        return self.encoding.pieces(clean), self.encoding.pieces(corrupted)


def make_batch(
    task: Task,
    tokenizer: Any,
    *,
    prepend_bos: bool | None = None,
    device: torch.device | str = "cpu",
    mismatch: str = "refuse",
    drop_bad: bool = False,
    needs: Needs = ALL,
) -> Batch:
    """Tokenise a task.

    Args:
        task: the pairs.
        tokenizer: a Hugging Face tokenizer.
        prepend_bos: whether a BOS token goes before each prompt; None for the tokenizer's default.
        device: where the token ids go.
        mismatch: what to do with a pair whose prompts differ in token length, "refuse" or "drop".
        drop_bad: leave out every pair that cannot be used, whatever the reason.
        needs: what of a pair is made use of; the rest may be missing or amiss.

    Raises:
        WorkbenchError: no pair is left, or there is one that cannot be used and is not to be left
            out; names the first, and counts the others by their reasons.
    """
    if mismatch not in ("refuse", "drop"):
        raise WorkbenchError(f"Pairs of unequal length are refused or dropped, not {mismatch!r}.")
    if not task.pairs:
        raise WorkbenchError(f"The task {task.name} has no pairs.")
    encoding = Encoding(tokenizer, prepend_bos)
    if task.source == BUILT_IN:
        task = without_unfit_roles(task, encoding)
    checked = check_pairs(task.pairs, encoding, needs)
    kept = [row for row in checked if row.fatal is None]
    bad = [(row.number, row.fatal) for row in checked if row.fatal is not None]
    refused = [
        (number, finding)
        for number, finding in bad
        if not (drop_bad or (finding.kind == "unequal" and mismatch == "drop"))
    ]
    if refused or not kept:
        number, finding = (refused or bad)[0]
        others = Counter(other.kind for which, other in bad if which != number)
        raise WorkbenchError(refusal(f"Pair {number}", finding, others, none_left=not kept))
    left_out = Counter(task.left_out) + Counter(finding.kind for _, finding in bad)
    return Batch(
        # What was left out is counted here from now on.
        task=replace(task, pairs=tuple(row.pair for row in kept), left_out=()),
        groups=tuple(_groups(kept, encoding, torch.device(device), needs)),
        n_pairs=len(kept),
        dropped=left_out.total(),
        left_out=dict(left_out),
        warnings=(
            *task.warnings,
            *warned({row.number: row.findings for row in kept}, len(kept)),
        ),
        prepend_bos=bool(encoding.prefix),
        answer_tokens=_answer_tokens(task.answer_space, kept[0].pair.clean, encoding),
        roles=roles_of(
            [row.pair for row in kept],
            [row.clean for row in kept],
            [row.corrupted for row in kept],
            encoding,
        ),
        encoding=encoding,
    )


def _groups(
    rows: list[CheckedPair], encoding: Encoding, device: torch.device, needs: Needs
) -> Iterator[Group]:
    for length in sorted({len(row.clean) for row in rows}):
        placed = [(index, row) for index, row in enumerate(rows) if len(row.clean) == length]
        clean = torch.tensor([row.clean for _, row in placed], dtype=torch.long)
        corrupted = torch.tensor([row.corrupted for _, row in placed], dtype=torch.long)
        answers = [_answers(row.pair, encoding) for _, row in placed]
        differ = (clean != corrupted).any(dim=0).nonzero()
        yield Group(
            indices=tuple(index for index, _ in placed),
            clean=uploaded(clean, device),
            corrupted=uploaded(corrupted, device),
            answers=tuple(right for right, _ in answers),
            wrong_answers=tuple(wrong for _, wrong in answers),
            first_difference=int(differ[0].item()) if needs.corrupted else 0,
        )


def _answers(pair: Pair, encoding: Encoding) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The token ids of a pair's answers and of its wrong answers; none if they are not tokens."""
    found = encoding.answers(pair.clean, (*pair.answers, *pair.wrong_answers))
    ids = tuple(token for token in found if token is not None)
    if len(set(ids)) < len(found):  # a metric that makes use of them would have refused the pair
        return (), ()
    size = len(pair.answers)
    return ids[:size], ids[size:]


def _answer_tokens(
    labels: Sequence[str], prompt: str, encoding: Encoding
) -> tuple[tuple[str, int], ...]:
    """The labels that are one token; a readout over the answer space leaves out the others."""
    found = zip(labels, encoding.answers(prompt, labels) if labels else [], strict=True)
    return tuple((label, token) for label, token in found if token is not None)
