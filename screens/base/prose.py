"""Prose, headings and named numbers as lines of a width, for screens that report in text."""

from __future__ import annotations

import textwrap

from rich.text import Text

from screens.base.tokens import fit

LABEL = 20
"""Cells of the names of numbers."""
MOST_TEXT = 100
"""Cells of the longest line of prose."""


def prose(text: str, width: int, style: str = "") -> list[Text]:
    """A sentence, wrapped."""
    return [Text(line, style) for line in textwrap.wrap(text, max(20, min(width, MOST_TEXT)))]


def number(label: str, value: str, words: str = "", width: int = 80) -> Text:
    """One line: a name, a number, and what it means if there is room."""
    text = Text.assemble((fit(label, LABEL), "dim"), (value, "bold"))
    if words and len(text.plain) + 2 + len(words) <= width:
        text.append("  " + words, "dim")
    return text


def heading(text: str) -> Text:
    """A line that begins a part of the text."""
    return Text(text, "bold underline")
