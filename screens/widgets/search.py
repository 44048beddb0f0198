"""Search: `/` finds words in what has the focus, and n and N go on to the rest.

A list is searched by its rows, anything else that scrolls by the lines that it shows. While one
types the nearest match is shown; escape leads back to where one was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import ClassVar, Protocol

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.widgets.changes import put_text
from screens.widgets.keys import SEARCH

SEARCH_BINDINGS: tuple[BindingType, ...] = tuple(action.binding() for action in SEARCH)
"""To be bound by whatever can be searched."""

MOMENT = 0.1
"""Seconds for which a search waits for what is to be shown."""
GLANCE = 0.003
"""Seconds between two looks whether it is there."""
MARK = "bold underline"
"""How the words that were found look."""


class Searched(Protocol):
    """What can be searched.

    Attributes:
        sought: the words that were searched for last; "" for none.
    """

    sought: str

    def search_lines(self) -> Sequence[str]:
        """All that can be found, a line each."""

    def search_at(self) -> int:
        """The line that one looks at."""

    def search_show(self, line: int) -> None:
        """Go to a line."""

    def search_mark(self, words: str) -> None:
        """Mark these words wherever they stand; "" for none."""


def matches(words: str, lines: Sequence[str]) -> list[int]:
    """Numbers of the lines that hold all the words, in any order and in either case."""
    wanted = words.casefold().split()
    if not wanted:
        return []
    return [i for i, line in enumerate(lines) if all(w in line.casefold() for w in wanted)]


def next_match(found: Sequence[int], at: int, by: int) -> int | None:
    """The match after (`by` > 0) or before a line, around the ends; None if there is no other."""
    others = [i for i in found if i != at]
    if not others:
        return None
    if by > 0:
        return next((i for i in others if i > at), others[0])
    return next((i for i in reversed(others) if i < at), others[-1])


def search_on(screen: Widget, target: Searched, by: int) -> None:
    """Go to the next match, or the one before."""
    if not target.sought:
        screen.notify("Nothing was searched for; / begins a search.", timeout=4)
        return
    found = matches(target.sought, target.search_lines())
    line = next_match(found, target.search_at(), by)
    if line is not None:
        target.search_show(line)
    elif found:
        target.search_show(found[0])
        screen.notify(f"No other match of “{target.sought}”.", timeout=3, markup=False)
    else:
        screen.notify(f"No match of “{target.sought}”.", timeout=3, markup=False)


class PaneSearch:
    """For what has a part that scrolls: it is searched by the lines that it shows."""

    sought: str = ""
    _marked: tuple[tuple[Static, object, object], ...] = ()

    def search_pane(self) -> Widget | None:
        """What scrolls; None: there is nothing to search."""
        raise NotImplementedError

    @property
    def pending(self) -> bool:
        """Whether what is shown is not yet what was chosen."""
        return False

    def hasten(self) -> None:
        """Begin at once to compute what is to be shown."""

    async def caught_up(self) -> None:
        """Wait a moment for what is to be shown: what comes next is about it."""
        end = monotonic() + MOMENT
        self.hasten()
        while self.pending and monotonic() < end:
            await asyncio.sleep(GLANCE)

    async def action_search(self) -> None:
        assert isinstance(self, Widget)
        await self.caught_up()
        if self.search_pane() is None:
            self.notify("There is nothing to search here.", timeout=3)
        else:
            self.app.push_screen(Search(self))

    async def action_search_on(self, by: int) -> None:
        assert isinstance(self, Widget)
        await self.caught_up()
        if self.search_pane() is not None:
            search_on(self, self, by)

    def _texts(self) -> list[Static]:
        pane = self.search_pane()
        return [] if pane is None else [text for text in pane.query(Static) if text.display]

    def search_lines(self) -> Sequence[str]:
        pane = self.search_pane()
        if pane is None:
            return []
        lines: dict[int, str] = {}
        for text in self._texts():
            top = text.virtual_region.y
            shown = text.render_lines(Region(0, 0, *text.size))
            lines.update((top + y, strip.text) for y, strip in enumerate(shown))
        return [lines.get(y, "") for y in range(max(lines, default=-1) + 1)]

    def search_at(self) -> int:
        pane = self.search_pane()
        return self._line if pane is not None and self._line >= pane.scroll_offset.y else 0

    _line = 0

    def search_show(self, line: int) -> None:
        pane = self.search_pane()
        if pane is not None:
            self._line = line
            height = pane.scrollable_content_region.height
            if not 0 <= line - pane.scroll_offset.y < height:
                pane.scroll_to(y=max(0, line - height // 3), animate=False, immediate=True)

    def search_mark(self, words: str) -> None:
        for text, marked, plain in self._marked:
            if text.content is marked:  # else it has other words by now
                text.update(plain)  # type: ignore[arg-type]
        self.sought = words
        marks = []
        for text in self._texts() if words else []:
            plain = text.content
            marked = _with_marks(plain, words)
            if marked is not None:
                text.update(marked)
                marks.append((text, text.content, plain))
        self._marked = tuple(marks)


def _with_marks(content: object, words: str) -> Text | Content | None:
    """The same text with the words marked, if it is one."""
    wanted = [word for word in words.split() if word]
    if isinstance(content, Text):
        text = content.copy()
        text.highlight_words(wanted, MARK, case_sensitive=False)
        return text
    if isinstance(content, Content):
        plain = content.plain.casefold()
        for word in wanted:
            at = plain.find(word.casefold())
            while at >= 0:
                content = content.stylize(MARK, at, at + len(word))
                at = plain.find(word.casefold(), at + len(word))
        return content
    return None


class Search(ModalScreen[None]):
    """The line in which one types; the nearest match is shown meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "Back to where the search began", show=False),
        Binding("f1", "app.help", "Explain this line", show=False),
        Binding("down", "turn(1)", "The next match", show=False, priority=True),
        Binding("up", "turn(-1)", "The match before", show=False, priority=True),
    ]
    CSS = """
    Search {
        align: left bottom;
        background: transparent;
        & > Horizontal { height: 1; background: $surface; }
        & #slash { width: 8; padding: 0 0 0 1; color: $text-primary; text-style: bold; }
        & Input { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
        & #found { width: auto; padding: 0 1; color: $text-muted; }
    }
    """

    def __init__(self, target: Searched) -> None:
        super().__init__()
        self.target = target
        self._began = target.search_at()
        self._lines = list(target.search_lines())
        self._found: list[int] = []

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("Search", id="slash")
            yield Input(placeholder="words · ↑ ↓ other matches · enter stays · esc goes back")
            yield Static(id="found")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        assert isinstance(self.target, Widget)
        self.target.screen.screen_layout_refresh_signal.subscribe(self, self._laid_out)

    def _laid_out(self, _: object) -> None:
        """What is searched may show something else now."""
        if list(self.target.search_lines()) != self._lines:
            self.find()

    @on(Input.Changed)
    def find(self) -> None:
        """Go to the nearest line with what is typed, as the lines are now."""
        words = self._look()
        self.target.search_mark(words)
        near = next((i for i in self._found if i >= self._began), None)
        self._go_to(near if near is not None else self._found[0] if self._found else self._began)

    def _look(self) -> str:
        """Look which lines hold what is typed, which is returned."""
        words = self.query_one(Input).value.strip()
        self._lines = list(self.target.search_lines())
        self._found = matches(words, self._lines)
        return words

    def _go_to(self, line: int) -> None:
        self.target.search_show(line)
        said = ""
        if self.target.sought:
            at = self._found.index(line) + 1 if line in self._found else 0
            said = f"{at} of {len(self._found)}" if self._found else "no match"
        put_text(self.query_one("#found", Static), Text(said))

    def action_turn(self, by: int) -> None:
        self._look()
        line = next_match(self._found, self.target.search_at(), by)
        if line is not None:
            self._go_to(line)

    @on(Input.Submitted)
    def _stay(self) -> None:
        self.dismiss(None)

    def action_give_up(self) -> None:
        self.target.search_mark("")
        self.target.search_show(self._began)
        self.dismiss(None)


def look_anew(target: Widget) -> None:
    """While words are typed that are searched for in here, something else is shown: find them."""
    top: object = target.app.screen_stack[-1]
    searched: object = top.target if isinstance(top, Search) else None
    if isinstance(top, Search) and top.is_mounted and searched is target:
        top.find()
