"""Ordered sets: numbers, days, months, letters, of which the next is known. No torch.

After Gould et al. (2023, 2312.09230). Each set counts with those of its members that are single
tokens, with a space before them or, where that is no token, without.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tasks.successor import DAYS, LETTERS, MONTHS
from tasks.task import Task
from workbench.prompts.encoding import Encoding

NUMBERS = tuple(str(n) for n in range(101))
NUMBER_WORDS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip
PLACES = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
ROMAN = ("II", "III", "IV", "VI", "VII", "VIII", "IX", "XI", "XII")
"""Without the numerals that are letters."""

SETS: dict[str, tuple[tuple[str, ...], bool]] = {
    "numbers": (NUMBERS, False),
    "number words": (NUMBER_WORDS, False),
    "ordinals": (PLACES, False),
    "days": (DAYS.words, DAYS.turns),
    "months": (MONTHS.words, MONTHS.turns),
    "letters": (LETTERS.words, LETTERS.turns),
    "Roman numerals": (ROMAN, False),
}
"""By name: the members in their order, and whether the first follows the last."""

LEAST = 5
"""Steps from one to the next; of fewer there is no score."""


@dataclass(frozen=True)
class Ordinals:
    """The tokens of all sets.

    Attributes:
        tokens: of every set, each once.
        steps: a token and the one that follows it in its set.
        said: which sets there are, in a sentence.
    """

    tokens: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]
    said: str


def ordinals_of(encoding: Encoding, task: Task | None = None) -> Ordinals | None:
    """The ordered sets as tokens; None where the tokenizer has next to nothing of them.

    Args:
        task: where its answers are numbers in their order, such as years, they are a set too.
    """
    sets = dict(SETS)
    answers = () if task is None else task.answer_space
    plain = [text.strip() for text in answers]
    if len(plain) > 1 and all(text.isdecimal() for text in plain):
        ordered = all(int(b) == int(a) + 1 for a, b in pairwise(plain))
        if ordered:
            sets["the task's answers"] = (answers, False)
    tokens: dict[int, None] = {}
    steps: dict[tuple[int, int], None] = {}
    counted = []
    for name, (members, turns) in sets.items():
        ids = [_token(encoding, member) for member in members]
        around = [*pairwise(ids), *([(ids[-1], ids[0])] if turns else [])]
        known = [(a, b) for a, b in around if a is not None and b is not None]
        if known:
            counted.append(name)
        steps |= dict.fromkeys(known)
        tokens |= dict.fromkeys(token for step in known for token in step)
    if len(steps) < LEAST:
        return None
    said = f"Of {', '.join(counted)}: {len(steps)} steps between {len(tokens)} single tokens."
    return Ordinals(tuple(tokens), tuple(steps), said)


def _token(encoding: Encoding, member: str) -> int | None:
    forms = [member] if member.startswith(" ") else [f" {member}", member]
    return next((t for t in encoding.answers("\n", forms) if t is not None), None)
