"""Checks of a pair against a tokenizer: what cannot be run, what is likely not meant.

Pure functions of texts and a tokenizer, without torch and fast enough for every key that is typed.
`check_pair` is for one pair; whoever has tokenised many at once calls `check_tokens`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.pair import Pair
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.encoding import Encoding, shown
from workbench.prompts.roles import RoleError, positions_of

# A word that every tokenizer has as one token after a space, where it has such tokens at all.
COMMON_WORD = " the"
# After these a word of its own begins with a space.
ENDS_A_WORD = ",.;:!?"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        words: after "pairs", in a count of them.
        fatal: such a pair cannot be used; otherwise it is only warned of.
    """

    words: str
    fatal: bool = True


KINDS: dict[str, Kind] = {
    "record": Kind("with a field that is missing or of the wrong kind"),
    "text": Kind("with a text that is not valid Unicode"),
    "empty": Kind("with an empty prompt"),
    "unequal": Kind("whose prompts differ in token length"),
    "same": Kind("whose two prompts are the same"),
    "long": Kind("whose prompts are too long for the model"),
    "no answer": Kind("without an answer"),
    "several tokens": Kind("with an answer that is not one token"),
    "twice": Kind("with an answer that is there twice"),
    "foreign id": Kind("with a token id that is not of this tokenizer"),
    "label": Kind("with a label that does not fit the prompt"),
    "role": Kind("with a role that does not fit the prompt"),
    "unknown word": Kind("with a word that the tokenizer does not know", fatal=False),
    "space at the end": Kind("whose prompt ends in a space", fatal=False),
    "no space": Kind("with an answer that lacks the space before it", fatal=False),
}


@dataclass(frozen=True)
class Needs:
    """What the model, the metric and the ablation ask of a pair; nothing else is demanded.

    Attributes:
        corrupted, answers, wrong_answers: whether such are made use of.
        positions: how many tokens a prompt may have at most; None for any number.
    """

    corrupted: bool = True
    answers: bool = True
    wrong_answers: bool = True
    positions: int | None = None


ALL = Needs()


@dataclass(frozen=True)
class Finding:
    """What is wrong with a pair, or odd.

    Attributes:
        kind: a name of `KINDS`.
        said: what, as a clause without its full stop.
    """

    kind: str
    said: str

    @property
    def fatal(self) -> bool:
        """Whether the pair cannot be used."""
        return KINDS[self.kind].fatal

    @property
    def sentence(self) -> str:
        """What, as a sentence of its own."""
        return f"{self.said[:1].upper()}{self.said[1:]}."


def check_pair(pair: Pair, encoding: Encoding, needs: Needs = ALL) -> list[Finding]:
    """All that is wrong with a pair, or odd, the gravest first.

    Args:
        pair: as it is typed.
        encoding: the tokenizer, with or without a BOS.
        needs: what is made use of, and the model's positions.
    """
    broken = check_texts(pair)
    if broken:
        return broken
    clean, corrupted = encoding.prompts([pair.clean, pair.corrupted])
    return check_tokens(pair, clean, corrupted, encoding, needs)


def check_texts(pair: Pair) -> list[Finding]:
    """What no tokenizer could read."""
    texts: tuple[object, ...] = (pair.clean, pair.corrupted, *pair.answers, *pair.wrong_answers)
    for text in texts:
        if not isinstance(text, str):  # a script may have put anything there
            return [Finding("record", f"it holds {printable(repr(text))} where a text is needed")]
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which no tokenizer can read
            said = f"it holds a text that is not valid Unicode: {printable(text)}"
            return [Finding("text", said)]
    return []


def check_tokens(
    pair: Pair,
    clean: Sequence[int],
    corrupted: Sequence[int],
    encoding: Encoding,
    needs: Needs = ALL,
) -> list[Finding]:
    """The same of a pair that is known to be texts and whose prompts are tokens already.

    Args:
        clean, corrupted: the ids of the prompts, with the BOS if there is one.
    """
    found = list(_of_prompts(clean, corrupted, encoding, needs))
    found += _of_answers(pair, encoding, needs)
    found += _of_roles(pair, clean, encoding)
    if any(finding.fatal for finding in found):
        return [finding for finding in found if finding.fatal]
    both = (*clean, *corrupted) if needs.corrupted else clean
    unknown = unknown_token(encoding.tokenizer)
    if unknown is not None and unknown in both:
        name = encoding.tokenizer.unk_token
        found.append(Finding("unknown word", f"a word of it is read as {name}"))
    return found + _of_spaces(pair, encoding)


