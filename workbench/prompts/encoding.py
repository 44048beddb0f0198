"""Encoding: a model's tokenizer with the decision on BOS, for prompts and answers.

Special tokens that are typed in a text (`<|im_start|>`) are read as such.  The tokenizer's own
default decides whether a BOS token is put before a prompt; a prompt that begins with one gets no
second.  A token is shown as the text it stands for, its leading space included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from tasks.tokens import continuation, single_token
from workbench.base.text import printable
from workbench.errors import WorkbenchError

# Any text will do that a template puts its special tokens around.
PROBE = "a"
# What SentencePiece writes for a space.
SPACE_MARK = "▁"
# Tokens of a prompt that an error message shows at most.
SHOWN_TOKENS = 60


def default_prefix(tokenizer: Any) -> tuple[int, ...]:
    """The ids that `tokenizer(text)` puts before a text by itself: a BOS token, or nothing."""
    plain = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    whole = tokenizer(PROBE)["input_ids"]
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return tuple(whole[:start])
    return ()


class Encoding:
    """How the texts of one batch become tokens.

    Attributes:
        tokenizer: a Hugging Face tokenizer.
        prefix: the ids put before a prompt that does not begin with them; empty for none.
    """

    def __init__(self, tokenizer: Any, prepend_bos: bool | None = None) -> None:
        """`prepend_bos`: None for the tokenizer's default.

        Raises:
            WorkbenchError: a BOS is asked for and the tokenizer has none.
        """
        self.tokenizer = tokenizer
        self.prefix = () if prepend_bos is False else default_prefix(tokenizer)
        if prepend_bos and not self.prefix:
            if tokenizer.bos_token_id is None:
                raise WorkbenchError(
                    "This tokenizer has no BOS token to prepend: leave that to the tokenizer."
                )
            self.prefix = (tokenizer.bos_token_id,)
        self._pieces: dict[int, str] = {}
        self._answers: dict[tuple[str, str], int | None] = {}
        self._offsets: dict[str, list[tuple[int, int]]] = {}

    @cached_property
    def max_length(self) -> int | None:
        """The longest prompt by the tokenizer's settings; None if they set no limit."""
        limit = getattr(self.tokenizer, "model_max_length", None)
        return limit if isinstance(limit, int) and limit < 10**9 else None  # 1e30 is "no limit"

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each prompt, with the prefix unless the prompt begins with it."""
        made = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [self._prefixed(list(ids)) for ids in made]

    def _prefixed(self, ids: list[int]) -> list[int]:
        size = len(self.prefix)
        return ids if tuple(ids[:size]) == self.prefix else [*self.prefix, *ids]

    def answers(self, prompt: str, texts: Sequence[str]) -> list[int | None]:
        """The one token that each text is after `prompt`; None where it is several or unknown."""
        # Tokenizers cut at spaces, so that the prompt's last words decide; a task repeats them.
        tail = last_words(prompt)
        unseen = [text for text in texts if (tail, text) not in self._answers]
        for text, token in zip(unseen, self._after(prompt, unseen), strict=True):
            self._answers[tail, text] = token
        return [self._answers[tail, text] for text in texts]

    def _after(self, prompt: str, texts: list[str]) -> Iterator[int | None]:
        before = self._plain([prompt])[0]
        size, unknown = len(before), self.tokenizer.unk_token_id
        # Together, since one call is much faster than one for each answer.
        together = self._plain([prompt + text for text in texts]) if texts else []
        for text, ids in zip(texts, together, strict=True):
            if len(ids) == size + 1 and ids[:size] == before and ids[-1] != unknown:
                yield ids[-1]
            else:
                yield single_token(self.tokenizer, prompt, text)

    def text_of(self, token: int) -> str | None:
        """The text of a token; None if the tokenizer has none of this id."""
        try:
            raw = self.tokenizer.convert_ids_to_tokens(token) if token >= 0 else None
        except (OverflowError, IndexError, KeyError, TypeError):
            raw = None
        return None if raw is None else self._piece(token)

    def joins(self, prompt: str, text: str) -> bool:
        """Whether `text` right after `prompt` is one token, and known."""
        ids = continuation(self.tokenizer, last_words(prompt), text)
        return ids is not None and len(ids) == 1 and ids[0] != self.tokenizer.unk_token_id

    def _plain(self, texts: list[str]) -> list[list[int]]:
        made: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return made

    def alone(self, text: str) -> list[str]:
        """The tokens of a text by itself, for a message."""
        return self.pieces(self._plain([text])[0])

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The text of each token, special tokens by their name."""
        return [self._piece(token) for token in ids]

    def offsets(self, prompt: str, ids: Sequence[int]) -> list[tuple[int, int] | None]:
        """Where each token stands in its prompt, from a character up to but without another.

        Args:
            ids: of the prompt, as `prompts` gave them.

        Returns:
            [position]; None for a BOS that was put before the prompt.

        Raises:
            WorkbenchError: the tokenizer is of a kind that does not tell.
        """
        found = self._offsets.get(prompt)
        if found is None and getattr(self.tokenizer, "is_fast", False):
            made = self.tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
            found = [(int(start), int(stop)) for start, stop in made["offset_mapping"]]
        elif found is None:
            found = self._walked(prompt, ids[self.put_before(ids) :])
        self._offsets[prompt] = found
        return [*[None] * (len(ids) - len(found)), *found]

    def put_before(self, ids: Sequence[int]) -> int:
        """How many of a prompt's ids are the prefix."""
        size = len(self.prefix)
        return size if tuple(ids[:size]) == self.prefix else 0

    def _walked(self, prompt: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """The same without the tokenizer's help: token by token along the text."""
        places, at = [], 0
        for piece in self.pieces(ids):
            # A first token may be shown with a space that the prompt does not have.
            own = piece if prompt.startswith(piece, at) else piece.lstrip(" ")
            if not prompt.startswith(own, at):
                raise WorkbenchError(
                    "This tokenizer does not tell where its tokens stand in a text: give the roles "
                    "as `role_tokens`."
                )
            places.append((at, at + len(own)))
            at += len(own)
        return places

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            raw = self.tokenizer.convert_ids_to_tokens(token)
            text: str = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
            if isinstance(raw, str) and raw.startswith(SPACE_MARK) and not text.startswith(" "):
                text = f" {text}"  # SentencePiece drops the space of a first token
            self._pieces[token] = text
        return self._pieces[token]


def last_words(prompt: str) -> str:
    """The last two words of a prompt, with the spaces between and after them."""
    head = prompt.rsplit(maxsplit=2)[0] if len(prompt.split(maxsplit=2)) == 3 else ""
    return prompt[len(head) :]


def shown(pieces: Sequence[str]) -> str:
    """Tokens for a message: parted by bars, characters that a terminal would obey written out."""
    text = "|".join(printable(piece) for piece in pieces[:SHOWN_TOKENS])
    return text if len(pieces) <= SHOWN_TOKENS else f"{text}|… ({len(pieces)} tokens)"
