"""One thing that the palette finds, and which of them fit what was typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One thing to do or to go to.

    Attributes:
        kind: what it is, in a word: it stands before the title.
        title: its name, as it is found and shown: one line of visible characters.
        about: a sentence on it, as visible; found as well, but after what bears the words in its
            title.
        run: does it, or goes there.
    """

    kind: str
    title: str
    about: str
    run: Callable[[], object]


def fitting(typed: str, entries: Sequence[Entry]) -> list[Entry]:
    """Entries that hold all the words that were typed, the best first; all, for none.

    A word may stand in the kind, the title or the sentence. Best is what has the words in its
    title, at the beginning of a word of it, near its beginning; then the order of the entries.
    """
    words = typed.casefold().split()
    if not words:
        return list(entries)
    ranked = []
    for entry in entries:
        title, rest = entry.title.casefold(), f"{entry.kind} {entry.about}".casefold()
        if all(word in title or word in rest for word in words):
            ranked.append((sum(_cost(word, title) for word in words), entry))
    ranked.sort(key=lambda item: item[0])
    return [entry for _, entry in ranked]


def _cost(word: str, title: str) -> int:
    """How far a word is from being the title."""
    if title == word:
        return 0
    at = title.find(word)
    if at < 0:
        return 3000
    begins = at == 0 or re.search(rf"\b{re.escape(word)}", title) is not None
    return (1 if begins else 1000) + min(at, 900)
