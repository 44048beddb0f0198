"""A theme's colours made readable: inks that stand out from the grounds under them.

Themes are made for their looks; in some, text vanishes on a bar or under the cursor. Each ink is
moved towards black or white as little as it takes. Contrast is WCAG 2's: 4.5 for text, 3 for what
is quiet on purpose and for lines.

Of Textual's variables we take `$border` for what has the focus, `$border-blurred` for other borders
and lines, and `$block-cursor-blurred-background` for the row under a cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from textual.color import BLACK, WHITE, Color, ColorParseError
from textual.constants import DIM_FACTOR  # what is left of the ink of text that is dim
from textual.filter import LineFilter, Monochrome, NoColor
from textual.theme import Theme

TEXT, QUIET = 4.5, 3.0
STEPS = 40
MARGIN = 1.02
"""Colours of terminals are whole numbers: rounding may take a little away."""

CURSOR = "block-cursor-blurred-background"
GROUNDS = ("background", "surface", "panel")
INKS = ("text-primary", "text-secondary", "text-success", "text-warning", "text-error",
        "text-accent")  # fmt: skip
ON_FOOTER = ("footer-foreground", "footer-description-foreground", "footer-key-foreground")

ANSI = {
    "border-blurred": "ansi_blue",
    "border": "ansi_green",
    CURSOR: "ansi_blue",
    "text-primary": "ansi_bright_cyan",
    "link-color": "ansi_bright_cyan",
    "text-muted": "ansi_default",
    "text-disabled": "ansi_default",
}
"""With the terminal's own sixteen colours; what it makes of half a colour nobody knows."""

LIGHT_ANSI = {CURSOR: "ansi_bright_cyan", "text-primary": "ansi_blue", "link-color": "ansi_blue"}


def is_ansi(theme: Theme) -> bool:
    """Whether a theme's colours are the terminal's own."""
    return getattr(theme, "ansi", False) or theme.name == "textual-ansi"  # of older releases


def without_colour(filters: Sequence[LineFilter], *, ansi: bool) -> Sequence[LineFilter]:
    """What is done to lines before they are drawn, for a user who wants no colour.

    Textual chooses at the start what takes colours away. What makes greys of them would make black
    on black of the terminal's own.
    """
    if not ansi:
        return filters
    return [NoColor() if isinstance(one, Monochrome) else one for one in filters]


def readable(variables: Mapping[str, str], *, ansi: bool) -> dict[str, str]:
    """The variables of a theme, with colours that can be read.

    Args:
        variables: as Textual makes them from a theme.
        ansi: its colours are the terminal's own, which cannot be measured.
    """
    if ansi:
        light = variables.get("background") == "ansi_bright_white"
        return {**variables, **ANSI, **(LIGHT_ANSI if light else {})}
    known = tuple((name, variables[name]) for name in sorted(variables))
    return {**variables, **_readable(known)}


@lru_cache(maxsize=32)
def _readable(variables: tuple[tuple[str, str], ...]) -> dict[str, str]:
    given = dict(variables)

    def colour(name: str) -> Color:
        return Color.parse(given[name])

    plain = [colour(name) for name in GROUNDS]
    boost = colour("boost")
    grounds = [*plain, *(ground + boost for ground in plain)]
    ink = _moved(colour("foreground"), grounds, TEXT, dim=QUIET)
    cursor = _cursor(colour("background"), colour("primary"), ink)
    everywhere = [*grounds, cursor]
    muted = _moved(colour("background").blend(ink, 0.65), [*grounds, cursor], TEXT)
    quiet = _moved(colour("background").blend(ink, 0.5), everywhere, QUIET)
    found = {
        "foreground": ink,
        "text-muted": muted,
        "text-disabled": quiet,
        CURSOR: cursor,
        "block-cursor-blurred-foreground": ink,
        "border-blurred": _line(colour("background"), colour("primary"), plain),
        "border": _moved(colour("accent"), plain, QUIET),
        **{name: _moved(colour(name), everywhere, TEXT) for name in INKS},
    }
    bar = colour("panel") + colour("footer-background")
    found |= {name: _moved(colour(name), [bar], TEXT) for name in ON_FOOTER}
    found |= {
        "button-foreground": _moved(colour("button-foreground"), plain, TEXT),
        "button-color-foreground": _moved(
            _ink_on(given, "button-color-foreground", colour("primary")), [colour("primary")], TEXT
        ),
    }
    block = colour("panel") + colour("block-cursor-background")
    ink = _ink_on(given, "block-cursor-foreground", block)
    found["block-cursor-foreground"] = _moved(ink, [block], TEXT)
    return {name: value.hex for name, value in found.items()}


def _ink_on(given: Mapping[str, str], name: str, block: Color) -> Color:
    """An ink that some themes leave to black or white, whichever is seen better."""
    try:
        return Color.parse(given[name])
    except ColorParseError:
        return block.get_contrast_text(1.0)


def _line(background: Color, primary: Color, grounds: Iterable[Color]) -> Color:
    """Of the primary colour as little as is seen, for lines."""
    grounds = list(grounds)
    for part in range(60, 100, 5):
        line = background.blend(primary, part / 100, 1.0)
        if _suits(line, grounds, QUIET, 0):
            return line
    return _moved(primary, grounds, QUIET)


def _cursor(background: Color, primary: Color, ink: Color) -> Color:
    """As much of the primary colour as leaves the text on it readable."""
    for part in range(40, 10, -1):
        ground = background.blend(primary, part / 100, 1.0)
        if _suits(ink, [ground], TEXT, QUIET):
            return ground
    return ground


def _moved(ink: Color, grounds: Iterable[Color], least: float, dim: float = 0.0) -> Color:
    """The ink, as little nearer to black or white as makes it stand out from all grounds."""
    grounds = list(grounds)
    ink = ink if ink.a == 1 else grounds[0] + ink
    ways = [
        ink.blend(pole, step / STEPS, 1.0) for step in range(STEPS + 1) for pole in (WHITE, BLACK)
    ]
    for way in ways:
        if _suits(way, grounds, least, dim):
            return way
    return max(ways, key=lambda way: min(contrast(way, ground) for ground in grounds))


def _suits(ink: Color, grounds: Iterable[Color], least: float, dim: float) -> bool:
    return all(
        contrast(ink, ground) >= least * MARGIN
        and (not dim or contrast(ground.blend(ink, DIM_FACTOR, 1.0), ground) >= dim * MARGIN)
        for ground in grounds
    )


def contrast(one: Color, other: Color) -> float:
    """The contrast of two colours by WCAG 2, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=4096)
def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
