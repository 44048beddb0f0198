"""Choice: one of a few words, on one line; keys and clicks go through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from screens.widgets.keys import CHOICE


class Choice(Widget, can_focus=True):
    """A label and the chosen word between arrows.

    Attributes:
        value: the value of the chosen word.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in CHOICE]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice--label"}
    DEFAULT_CSS = """
    Choice {
        height: 1;
        width: auto;
        & > .choice--label { color: $text-muted; }
        &:focus { background: $block-cursor-blurred-background; text-style: bold; }
    }
    """

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(
        self,
        label: str,
        options: Sequence[tuple[str, str]],
        value: str = "",
        *,
        id: str | None = None,
    ) -> None:
        """`options`: (value, word) pairs; `value` that is none of them stands for the first."""
        super().__init__(id=id)
        self.label = label
        self.options = list(options)
        self.index = next((i for i, (key, _) in enumerate(self.options) if key == value), 0)

    @property
    def value(self) -> str:
        return self.options[self.index][0]

    def render(self) -> Text:
        widest = max(len(word) for _, word in self.options)
        return Text.assemble(
            (self.label + " ", self.get_component_rich_style("choice--label")),
            f"‹{self.options[self.index][1]:^{widest}}›",
        )

    def choose(self, value: str) -> None:
        """Go to the word of this value, if there is one."""
        for place, (key, _) in enumerate(self.options):
            if key == value and place != self.index:
                self.action_turn(place - self.index)

    def action_turn(self, by: int) -> None:
        self.index = (self.index + by) % len(self.options)
        self.refresh()
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        self.action_turn(1)
