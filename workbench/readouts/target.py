"""Target: the tokens that a readout is asked about in place of the answers. No torch.

Any token of the vocabulary can be asked about: which components promote it here, and which promote
it over another one. Where a token is asked about alone, it stands against the mean over the whole
vocabulary, so that what raises all logits alike counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.base.text import printable
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.prompts.batch import Batch
    from workbench.prompts.encoding import Encoding

NUMBER = "#"
"""Before a token's number, for one that cannot be typed."""

Side = tuple[tuple[int, str], ...] | None
"""Ids of tokens and their text; None: the task's own."""


@dataclass(frozen=True)
class Target:
    """What is asked about.

    Attributes:
        answers: the tokens that count as right; None: each pair's own answers.
        distractors: those that count as wrong; None: each pair's own wrong answers, or where other
            answers are asked about, the mean over the vocabulary.

    Glossary: docs/glossary.md#target.
    """

    answers: Side = None
    distractors: Side = None

    def ids(
        self, right: Sequence[tuple[int, ...]], wrong: Sequence[tuple[int, ...]]
    ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Token ids of each pair's two sides, from its own; () stands for the whole vocabulary."""
        if self.answers is not None:
            own = tuple(token for token, _ in self.answers)
            right, wrong = [own] * len(right), [()] * len(right)
        if self.distractors is not None:
            wrong = [tuple(token for token, _ in self.distractors)] * len(right)
        return list(right), list(wrong)

    @property
    def is_alone(self) -> bool:
        """Tokens are asked about that stand against the whole vocabulary."""
        return self.answers is not None and self.distractors is None

    @property
    def sides(self) -> tuple[str, str]:
        """Each side for people: `' Paris'`, `' Rome'`, or `vocabulary`."""
        right = "answers" if self.answers is None else _words(self.answers)
        wrong = "wrong answers" if self.answers is None else "vocabulary"
        return right, wrong if self.distractors is None else _words(self.distractors)

    @property
    def words(self) -> str:
        """Both sides: `' Paris' − ' Rome'`."""
        return " − ".join(self.sides)


def _words(side: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(repr(printable(text)) for _, text in side)


def find_target(
    batch: Batch,
    target: Sequence[str] = (),
    distractor: Sequence[str] = (),
    *,
    pair: int | None = None,
) -> Target | None:
    """The target of these texts, one token each; None if there are none.

    Args:
        batch: an experiment's: its tokenizer is used.
        target, distractor: as `find_token` takes them; several of a side count by their mean logit.
        pair: the pair whose prompt they stand after; None: the first one.

    Raises:
        WorkbenchError: a text is not one token, or stands on both sides.
    """
    encoding, prompt = batch.encoding, batch.task.pairs[pair or 0].clean
    sides: list[Side] = []
    for texts in (target, distractor):
        ids = list(dict.fromkeys(find_token(encoding, text, prompt) for text in texts))
        sides.append(tuple(zip(ids, encoding.pieces(ids), strict=True)) or None)
    found = Target(*sides)
    if found == Target():
        return None
    both = set(found.answers or ()) & set(found.distractors or ())
    if both:
        raise WorkbenchError(
            f"The token {_words(tuple(both))} is target and distractor at once: choose another."
        )
    return found


def find_token(encoding: Encoding, text: str, prompt: str = "") -> int:
    """The number of the one token that is this text.

    The text is taken as it stands, after the prompt; if it is no token so, with a space before it.
    `#123` is the token of this number.

    Raises:
        WorkbenchError: it is not one token.
    """
    size = len(encoding.tokenizer)
    digits = text.removeprefix(NUMBER)
    if text.startswith(NUMBER) and digits.isdecimal():
        if int(digits) < size:
            return int(digits)
        numbers = f"{NUMBER}0 to {NUMBER}{size - 1}"
        raise WorkbenchError(f"There is no token {text}: they are numbered {numbers}.")
    for form in (text, f" {text}"):
        found = encoding.answers(prompt, [form])[0] if text else None
        if found is not None:
            return found
    pieces = encoding.alone(text)
    what = f"is {len(pieces)} tokens" if len(pieces) != 1 else "is not known to the tokenizer"
    shown = "|".join(printable(piece) for piece in pieces)
    raise WorkbenchError(
        f"The text {printable(text)!r} {what} [{shown}], and has to be exactly one; "
        f"{NUMBER}123 is the token of that number."
    )
