"""How the bench's panels share the screen: it is kept in the user's settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_SHARE = 0.12
"""Of the screen's width, the least that a panel keeps when a border is moved."""


@dataclass(frozen=True)
class Layout:
    """What is shown at once, and how wide.

    Attributes:
        more: show more at once: the tree above the edges on a narrow screen, a second panel of
            readouts on a wide one.
        full: the chosen panel fills the screen.
        widths: shares of the width of circuit, edges and readouts, which sum to 1.
    """

    more: bool = False
    full: bool = False
    widths: tuple[float, float, float] = (0.25, 0.417, 0.333)

    def moved(self, border: int, by: float) -> Layout:
        """With a border moved: 0 lies between circuit and edges, 1 between edges and readouts.

        Args:
            by: a share of the width; to the right if positive. What is left or right of the border
                keeps at least `LEAST_SHARE`.
        """
        widths = list(self.widths)
        room = widths[border] + widths[border + 1]
        left = min(max(widths[border] + by, LEAST_SHARE), room - LEAST_SHARE)
        widths[border : border + 2] = [left, room - left]
        return replace(self, widths=(widths[0], widths[1], widths[2]))

    def settings(self) -> dict[str, object]:
        """What it is by names of settings."""
        widths = [round(share, 3) for share in self.widths]
        return {"layout.more": self.more, "layout.full": self.full, "layout.widths": widths}
