"""How a circuit is drawn: what may be chosen, and the formats of the file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.base.text import shown_path
from workbench.errors import WorkbenchError
from workbench.pictures.figure import DPI

GroupsAs = Literal["colour", "boxes", "none"]

SUFFIXES = {
    ".svg": "svg",
    ".pdf": "pdf",
    ".png": "png",
    ".dot": "dot",
    ".gv": "dot",
    ".graphml": "graphml",
}
"""The format that a file's name says."""
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
COLUMN, PAGE, TALL = 8.5, 17.4, 22.0
"""Width of a column of a paper in two columns, of its page, and a page's height, all in cm."""
LEAST, MOST = 3.0, 200.0
STRONGEST = 300
"""Edges that are drawn in full, the others as hairlines: more cannot be told apart."""


@dataclass(frozen=True)
class DrawingSettings:
    """What may be chosen of a circuit's picture.

    Attributes:
        groups: 'colour': single nodes in the colour of their group; 'boxes': a box for each group
            with its role, the edges between two of them as one; 'none': as if there were none.
        width: in cm; None: a column (8.5), or a page (17.4) where the picture would get too tall.
        key: say below what lines, colours and letters mean.
        title: above the picture; "": none.
        notes: list the notes on what is drawn below it.
        strongest: edges drawn in full; those of smaller |score| are hairlines.
        dpi: dots per inch of a PNG.
        by_position: token roles are columns, and nodes stand at those where they write.
    """

    groups: GroupsAs = "colour"
    width: float | None = None
    key: bool = True
    title: str = ""
    notes: bool = False
    strongest: int = STRONGEST
    dpi: int = DPI
    by_position: bool = False

    def __post_init__(self) -> None:
        """Raises WorkbenchError for what cannot be drawn."""
        if self.groups not in ("colour", "boxes", "none"):
            raise WorkbenchError(
                f"There is no way {self.groups!r} to draw groups: choose colour, boxes or none."
            )
        if self.by_position and self.groups == "boxes":
            raise WorkbenchError(
                "A picture by position has single nodes: draw groups in colour, or not at all."
            )
        if self.width is not None and not LEAST <= self.width <= MOST:
            raise WorkbenchError(f"A picture is {LEAST:g} to {MOST:g} cm wide, not {self.width:g}.")
        if self.strongest < 0:
            raise WorkbenchError("The number of edges that are drawn in full is 0 or more.")
        if not 36 <= self.dpi <= 2400:
            raise WorkbenchError(f"A PNG has 36 to 2400 dots per inch, not {self.dpi}.")


def format_of(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The format in which a picture is written there.

    Args:
        format: one of `FORMATS`; None: what the file's name says.

    Raises:
        WorkbenchError: there is no such format, or the name says none.
    """
    *others, last = FORMATS
    if format is not None:
        if format not in FORMATS:
            raise WorkbenchError(
                f"There is no format {format[:60]!r} of pictures: choose {', '.join(others)} or "
                f"{last}."
            )
        return format
    known = SUFFIXES.get(Path(path).suffix.lower())
    if known is None:
        raise WorkbenchError(
            f"The name {shown_path(path)} says no format of pictures: end it in .svg, .pdf, .png, "
            ".dot or .graphml, or name the format."
        )
    return known
