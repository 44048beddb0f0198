"""Canvas: lines of text with spots in them that the cursor can stand on.

Owns the cursor, scrolling and clicks. What the lines say is its maker's, who draws them again when
the cursor has moved: `Moved` tells. The cursor goes sideways along a line, and up and down to the
nearest spot of the next line that has any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.graph.keys import MOVES


@dataclass(frozen=True)
class Spot:
    """A place in a drawing: `width` cells from column `x` of `height` lines from line `y`."""

    key: str
    x: int
    y: int
    width: int
    height: int = 1

    @property
    def region(self) -> Region:
        return Region(self.x, self.y, self.width, self.height)

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


class Canvas(ScrollView, can_focus=True):
    """A drawing of any size, of which only the lines on the screen are rendered."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in MOVES]
    DEFAULT_CSS = """
    Canvas {
        overflow: auto auto;
        scrollbar-size: 1 1;
    }
    """

    class Moved(Message):
        """The cursor came to stand on another spot."""

        def __init__(self, drawing: Canvas, key: str) -> None:
            super().__init__()
            self.drawing = drawing
            self.key = key

        @property
        def control(self) -> Canvas:
            return self.drawing

    class Chosen(Moved):
        """A spot was double-clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Text] = []
        self.spots: list[Spot] = []
        self.cursor: str | None = None
        self.headings = 0

    @property
    def spot(self) -> Spot | None:
        return next((spot for spot in self.spots if spot.key == self.cursor), None)

    def draw(self, lines: Sequence[Text], spots: Sequence[Spot], headings: int = 0) -> None:
        """Show other lines. The spots are in reading order; the cursor stays on its key.

        Args:
            headings: so many of the first lines stay in sight when the others are scrolled.
        """
        self.headings = headings
        self.lines, self.spots = list(lines), list(spots)
        width = max((line.cell_len for line in self.lines), default=0)
        self.virtual_size = Size(width, len(self.lines))
        self.refresh()
        self.reveal()

    def put(self, key: str) -> bool:
        """Put the cursor on a spot and tell; False if there is none of that key."""
        if all(spot.key != key for spot in self.spots):
            return False
        if key != self.cursor:
            self.cursor = key
            self.post_message(self.Moved(self, key))
        self.reveal()
        return True

    def reveal(self) -> None:
        spot = self.spot
        if spot is not None:
            # The first lines come into sight with the first spot: they are a heading.
            first = spot.y <= 2 + self.headings
            region = spot.region.union(Region(0, 0, 1, 1)) if first else spot.region
            room = Spacing(top=0 if first else self.headings)
            self.scroll_to_region(region, spacing=room, animate=False, immediate=True, force=True)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        left, top = self.scroll_offset
        if y < self.headings:
            top = 0
        if y + top >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        text = self.lines[y + top]
        segments = [Segment(s.text, s.style) for s in text.render(self.app.console) if s.text]
        strip = Strip(segments).crop_extend(left, left + width, self.rich_style)
        return strip.apply_style(self.rich_style)

    def action_move_along(self, by: int) -> None:
        spot = self.spot
        if spot is None:
            self.action_end(0)
            return
        at = self.spots.index(spot) + by
        if 0 <= at < len(self.spots):
            self.put(self.spots[at].key)

    def action_move_line(self, by: int) -> None:
        spot = self.spot
        if spot is None:
            self.action_end(0)
            return
        beyond = [s for s in self.spots if (s.y - spot.y) * by > 0]
        if not beyond:
            return
        line = min(beyond, key=lambda s: abs(s.y - spot.y)).y
        self._nearest(line, spot.middle)

    def action_page(self, by: int) -> None:
        spot = self.spot
        if spot is None:
            return
        wanted = spot.y + by * max(1, self.scrollable_content_region.height - 1)
        line = min((s.y for s in self.spots), key=lambda y: abs(y - wanted))
        self._nearest(line, spot.middle)

    def _nearest(self, line: int, middle: float) -> None:
        on_line = [s for s in self.spots if s.y == line]
        self.put(min(on_line, key=lambda s: abs(s.middle - middle)).key)

    def action_end(self, which: int) -> None:
        if self.spots:
            self.put(self.spots[which].key)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self.headings:
            return
        at = offset + self.scroll_offset
        for spot in self.spots:
            if spot.region.contains_point(at):
                self.put(spot.key)
                if event.chain > 1:
                    self.post_message(self.Chosen(self, spot.key))
                return
