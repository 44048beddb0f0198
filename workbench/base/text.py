"""Text for a terminal: harmless characters, counted nouns, times."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

QUOTED = 60
"""Characters of a file's content that a message quotes at most."""


def printable(text: str) -> str:
    """Text of one line, with what a terminal would obey escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(value: Any) -> str:
    """A value out of a file as a message may show it: short, and in harmless characters."""
    # A text is cut before it is escaped, which of megabytes would take as many again.
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = "a number of absurd length" if abs(value) >= 10**QUOTED else repr(value)
    elif isinstance(value, list | dict):
        text = "a list" if isinstance(value, list) else "an object"
    else:
        text = ascii(value[: QUOTED + 1] if isinstance(value, str) else value)
    return text if len(text) <= QUOTED else text[: QUOTED - 3] + "..."


def time_left(elapsed: float, fraction: float | None) -> str:
    """How long work goes on, if it goes on as it did; nothing while that cannot be told."""
    if not fraction or fraction >= 1 or elapsed < 1:
        return ""
    seconds = round(elapsed * (1 - fraction) / fraction)
    if seconds < 60:
        return f"{seconds} s left"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s left"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min left"


def shown_path(path: str | os.PathLike[str]) -> str:
    """The path without characters that would disturb a terminal."""
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path)) or "''"


def counted(number: int, noun: str) -> str:
    """A number of things: 1 edge, 2 edges."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def tally(counts: Mapping[str, int]) -> str:
    """How many of each: 12 ioi, 1 induction."""
    return ", ".join(f"{number:,} {printable(name)}" for name, number in counts.items())
