"""A pane with text beside a list, scrolled by the keys of lists while it has the focus."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from screens.widgets.keys import TEXT


class TextPane(VerticalScroll):
    """Scrolls itself; what closes a dialog with text to read closes nothing here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        action.binding() for action in TEXT if action.name != "leave"
    ]

    def action_scroll(self, where: str) -> None:
        """Scroll the text: down, up, page_down, page_up, home or end."""
        getattr(self, f"scroll_{where}")(animate=False)
