"""Contrast of what is drawn: every cell's ink against its ground, by WCAG 2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.style import Style
from textual.app import App


@dataclass(frozen=True)
class Inked:
    """Text that is drawn in one way.

    Attributes:
        text: without blanks around it.
        ratio: from 1 (not to be seen) to 21.
    """

    text: str
    ink: tuple[int, int, int]
    ground: tuple[int, int, int]
    ratio: float


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance of sRGB (WCAG 2.2)."""
    linear = [
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
        for c in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def drawn(app: App[Any]) -> Iterator[Inked]:
    """All text that is on the screen now, with its colours; blanks are left out."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            text = segment.text.strip()
            style = segment.style or Style()
            if not text or style.color is None or style.bgcolor is None:
                continue
            ink, ground = _rgb(style.color), _rgb(style.bgcolor)
            if style.reverse:
                ink, ground = ground, ink
            yield Inked(text, ink, ground, ratio(ink, ground))


def _rgb(colour: Any) -> tuple[int, int, int]:
    return tuple(colour.get_truecolor())
