"""A tokenizer out of `tokenizer.json` alone: neither torch nor transformers is imported.

`FileTokenizer` is what tasks and `Encoding` ask of a transformers tokenizer. `KeptTokenizer` is one
of a model whose transformers tokenizer was compared with its file before, token by token; whatever
else is asked of it is asked of transformers' own, which is made then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.base.json_values import items, maybe, string, whole
from workbench.errors import WorkbenchError

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "tokenizer_config.json"
"""Lies beside the tokenizer's file and names its special tokens."""

NAMED = ("bos", "eos", "unk", "pad")
"""Special tokens that a tokenizer has by name."""

UNLIMITED = int(1e30)
"""What transformers gives as the longest text of a tokenizer that does not say."""

PROBES = (
    "When Mary and John went to the store, John gave a drink to",
    " The war lasted from the year 1741 to the year 17",
    "  Two spaces,\n\na tab\tand an \u00fc, \u6f22\u5b57 \U0001f600 don't!",
    "<s>[INST]<|endoftext|><|im_start|>user",
    "",
)
"""Texts on which two tokenizers have to agree: words, digits, spaces, letters, special tokens."""

SAMPLED = 400
"""Tokens of the vocabulary that are compared besides, spread evenly."""


@dataclass(frozen=True)
class SpecialTokens:
    """What a transformers tokenizer knows that does not stand in `tokenizer.json`.

    Attributes:
        named: text and id of special tokens with a name, by the name (`bos`, `eos`, `unk`, `pad`);
            None where there is none.
        ids: the ids of all special tokens.
        longest: tokens of the longest text it was made for; None where it does not say.
    """

    named: dict[str, tuple[str | None, int | None]]
    ids: tuple[int, ...]
    longest: int | None

    @classmethod
    def of(cls, tokenizer: Any) -> SpecialTokens:
        """Those of a transformers tokenizer."""
        named = {
            name: (getattr(tokenizer, f"{name}_token"), getattr(tokenizer, f"{name}_token_id"))
            for name in NAMED
        }
        longest = tokenizer.model_max_length
        return cls(
            named, tuple(tokenizer.all_special_ids), None if longest >= UNLIMITED else int(longest)
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SpecialTokens:
        """What `dataclasses.asdict` made of them, read back.

        Raises:
            TypeError, ValueError, KeyError: it is something else.
        """
        named = {}
        for name in NAMED:
            text, token = items(value["named"][name])
            named[name] = (maybe(string)(text), maybe(whole)(token))
        ids = tuple(whole(token) for token in items(value["ids"]))
        return cls(named, ids, maybe(whole)(value["longest"]))


class FileTokenizer:
    """What tasks and `Encoding` ask of a transformers tokenizer, from `tokenizer.json` alone."""

    is_fast = True
    """It knows where its tokens stand in a text."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception
            raise WorkbenchError(f"{file} is no tokenizer file: {error}.") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        self.unk_token: str | None = unknown
        self.unk_token_id: int | None = (
            None if unknown is None else self._tokenizer.token_to_id(unknown)
        )
        bos = _named_token(file.with_name(SETTINGS_FILE), "bos_token")
        self.bos_token_id: int | None = None if bos is None else self._tokenizer.token_to_id(bos)

    def __len__(self) -> int:
        """How many tokens there are, those added to the vocabulary too."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Ids of one text."""
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        return_offsets_mapping: bool = False,
    ) -> dict[str, Any]:
        """Ids of one text or of several, and of one where they stand, as transformers has it."""
        if isinstance(texts, str):
            one = self._tokenizer.encode(texts, add_special_tokens=add_special_tokens)
            places = {"offset_mapping": list(one.offsets)} if return_offsets_mapping else {}
            return {"input_ids": list(one.ids), **places}
        made = self._tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [list(encoding.ids) for encoding in made]}

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        """The text of ids, special tokens included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def convert_ids_to_tokens(self, token: int) -> str | None:
        """The token of an id as the vocabulary has it; None if there is none."""
        text = self._tokenizer.id_to_token(token)
        return None if text is None else str(text)

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """The tokens added to the vocabulary, by id; each tells whether it is `special`."""
        return dict(self._tokenizer.get_added_tokens_decoder())

    def as_text(self) -> str:
        """All of it as the library writes it to a file."""
        return str(self._tokenizer.to_str())


class KeptTokenizer(FileTokenizer):
    """A model's tokenizer, known to be what transformers makes of the same files."""

    def __init__(self, file: Path, tokens: SpecialTokens, whole: Callable[[], Any]) -> None:
        """`whole`: makes transformers' own, for what is not here."""
        super().__init__(file)
        self._make_whole = whole
        self.all_special_ids = list(tokens.ids)
        self.model_max_length = UNLIMITED if tokens.longest is None else tokens.longest
        for name, (text, token) in tokens.named.items():
            setattr(self, f"{name}_token", text)
            setattr(self, f"{name}_token_id", token)

    @cached_property
    def whole(self) -> Any:
        """Transformers' own tokenizer of the same files; made when it is first asked for."""
        return self._make_whole()

    def __getattr__(self, name: str) -> Any:
        """Whatever is not here, of transformers' own tokenizer."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.whole, name)


def same_tokens(folder: Path, tokenizer: Any) -> SpecialTokens | None:
    """The special tokens of a transformers tokenizer whose file alone gives the same tokens.

    Compared are the whole definition (vocabulary, merges, and all that is done before and after),
    the ids of some texts, and the texts of tokens from all over the vocabulary.

    Returns:
        None if there is no such file, or anything differs.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    file = folder / TOKENIZER_FILE
    if backend is None or not file.is_file():
        return None
    try:
        tokens = SpecialTokens.of(tokenizer)
        ours = KeptTokenizer(file, tokens, lambda: tokenizer)
    except (WorkbenchError, AttributeError):
        return None
    written, theirs = json.loads(ours.as_text()), json.loads(backend.to_str())
    for how in ("padding", "truncation"):
        theirs[how] = None
    if written != theirs or len(ours) != len(tokenizer):
        return None
    size = len(ours)
    ids = sorted({*range(0, size, max(1, size // SAMPLED)), *tokens.ids})
    return tokens if _agree(ours, tokenizer, ids) else None


def _agree(ours: FileTokenizer, theirs: Any, ids: Iterable[int]) -> bool:
    for special in (False, True):
        for text in PROBES:
            a = ours(text, add_special_tokens=special)["input_ids"]
            if a != list(theirs(text, add_special_tokens=special)["input_ids"]):
                return False
            if a != list(theirs.encode(text, add_special_tokens=special)):
                return False
    return all(
        ours.convert_ids_to_tokens(token) == theirs.convert_ids_to_tokens(token)
        and ours.decode([token]) == theirs.decode([token], clean_up_tokenization_spaces=False)
        for token in ids
    )


def _named_token(file: Path, name: str) -> str | None:
    """A special token's text; None if the file does not name it."""
    try:
        value = json.loads(file.read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError, AttributeError):
        return None
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None
