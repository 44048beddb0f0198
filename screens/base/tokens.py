"""Tokens as they may stand on a screen: one line, a known width, harmless.

Nothing acts on the terminal. A token comes from a file or a tokenizer and may hold anything: Rich
markup, escape sequences, text that runs from right to left, nothing at all. `show_token` turns it
into plain text whose every character is visible and takes the cells that `cell_len` says. The
result belongs into a `rich.text.Text` or a Textual `Content`, never into markup.

What stands for what: ``·`` a space, ``⏎`` a line feed, ``⇥`` a tab, ``␛`` and its like the other
control characters, ``‹200b›`` the code point of anything else that could not be seen or would not
stay in its cells, ``∅`` no text at all, ``◌`` the missing base of a combining mark. Where one of
these signs occurs in a token itself, its code point is shown, so two different tokens look
different unless they are cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from rich.cells import cell_len

EMPTY = "∅"
ELLIPSIS = "…"
WIDTH = 24
"""Cells that a token takes at most unless the caller says otherwise."""

_SPACE = "·"
_NAMED = {" ": _SPACE, "\n": "⏎", "\t": "⇥", "\x7f": "␡"}
_BASE = "◌"
# A blank braille pattern looks like a space and is, unlike a space, strongly left-to-right: a
# terminal that reorders right-to-left text must stop there, and cannot pull the row's next number
# into the token. (Bidi marks would do the same, but some terminals give them a cell and some
# swallow what follows.)
_GUARD = "\u2800"
_SIGNS = frozenset("·⏎⇥‹›∅◌" + _GUARD) | {chr(code) for code in range(0x2400, 0x2440)}
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
# Categories without a fixed look: controls, formats, surrogates, private use, unassigned,
# separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
# Signs without ink that Unicode counts as letters or marks: fillers, joiners, selectors of a
# variant.
_INKLESS = frozenset(map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0))) | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_MOST_MARKS = 2
"""Combining marks kept on one base; a pile of them would grow into the rows above and below."""


def show_token(token: str, width: int = WIDTH) -> str:
    """A token as visible plain text of 1 to `width` cells (`width` at least 3)."""
    if not token:
        return EMPTY
    shown = _cut(_units(token), width)
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in shown):
        return _GUARD + _cut(_units(token), width - 2) + _GUARD
    return shown


def show_tokens(tokens: Iterable[str], width: int = WIDTH) -> list[str]:
    """Each of these tokens as `show_token` shows it."""
    return [show_token(token, width) for token in tokens]


def one_line(text: str, width: int = 200) -> str:
    """Text with single spaces between words, every character visible: no markup, no controls.

    For words that came from a file: roles, names, notes, paths.
    """
    return " ".join(show_token(word, width) for word in text.split(" ") if word.strip())


def fit(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """Text padded, or cut with an ellipsis, to exactly `width` cells.

    For text that is already harmless.
    """
    if width <= 0:
        return ""
    text = _cut(iter(text), width)
    padding = " " * (width - cell_len(text))
    return text + padding if align == "left" else padding + text


def short_role(role: str, width: int) -> str:
    """A token role in at most `width` cells, cut in the middle: its end tells it from others."""
    if cell_len(role) <= width:
        return role
    role = role.replace("..", "…")
    if cell_len(role) <= width or cell_len(role) != len(role):
        return fit(role, width).rstrip()
    tail = (width - 1) // 2
    return f"{role[: width - 1 - tail]}…{role[len(role) - tail :]}"


def _units(token: str) -> Iterator[str]:
    """The pieces of the shown token that stay whole: a character with its marks, a code."""
    unit = ""
    marks = 0
    for char in token:
        if _is_mark(char):
            marks += 1
            if marks <= _MOST_MARKS:
                unit = (unit or _BASE) + char
                continue
        else:
            marks = 0
        if unit:
            yield unit
        unit = _shown(char) if marks == 0 else _code(char)
    if unit:
        yield unit


def _shown(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char < " ":
        return chr(0x2400 + ord(char))
    if char in _SIGNS or char in _INKLESS or unicodedata.category(char) in _UNSEEN:
        return _code(char)
    # Signs that join, colour or select the form of their neighbour, and letters of flags: how many
    # cells they take differs from terminal to terminal.
    if (
        cell_len(char) == 0
        or "\U0001f1e6" <= char <= "\U0001f1ff"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    ):
        return _code(char)
    return char


def _is_mark(char: str) -> bool:
    """A visible combining mark that takes no cell of its own."""
    is_mark = unicodedata.category(char) in ("Mn", "Me") and char not in _INKLESS
    return is_mark and cell_len(char) == 0


def _code(char: str) -> str:
    return f"‹{ord(char):x}›"


def _cut(units: Iterator[str], width: int) -> str:
    """The units joined if they fit into `width` cells, else as many as fit before an ellipsis."""
    kept: list[str] = []
    cells = 0
    for unit in units:
        kept.append(unit)
        cells += cell_len(unit)
        if cells > width:
            break
    else:
        return "".join(kept)
    while kept and cells > width - 1:
        cells -= cell_len(kept.pop())
    return "".join(kept) + ELLIPSIS
