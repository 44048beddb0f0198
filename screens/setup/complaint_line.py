"""The line on what went wrong in setup, until what it is about is mended."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input, Static

from screens.widgets.choice import Choice


class ComplaintLine(Static):
    """It stands as long as the fields say what they said when it came.

    Attributes:
        said: what it says; empty: it is not there.
    """

    def __init__(self, said: str = "") -> None:
        super().__init__(Text(said), id="complaint")
        self.said = said
        self._about: tuple[str, ...] = ()

    def on_mount(self) -> None:
        self.call_after_refresh(self.say, self.said)

    def say(self, said: str) -> None:
        self.said, self._about = said, self._fields()
        self.update(Text(said))
        self.display = bool(said)

    def filled_in(self) -> None:
        """Fields were filled in by themselves, which mends nothing."""
        self._about = self._fields()

    def changed(self) -> None:
        """Fields may say something else: then what was wrong with them is told no more."""
        if self.said and self._about and self._fields() != self._about:
            self.say("")

    def _fields(self) -> tuple[str, ...]:
        fields = [*self.screen.query(Input), *self.screen.query(Choice)]
        return tuple(field.value for field in fields)