def _of_prompts(
    clean: Sequence[int],
    corrupted: Sequence[int],
    encoding: Encoding,
    needs: Needs,
) -> Iterable[Finding]:
    if not clean or (needs.corrupted and not corrupted):
        yield Finding("empty", "a prompt is empty")
        return
    if needs.corrupted and len(clean) != len(corrupted):
        yield Finding(
            "unequal",
            f"the prompts differ in token length, {len(clean)} and {len(corrupted)}, clean "
            f"[{shown(encoding.pieces(clean))}], corrupted [{shown(encoding.pieces(corrupted))}]",
        )
    elif needs.corrupted and list(clean) == list(corrupted):
        yield Finding(
            "same",
            "the prompts are the same tokens, so that there is nothing to patch: "
            f"[{shown(encoding.pieces(clean))}]",
        )
    longest = max(len(clean), len(corrupted) if needs.corrupted else 0)
    for limit, whose in ((needs.positions, "positions of the model"), (encoding.max_length, "")):
        if limit is not None and longest > limit:
            whose = whose or "that the model's tokenizer allows"
            said = f"a prompt has {longest:,} tokens, more than the {limit:,} {whose}"
            yield Finding("long", said)
            return


def _of_answers(pair: Pair, encoding: Encoding, needs: Needs) -> list[Finding]:
    found = []
    if needs.answers and not pair.answers:
        found.append(Finding("no answer", "it has no answers"))
    if needs.wrong_answers and not pair.wrong_answers:
        found.append(Finding("no answer", "it has no wrong answers"))
    if not needs.answers:  # then they are used where all are single tokens, and else not at all
        return []
    seen: set[int] = set()
    texts = (*pair.answers, *pair.wrong_answers)
    for text, token in zip(texts, encoding.answers(pair.clean, texts), strict=True):
        if token is None:
            pieces = encoding.alone(text)
            what = f"is {len(pieces)} tokens" if len(pieces) != 1 else "is unknown to the tokenizer"
            found.append(
                Finding(
                    "several tokens",
                    f"the answer {printable(text)!r} {what} [{shown(pieces)}], and has to be "
                    "exactly one",
                )
            )
        elif token in seen:
            found.append(Finding("twice", f"the answer {printable(text)!r} is there twice"))
        else:
            seen.add(token)
    return found


def _of_roles(pair: Pair, clean: Sequence[int], encoding: Encoding) -> Iterable[Finding]:
    """Spans that lie outside the prompt, cut through a token or overlap."""
    if pair.roles and clean:
        try:
            positions_of(pair, clean, encoding)
        except (RoleError, WorkbenchError) as error:
            yield Finding("role", str(error).removesuffix("."))


def _of_spaces(pair: Pair, encoding: Encoding) -> list[Finding]:
    """A space that stands at the end of the prompt, or at the beginning of no answer."""
    prompt = pair.clean
    texts = (*pair.answers, *pair.wrong_answers)
    if prompt.endswith(" "):
        if any(text.startswith(" ") for text in texts):
            said = "the prompt ends in a space, and an answer begins with one"
            return [Finding("space at the end", said)]
        bare = prompt.rstrip(" ")
        words = [f" {text.lstrip(' ')}" for text in texts[:1]] or [COMMON_WORD]
        if bare and encoding.joins(bare, words[0]):
            said = "the prompt ends in a space, which this tokenizer puts into the token after it"
            return [Finding("space at the end", said)]
        return []
    if not prompt or not (_spaced(prompt[-1]) or prompt[-1] in ENDS_A_WORD):
        return []
    for text in texts:
        if _spaced(text[:1]) and encoding.joins(prompt, f" {text}"):
            return [
                Finding(
                    "no space",
                    f"the answer {printable(text)!r} begins without a space, and "
                    f"{printable(' ' + text)!r} is a token of its own",
                )
            ]
    return []


def _spaced(character: str) -> bool:
    """Whether it is a letter of a script that parts words by spaces."""
    return character.isalpha() and unicodedata.east_asian_width(character) not in "WF"


