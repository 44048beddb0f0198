"""Setting what a widget says only if it is new: Textual repaints it each time."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Static


def put_title(widget: Widget, title: str) -> None:
    """Have a panel bear this title in its border."""
    if widget.border_title != title:
        widget.border_title = title


def put_text(widget: Static, text: Text, *, layout: bool = True) -> None:
    """Have a widget say this; `layout`: its size may depend on it."""
    if widget.content != text:
        widget.update(text, layout=layout)
