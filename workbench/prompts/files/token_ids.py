"""Token ids as answers: decoded, and checked to be of the tokenizer that is loaded.

An id says nothing of its tokenizer. It is of another one if it lies outside the vocabulary, if it
is no word where one has to follow, or if it is not the word that stands beside it in the table.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.base.text import printable
from workbench.prompts.checks import ENDS_A_WORD, Finding
from workbench.prompts.encoding import Encoding

KIND = "foreign id"
REPLACEMENT = "\ufffd"
"""What a token decodes to that is a part of a character."""


def decoded(
    ids: Sequence[int],
    name: str,
    clean: str,
    encoding: Encoding | None,
    beside: Sequence[str] = (),
) -> tuple[str, ...] | Finding:
    """The texts of token ids, or why they are not of this tokenizer.

    Args:
        ids: at least one.
        name: of their field, for messages.
        clean: the prompt that they follow.
        encoding: None where the tokenizer is not known: then the ids are shown as they are.
        beside: the texts that stand in the table for them, in their order; may be fewer.
    """
    if encoding is None:
        return tuple(f"⟨token {token}⟩" for token in ids)
    texts = []
    for token, word in zip(ids, [*beside, *[""] * len(ids)], strict=False):
        text = encoding.text_of(token)
        if text is None:
            said = f"`{name}` is {token}, which is outside the vocabulary of this tokenizer"
            return Finding(KIND, said)
        shown = f"`{name}` is {token}, which is {printable(text)!r} to this tokenizer"
        if word and not _is_of(text, word):
            return Finding(KIND, f"{shown}, and the file says {printable(word)!r}")
        if not word and not _follows(clean, text):
            return Finding(KIND, f"{shown}, and no word after {printable(clean[-12:])!r}")
        texts.append(text)
    for token, text, again in zip(ids, texts, encoding.answers(clean, texts), strict=True):
        if again != token:
            said = f"`{name}` is {token}, which is {printable(text)!r} and is never written so here"
            return Finding(KIND, said)
    return tuple(texts)


def _is_of(text: str, word: str) -> bool:
    """Whether a token is a word's, or its first one's."""
    bare, whole = text.strip(), word.strip()
    if whole.isdecimal() and not bare.isdecimal():
        return True  # the number of a class, not what the token should say
    return bool(bare) and whole.startswith(bare)


def _follows(clean: str, text: str) -> bool:
    """Whether a token can be a word of its own after a prompt."""
    if not text or REPLACEMENT in text:
        return False
    last = clean[-1]
    if text[0].isspace() or text.strip().isdecimal():
        return True
    return not (last.isalpha() or last.isdigit() or last in ENDS_A_WORD)
