"""Completion over a tokenizer's vocabulary, for answers as they are typed. No torch."""

from __future__ import annotations

from bisect import bisect_left

from workbench.prompts.encoding import Encoding

MOST = 2000
"""Tokens that are looked at for one completion."""


class Vocabulary:
    """All tokens by their texts. Making it takes a second for a large vocabulary."""

    def __init__(self, encoding: Encoding) -> None:
        size = len(encoding.tokenizer)
        ids: dict[str, int] = {}
        for token, text in enumerate(encoding.pieces(range(size))):
            if text and "\ufffd" not in text:  # half a character, which cannot be typed
                ids.setdefault(text, token)
        self._ids = ids
        self._texts = sorted(ids)

    def __len__(self) -> int:
        return len(self._texts)

    def complete(self, begun: str, k: int = 8) -> list[str]:
        """Tokens that begin so, those with the lowest ids first: they are the most frequent."""
        start = bisect_left(self._texts, begun)
        fitting = []
        for text in self._texts[start : start + MOST]:
            if not text.startswith(begun):
                break
            fitting.append(text)
        return sorted(fitting, key=self._ids.__getitem__)[:k]
