"""LineList: a list of any length of which only the lines on the screen are ever drawn.

Owns the cursor, scrolling and clicks; what a line says is the subclass's (`line`, `heading`). Rows
are known by a key, so the cursor stays on its row when the list is sorted, filtered or replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.widgets.search import MARK, SEARCH_BINDINGS, Search, search_on

Row = TypeVar("Row")

POINTER = "▸"  # marks the cursor's row without colour


class LineList(ScrollView, Generic[Row], can_focus=True):
    """A scrollable list with a cursor and, if the subclass has one, a heading that stays.

    A subclass gives `key`, `line` and, with `HEADING = 1`, `heading`; `clicked` hears of clicks.
    """

    ALLOW_SELECT = False
    HEADING: ClassVar[int] = 0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("home", "first", "first", show=False),
        Binding("end,G", "last", "last", show=False),
        *SEARCH_BINDINGS,
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--heading", "rows--quiet"}
    DEFAULT_CSS = """
    LineList {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        background: $background;
        & > .rows--heading { color: $text-muted; text-style: bold; }
        & > .rows--quiet { color: $text-muted; }
        & > .rows--cursor { background: $surface; }
        &:focus > .rows--cursor { background: $primary 40%; text-style: bold; }
    }
    """

    class Highlighted(Message):
        """The cursor came to stand on another row."""

        def __init__(self, rows: LineList[Any], row: Any) -> None:
            super().__init__()
            self.rows = rows
            self.row = row

        @property
        def control(self) -> LineList[Any]:
            return self.rows

    class Chosen(Highlighted):
        """A row was double-clicked."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: list[Row] = []
        self.index = 0
        self.sought = ""

    # What a subclass says.

    def key(self, row: Row) -> str:
        raise NotImplementedError

    def line(self, row: Row, width: int, under_cursor: bool) -> Text:
        raise NotImplementedError

    def heading(self, width: int) -> Text:
        return Text()

    def empty(self) -> str:
        """What stands in place of the rows when there are none."""
        return ""

    def below(self, width: int) -> list[Text]:
        """What stands below the last row, where there is room for all of it."""
        return []

    def words(self, row: Row) -> str:
        """In which words a search finds a row: its line, and the key that it may show cut."""
        width = max(1, self.scrollable_content_region.width)
        return f"{self.line(row, width, False).plain} {self.key(row)}"

    def clicked(self, row: Row | None, x: int) -> bool:
        """A click at column x of a row, or of the heading (None). True: it was dealt with."""
        return False

    # Rows and cursor.

    @property
    def highlighted(self) -> Row | None:
        return self.rows[self.index] if 0 <= self.index < len(self.rows) else None

    def show(self, rows: Sequence[Row], *, to: str | None = None) -> None:
        """Replace all rows. The cursor goes to `to`, else stays on its key, else on its place."""
        before = self.highlighted
        wanted = to if to is not None else before and self.key(before)
        offset = self.index - self.scroll_offset.y
        self.rows = list(rows)
        self.index = max(0, min(self.index, len(self.rows) - 1))
        here = self.highlighted
        if here is not None and self.key(here) != wanted:
            for i, row in enumerate(self.rows):
                if self.key(row) == wanted:
                    self.index = i
                    break
        self._fit()
        # The cursor keeps its height on the screen while rows come and go around it.
        self.scroll_to(y=max(0, self.index - max(0, offset)), animate=False, immediate=True)
        self._reveal()
        self.refresh()
        after = self.highlighted
        if (after and self.key(after)) != (before and self.key(before)):
            self._tell(self.Highlighted(self, after))

    def clear(self) -> None:
        """No rows, and the next ones begin at the top."""
        self.rows = []
        self.index = 0
        self.scroll_to(y=0, animate=False, immediate=True)

    def replace(self, index: int, row: Row) -> None:
        """Put another row in place of one, redrawing its line only."""
        self.rows[index] = row
        self.redraw(index)

    def redraw(self, index: int) -> None:
        y = index - self.scroll_offset.y + self.HEADING
        if self.HEADING <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def move_to(self, index: int) -> None:
        index = max(0, min(index, len(self.rows) - 1))
        if not self.rows or index == self.index:
            return
        old, self.index = self.index, index
        self.redraw(old)
        self.redraw(index)
        self._reveal()
        self._tell(self.Highlighted(self, self.highlighted))

    def move_to_key(self, key: str) -> bool:
        """Put the cursor on the first row of that key; False if there is none."""
        for i, row in enumerate(self.rows):
            if self.key(row) == key:
                self.move_to(i)
                return True
        return False

    def _tell(self, message: Highlighted) -> None:
        # Textual takes whoever calls for the sender, and lets a message go no further than to its
        # sender: told by a panel to filter, the list would be heard by that panel alone.
        self.post_message(message.set_sender(self))

    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - self.HEADING)

    def _fit(self) -> None:
        self.virtual_size = Size(
            self.scrollable_content_region.width, len(self.rows) + self.HEADING
        )

    def _reveal(self) -> None:
        top, page = self.scroll_offset.y, self._page()
        if self.index < top:
            self.scroll_to(y=self.index, animate=False, immediate=True)
        elif self.index >= top + page:
            self.scroll_to(y=self.index - page + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        self._fit()
        self._reveal()

    # Drawing.

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < self.HEADING:
            return self._strip(self.heading(width), width, self._style("rows--heading"))
        index = y - self.HEADING + self.scroll_offset.y
        if index < len(self.rows):
            here = index == self.index
            text = self.line(self.rows[index], width, here)
            if self.sought:
                text.highlight_words(self.sought.split(), MARK, case_sensitive=False)
            return self._strip(
                text, width, self._style("rows--cursor") if here else self.rich_style
            )
        if not self.rows and y == self.HEADING + 1:
            return self._strip(Text("  " + self.empty()), width, self._style("rows--quiet"))
        if index > len(self.rows) and self.rows:
            return self._below(index - len(self.rows) - 1, width)
        return Strip.blank(width, self.rich_style)

    def _below(self, line: int, width: int) -> Strip:
        room = self.scrollable_content_region.height - self.HEADING - len(self.rows) - 1
        lines = self.below(width) if room > 0 else []
        if len(lines) <= room and line < len(lines):
            return self._strip(lines[line], width, self._style("rows--quiet"))
        return Strip.blank(width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name)

    def ink(self, name: str) -> Style:
        """A component's style without its background, so that the cursor's shows through."""
        style = self._style(name)
        return Style(color=style.color, bold=style.bold, dim=style.dim, underline=style.underline)

    def _strip(self, text: Text, width: int, style: Style) -> Strip:
        segments = [Segment(s.text, s.style) for s in text.render(self.app.console) if s.text]
        return Strip(segments).adjust_cell_length(width).apply_style(style)

    # What a search asks.

    def search_lines(self) -> list[str]:
        return [self.words(row) for row in self.rows]

    def search_at(self) -> int:
        return self.index

    def search_show(self, line: int) -> None:
        self.move_to(line)

    def search_mark(self, words: str) -> None:
        if words != self.sought:
            self.sought = words
            self.refresh()

    def action_search(self) -> None:
        self.app.push_screen(Search(self))

    def action_search_on(self, by: int) -> None:
        search_on(self, self, by)

    # Keys and mouse.

    def action_move(self, by: int) -> None:
        self.move_to(self.index + by)

    def action_page(self, by: int) -> None:
        self.move_to(self.index + by * self._page())

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(len(self.rows) - 1)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < self.HEADING:
            self.clicked(None, offset.x)
            return
        index = offset.y - self.HEADING + self.scroll_offset.y
        if index >= len(self.rows):
            return
        if index == self.index:  # a click chooses, even where the cursor stands already
            self._tell(self.Highlighted(self, self.rows[index]))
        self.move_to(index)
        if not self.clicked(self.rows[index], offset.x) and event.chain > 1:
            self._tell(self.Chosen(self, self.rows[index]))
