"""The examination of a pair that is being typed: tokens, findings, and what mends them.

Pure functions of texts and a tokenizer, without torch, fast enough for every key that is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from tasks.pair import Pair
from tasks.tokens import continuation
from workbench.base.text import counted, printable
from workbench.prompts.checks import (
    ALL,
    Finding,
    Needs,
    check_texts,
    check_tokens,
    unknown_token,
)
from workbench.prompts.encoding import Encoding

MOST_WORDS = 3
"""Words that are offered in the place of one of another length."""


@dataclass(frozen=True)
class Column:
    """A token of each prompt, one above the other; None where one of them has none there."""

    clean: str | None
    corrupted: str | None

    @property
    def same(self) -> bool:
        """Both prompts have this token here."""
        return self.clean == self.corrupted


@dataclass(frozen=True)
class Mend:
    """What would mend a finding.

    Attributes:
        said: what would be done, in a few words.
        pair: as it would be then.
    """

    said: str
    pair: Pair


@dataclass(frozen=True)
class PairExam:
    """What there is to say of a pair that is being typed.

    Attributes:
        pair: as it is typed.
        columns: both prompts, token by token; where their lengths differ, aligned by what they
            share.
        lengths: tokens of the clean and of the corrupted prompt.
        findings: what is wrong or odd, the gravest first.
        length: where the lengths differ, which tokens make the difference; else "".
        mends: what would mend the findings, the first of which is done when it is asked for.
    """

    pair: Pair
    columns: tuple[Column, ...]
    lengths: tuple[int, int]
    findings: tuple[Finding, ...]
    length: str
    mends: tuple[Mend, ...]

    @property
    def usable(self) -> bool:
        """The pair can be run."""
        return not any(finding.fatal for finding in self.findings)


def examine(
    pair: Pair, encoding: Encoding, needs: Needs = ALL, words: Sequence[str] = ()
) -> PairExam:
    """Examine a pair.

    Args:
        words: with their spaces, that may stand in the place of one of another length.
    """
    broken = check_texts(pair)
    if broken:
        return PairExam(pair, (), (0, 0), tuple(broken), "", ())
    clean, corrupted = encoding.prompts([pair.clean, pair.corrupted])
    findings = check_tokens(pair, clean, corrupted, encoding, needs)
    pieces = encoding.pieces(clean), encoding.pieces(corrupted)
    unequal = any(finding.kind == "unequal" for finding in findings)
    blocks = _blocks(clean, corrupted) if unequal else []
    columns = (
        _aligned(*pieces, _matches(clean, corrupted))
        if len(clean) != len(corrupted)
        else [Column(*both) for both in zip(*pieces, strict=True)]
    )
    # Findings of one kind are mended together.
    kinds = dict.fromkeys(finding.kind for finding in findings)
    mends = [mend for kind in kinds for mend in _mends(kind, pair, encoding)]
    if unequal:
        mends += _other_words(pair, pieces, blocks, encoding, words)
    return PairExam(
        pair,
        tuple(columns),
        (len(clean), len(corrupted)),
        tuple(findings),
        _said_of_lengths(pieces, blocks),
        tuple(mends),
    )


Blocks = list[list[int]]
"""From and to in the clean prompt, and in the corrupted one."""

Match = tuple[bool, int, int, int, int]
"""Whether the prompts are the same there, and where."""


def _matches(clean: Sequence[int], corrupted: Sequence[int]) -> list[Match]:
    matcher = SequenceMatcher(None, clean, corrupted, autojunk=False)
    codes = matcher.get_opcodes()
    return [(tag == "equal", i, i_end, j, j_end) for tag, i, i_end, j, j_end in codes]


def _blocks(clean: Sequence[int], corrupted: Sequence[int]) -> Blocks:
    """Where the prompts differ: from and to, in each."""
    return [places for same, *places in _matches(clean, corrupted) if not same]


def _aligned(
    clean: Sequence[str],
    corrupted: Sequence[str],
    matches: Sequence[Match],
) -> Iterator[Column]:
    for _, i, i_end, j, j_end in matches:
        for at in range(max(i_end - i, j_end - j)):
            yield Column(
                clean[i + at] if i + at < i_end else None,
                corrupted[j + at] if j + at < j_end else None,
            )


def _said_of_lengths(pieces: tuple[list[str], list[str]], blocks: Blocks) -> str:
    """Which tokens make the difference."""
    said = []
    for i, i_end, j, j_end in blocks:
        if i_end - i == j_end - j:
            continue
        sides = (pieces[0][i:i_end], pieces[1][j:j_end])
        clean, corrupted = (
            f"{printable(''.join(side))!r} ({counted(len(side), 'token')})" if side else "nothing"
            for side in sides
        )
        said.append(f"{clean} in the clean prompt stands against {corrupted} in the corrupted one")
    return "; ".join(said)


def _mends(kind: str, pair: Pair, encoding: Encoding) -> Iterator[Mend]:
    """What would mend the findings of a kind, on answers or spaces."""
    if kind == "several tokens":
        for text in (*pair.answers, *pair.wrong_answers):
            if encoding.answers(pair.clean, [text]) != [None]:
                continue
            yield from _with_space(pair, text, encoding)
            yield from _parted(pair, text, encoding)
            ids = continuation(encoding.tokenizer, pair.clean, text)
            known = ids and ids[0] != unknown_token(encoding.tokenizer)
            first = encoding.pieces(ids[:1])[0] if ids and known else ""
            if first and encoding.answers(pair.clean, [first]) != [None]:
                said = f"take the first token {printable(first)!r} of {printable(text)!r}"
                yield Mend(said, _with_answer(pair, text, first))
    elif kind == "no space":
        for text in (*pair.answers, *pair.wrong_answers):
            mends = list(_with_space(pair, text, encoding))
            if mends:
                yield from mends
                return
    elif kind == "twice":
        seen: set[int | None] = set()
        right = dict.fromkeys(pair.answers)
        wrong = []
        for text in pair.wrong_answers:
            (token,) = encoding.answers(pair.clean, [text])
            if text not in right and token not in seen:
                wrong.append(text)
            seen.add(token)
        yield Mend(
            "take it out of the wrong answers",
            replace(pair, answers=tuple(right), wrong_answers=tuple(wrong)),
        )
    elif kind == "space at the end":
        bare = replace(pair, clean=pair.clean.rstrip(" "), corrupted=pair.corrupted.rstrip(" "))
        yield Mend("take the space off the prompts", bare)


def _with_space(pair: Pair, text: str, encoding: Encoding) -> Iterator[Mend]:
    """An answer with the space before it, if it is one token then."""
    if text and not text.startswith(" ") and encoding.joins(pair.clean, f" {text}"):
        said = f"put the space before {printable(text)!r}"
        yield Mend(said, _with_answer(pair, text, f" {text}"))


def _parted(pair: Pair, text: str, encoding: Encoding) -> Iterator[Mend]:
    """What is several answers, typed as one: "Mary, John"."""
    words = [word for word in re.split(r"\s*[,;/]\s*", text.strip()) if word]
    new = [next((w for w in (f" {w}", w) if encoding.joins(pair.clean, w)), "") for w in words]
    if len(new) > 1 and all(new):
        said = " and ".join(repr(printable(one)) for one in new)
        yield Mend(f"make it {len(new)} answers, {said}", _with_answer(pair, text, *new))


def _with_answer(pair: Pair, old: str, *new: str) -> Pair:
    """The pair with others in the place of an answer, each of which stands there once."""

    def changed(texts: tuple[str, ...]) -> tuple[str, ...]:
        each = [new if text == old else (text,) for text in texts]
        return tuple(dict.fromkeys(one for some in each for one in some))

    return replace(pair, answers=changed(pair.answers), wrong_answers=changed(pair.wrong_answers))


def _other_words(
    pair: Pair,
    pieces: tuple[list[str], list[str]],
    blocks: Blocks,
    encoding: Encoding,
    words: Sequence[str],
) -> Iterator[Mend]:
    """Words that make the corrupted prompt as long as the clean one, in place of those there."""
    if len(blocks) != 1 or not words:
        return
    _, _, j, j_end = blocks[0]
    typed = pair.corrupted.startswith(pieces[1][0])  # a BOS that is typed, if there is one
    before = "".join(pieces[1][0 if typed else len(encoding.prefix) : j])
    there = "".join(pieces[1][j:j_end])
    if not there or f"{before}{there}" != pair.corrupted[: len(before) + len(there)]:
        return  # the tokens' texts do not add up to the prompt
    after = pair.corrupted[len(before) + len(there) :]
    n_tokens, found = len(pieces[0]), 0
    for word in words:
        word = word if there.startswith(" ") else word.lstrip(" ")
        text = f"{before}{word}{after}"
        if word in pair.clean or len(encoding.prompts([text])[0]) != n_tokens:
            continue
        yield Mend(
            f"{printable(word)!r} in place of {printable(there)!r}", replace(pair, corrupted=text)
        )
        found += 1
        if found == MOST_WORDS:
            return
