"""Roles of a prompt that is edited: they move with the words that they cover.

Pure Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher

from tasks.pair import RoleSpan

PIECE = re.compile(r"\w+|\W")


def moved(spans: Iterable[RoleSpan], old: str, new: str) -> tuple[RoleSpan, ...]:
    """The spans of `old` where their words stand in `new`.

    A word that was put in the place of another has its role; a role whose words were taken out
    goes with them. Roles by tokens stay only where the text does.
    """
    if old == new:
        return tuple(spans)
    before, after = PIECE.findall(old), PIECE.findall(new)
    starts, new_starts = _starts(before), _starts(after)
    place: dict[int, tuple[int, int]] = {}  # piece of old -> its characters in new
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and i_end - i == j_end - j):
            for step in range(i_end - i):
                place[i + step] = new_starts[j + step], new_starts[j + step + 1]
        elif tag == "replace":  # some words in the place of others: each stands for all of them
            place.update(dict.fromkeys(range(i, i_end), (new_starts[j], new_starts[j_end])))
    found = []
    for span in spans:
        if span.tokens:
            continue
        covered = [
            place[n]
            for n in range(len(before))
            if n in place and starts[n] < span.stop and starts[n + 1] > span.start
        ]
        if covered:
            start, stop = min(a for a, _ in covered), max(b for _, b in covered)
            found.append(replace(span, start=start, stop=stop))
    return tuple(found)


def _starts(pieces: list[str]) -> list[int]:
    """Where each piece begins, and the length of all."""
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    return starts
