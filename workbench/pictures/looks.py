"""Looks: colours, strokes and widths of a circuit's picture, in every format the same.

The hues are those by Okabe and Ito (2008), that all eyes tell apart. What is told by colour is told
otherwise too, since papers are printed in grey: the sign of a score by dashes, a group by its
letter.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.pictures.scene import Box, Line, Scene

HUES = ("#56b4e9", "#f0e442", "#009e73", "#e69f00", "#cc79a7", "#d55e00", "#0072b2", "#999999")
BELOW, ABOVE, UNKNOWN, FAINT = "#0072b2", "#d55e00", "#333333", "#c4c4c4"
"""Colours of lines: score below 0, above 0, unknown; and of hairlines. Scores of ours are what the
metric changes by when the edge is corrupted, so the edges that a circuit lives by are below 0 and
drawn whole; those above 0 are in dashes."""
INK, QUIET, MLP = "#111111", "#666666", "#ececec"
THINNEST, THICKEST, HAIRLINE = 0.4, 2.4, 0.25
DASHES = (3.2, 1.6)
"""Lengths of a dash and of the gap behind it, in points for a line of one point."""


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn: its colour, width in points, and whether in dashes."""

    colour: str
    width: float
    dashed: bool = False


def stroke(line: Line, largest: float) -> Stroke:
    """The stroke of a line that is drawn in full; its width grows with |score| from 0 on."""
    if line.score is None:
        return Stroke(UNKNOWN, 0.8)
    share = line.size / largest if largest > 0 else 0.0
    width = THINNEST + (THICKEST - THINNEST) * share
    return Stroke(ABOVE if line.score > 0 else BELOW, width, line.score > 0)


def split(scene: Scene, strongest: int) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines that are drawn as hairlines, and those in full."""
    at = max(0, len(scene.lines) - strongest)
    return scene.lines[:at], scene.lines[at:]


def fill(box: Box) -> str:
    """The colour of a box: its group's, light enough for black letters."""
    if box.group is not None:
        return tint(HUES[box.group % len(HUES)])
    return MLP if box.kind in ("mlp", "rest") else "#ffffff"


def tint(colour: str, share: float = 0.55) -> str:
    """This much of a colour on white."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)
