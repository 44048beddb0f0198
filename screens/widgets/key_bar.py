"""The footer: the keys of the focused panel that fit, most needed first, to be clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from screens.base.actions import Action


class KeyBar(Widget):
    """Whole keys only; `?` is always there and leads to all of them."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        background: $footer-background;
        color: $footer-description-foreground;
        & > .key-bar--key { color: $footer-key-foreground; text-style: bold; }
    }
    """

    def __init__(self, last: Action, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.actions: Sequence[Action] = ()
        self.last = last

    def offer(self, actions: Sequence[Action]) -> None:
        if actions != self.actions:
            self.actions = actions
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        last = self._item(self.last)
        text = Text(" ")
        for action in self.actions:
            item = self._item(action)
            if text.cell_len + item.cell_len + 2 + last.cell_len + 1 > width:
                continue
            text.append_text(item).append("  ")
        text.append(" " * max(0, width - 1 - text.cell_len - last.cell_len)).append_text(last)
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    def _item(self, action: Action) -> Text:
        click = Style(meta={"@click": f"screen.{action.call}"})
        key = self.get_component_rich_style("key-bar--key")
        return Text.assemble((action.shown, key + click), (" " + action.label, click))
