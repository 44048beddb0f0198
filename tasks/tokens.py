"""What a task has to know of a tokenizer: which texts are one token, and after what."""

from typing import Any, Protocol

# What stands before an answer when the prompt itself would grow together with it.
NEUTRAL = "\n"


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed; `unk_token_id` too, if there."""

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        """The token ids of `text`: a list of integers."""


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of `text` as it is typed, without a BOS or anything else added."""
    return list(tokenizer.encode(text, add_special_tokens=False))


def continuation(tokenizer: Tokenizer, prompt: str, text: str) -> list[int] | None:
    """The ids that `text` adds after `prompt`; None if the two grow together at the seam."""
    before = encode(tokenizer, prompt)
    both = encode(tokenizer, prompt + text)
    return both[len(before) :] if both[: len(before)] == before else None


def single_token(tokenizer: Tokenizer, prompt: str, text: str) -> int | None:
    """The one token that is `text` after `prompt`, or None if it is several or unknown.

    Seen after the prompt first, because SentencePiece tokenizers put a space before a text that
    stands alone; where the prompt and the text grow together (" 17" and "76", if " 1776" is a
    token), after a line break, and alone.
    """
    ids = continuation(tokenizer, prompt, text)
    if ids is None:
        ids = continuation(tokenizer, NEUTRAL, text)
    if ids is None:
        ids = encode(tokenizer, text)
    unknown = getattr(tokenizer, "unk_token_id", None)
    if len(ids) != 1 or (ids[0] == unknown and text != getattr(tokenizer, "unk_token", None)):
        return None
    return ids[0]