def unknown_token(tokenizer: Any) -> int | None:
    """The id that stands for words a tokenizer does not know; None if it knows every text."""
    unknown: int | None = tokenizer.unk_token_id
    # GPT-2 names its end of text as unknown token too, and knows every text.
    if unknown in (tokenizer.bos_token_id, getattr(tokenizer, "eos_token_id", None)):
        return None
    return unknown


def counted_reasons(kinds: Mapping[str, int]) -> str:
    """Findings counted by kind, for a sentence: "2 with an empty prompt, 1 without an answer"."""
    ordered = [(name, kinds[name]) for name in KINDS if kinds.get(name)]
    return ", ".join(f"{number:,} {KINDS[name].words}" for name, number in ordered)


@dataclass(frozen=True)
class CheckedPair:
    """A pair as token ids, and what is wrong with it.

    Attributes:
        number: of the pair in its task, from 1.
        clean, corrupted: ids; both empty where a text cannot be read. Where the corrupted prompt is
            not needed and has another length, it is the clean one.
    """

    number: int
    pair: Pair
    clean: list[int]
    corrupted: list[int]
    findings: tuple[Finding, ...]

    @property
    def fatal(self) -> Finding | None:
        """The gravest reason why the pair cannot be used; None if it can."""
        return next((finding for finding in self.findings if finding.fatal), None)


def check_pairs(pairs: Sequence[Pair], encoding: Encoding, needs: Needs = ALL) -> list[CheckedPair]:
    """The same of many pairs, tokenised together; see `check_pair`."""
    broken = [tuple(check_texts(pair)) for pair in pairs]
    whole = [pair for pair, findings in zip(pairs, broken, strict=True) if not findings]
    both = [*(pair.clean for pair in whole), *(pair.corrupted for pair in whole)]
    ids = encoding.prompts(both) if both else []
    in_turn = zip(ids[: len(whole)], ids[len(whole) :], strict=True)
    checked = []
    for number, (pair, findings) in enumerate(zip(pairs, broken, strict=True), start=1):
        if findings:
            checked.append(CheckedPair(number, pair, [], [], findings))
            continue
        clean, corrupted = next(in_turn)
        found = check_tokens(pair, clean, corrupted, encoding, needs)
        if not needs.corrupted and len(clean) != len(corrupted):
            corrupted = list(clean)
        checked.append(CheckedPair(number, pair, clean, corrupted, tuple(found)))
    return checked


def refuse_unfit(pairs: Sequence[Pair], encoding: Encoding, needs: Needs) -> None:
    """Refuse pairs that cannot be run.

    Raises:
        WorkbenchError: what is wrong with the first such pair.
    """
    for number, pair in enumerate(pairs, start=1):
        for finding in check_pair(pair, encoding, needs):
            if finding.fatal:
                which = f"Pair {number} of these: {finding.said}." if len(pairs) > 1 else None
                raise WorkbenchError(which or finding.sentence)


def refusal(
    where: str,
    finding: Finding,
    others: Mapping[str, int],
    *,
    none_left: bool,
    helps: bool = True,
) -> str:
    """The sentence with which a task is refused.

    Args:
        where: the pair that is shown, or its line.
        finding: why it cannot be used.
        others: how many other pairs cannot be used, by their reasons.
        none_left: no pair could be used.
        helps: leaving such pairs out would do; otherwise nothing is advised.
    """
    number = sum(others.values())
    more = ""
    if number:
        are = "pairs cannot be used either" if number > 1 else "pair cannot be used either"
        more = f"; {number:,} other {are} ({counted_reasons(others)})"
    what = "such pairs" if number else "it"
    advice = (
        f"mend {what}, since no pair is left"
        if none_left
        else f"mend {what}, or have such pairs left out (--drop-bad)"
    )
    return f"{where}: {finding.said}{more}{f': {advice}' if helps else ''}."


def warned(findings: Mapping[int, Sequence[Finding]], n_pairs: int) -> tuple[str, ...]:
    """One sentence for each kind of oddity.

    Args:
        findings: of pairs that are used, by the pair's number, which counts from 1.
        n_pairs: that are used.
    """
    sentences = []
    for name, kind in KINDS.items():
        if kind.fatal:
            continue
        hits = {
            number: finding
            for number, of_pair in findings.items()
            for finding in of_pair
            if finding.kind == name
        }
        if hits:
            number = min(hits)
            sentences.append(
                f"Pairs {kind.words}: {len(hits):,} of {n_pairs:,}; in pair {number} "
                f"{hits[number].said}."
            )
    return tuple(sentences)
