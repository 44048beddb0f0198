"""A screen with something to read, scrolled by keys."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from screens.widgets.keys import TEXT


class Reading(ModalScreen[None]):
    """Scrolls its one `VerticalScroll`, whatever has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in TEXT]

    def action_scroll(self, where: str) -> None:
        """Scroll the text: down, up, page_down, page_up, home or end."""
        getattr(self.query_one(VerticalScroll), f"scroll_{where}")(animate=False)
