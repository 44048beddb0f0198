"""Names to choose from, each with a few words; and their completion in an input."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rich.text import Text
from textual.message import Message
from textual.suggester import Suggester

from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from screens.widgets.path_suggester import PathSuggester

Name = tuple[str, str]
WORDS = 24  # cells below which the words beside a name say too little to be shown


class NameList(LineList[Name]):
    """The list. A click takes a name at once.

    Args:
        choosing: the name under the cursor is what is chosen, also while the list has no focus.
    """

    class Clicked(Message):
        """A name was clicked."""

        def __init__(self, names: NameList, name: str) -> None:
            super().__init__()
            self.names = names
            self.name = name

    def __init__(self, *, id: str | None = None, choosing: bool = False) -> None:
        super().__init__(id=id)
        self._choosing = choosing

    def key(self, row: Name) -> str:
        return row[0]

    def line(self, row: Name, width: int, under_cursor: bool) -> Text:
        name = one_line(row[0])
        text = Text(f"{POINTER} " if under_cursor and (self.has_focus or self._choosing) else "  ")
        widest = min(max(len(name) for name, _ in self.rows), width - 3)
        text.append(fit(name, widest) + "  ")
        if width - text.cell_len >= WORDS:
            text.append(fit(one_line(row[1]), width - text.cell_len), "dim")
        return text

    def clicked(self, row: Name | None, x: int) -> bool:
        if row is not None:
            self.post_message(self.Clicked(self, row[0]))
        return True


class NameSuggester(Suggester):
    """Completes one of the names, else a path."""

    def __init__(self, names: Callable[[], Sequence[Name]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names
        self._paths = PathSuggester()

    async def get_suggestion(self, value: str) -> str | None:
        if not value:
            return None
        for name, _ in self._names():
            if name.startswith(value) and name != value:
                return name
        await asyncio.sleep(0)
        return await self._paths.get_suggestion(value)
