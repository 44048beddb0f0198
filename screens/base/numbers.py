"""Numbers as text: signs that line up, as many digits as a column needs, bars."""

from __future__ import annotations

import math

MINUS = "−"
ABSENT = "·"  # stands where a number is not known
PENDING = "…"  # follows a number that is being recomputed
LEAST_SHOWN = 5e-7  # what is smaller reads 0.000000, so no bar should make it look like something


def digits_for(largest: float) -> int:
    """Digits behind the point for a column with this largest number.

    Three of its digits are significant, or more.
    """
    for digits, least in ((2, 1000.0), (3, 10.0), (4, 0.1), (5, 0.01)):
        if largest >= least:
            return digits
    return 6


def plain(value: float | None, digits: int = 4) -> str:
    """A number with a true minus sign, without a plus sign."""
    if value is None:
        return ABSENT
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if abs(value) >= 1e6:
        text = f"{value:.2e}"
    else:
        text = f"{value:.{digits}f}"
        if float(text) == 0:
            text = text.lstrip("-")  # no negative zero
    return text.replace("-", MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """A number with its sign always shown; zero as rounded has none but a blank."""
    text = plain(value, digits)
    if value is None or math.isnan(value) or text.startswith(MINUS):
        return text
    if math.isfinite(value) and float(text) == 0:
        return text
    return "+" + text


def count(value: int) -> str:
    """A number with commas between its thousands."""
    return f"{value:,}"


def percent(fraction: float) -> str:
    """A fraction in percent, to one decimal."""
    return "nan" if math.isnan(fraction) else f"{100 * fraction:.1f}%"


def whole_percent(share: float) -> str:
    """A share in whole percent; what is none of it has no sign."""
    number = round(100 * share)
    return f"{MINUS if number < 0 else ''}{abs(number)}%"


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    if value < 0.001:
        return "<1 ms"
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min"


def bar(value: float, largest: float, half: int, *, estimate: bool = False) -> str:
    """A bar of 2 * half + 1 cells: left of the axis if negative, right of it if positive.

    Full blocks show exact values, shaded ones estimates, so that the two differ without colour.
    """
    nothing = largest < LEAST_SHOWN or math.isnan(value)
    fraction = 0.0 if nothing else min(1.0, abs(value) / largest)
    if estimate:
        full, rest = round(fraction * half), 0
        block = "▒"
    else:
        full, rest = divmod(round(fraction * half * 2), 2)
        block = "█"
    if value < 0:
        left = (" " * half + "▐" * rest + block * full)[-half:] if half else ""
        return left + "│" + " " * half
    return " " * half + "│" + (block * full + "▌" * rest).ljust(half)


def shorten(text: str, width: int) -> str:
    """At most `width` characters, the middle left out.

    Both ends of a path or a name tell most.
    """
    if len(text) <= width:
        return text
    if width < 3:
        return text[:width]
    tail = (width - 1) // 2
    return text[: width - 1 - tail] + "…" + text[len(text) - tail :]
