"""Setting what a widget says only if it is new: Textual repaints it each time."""

from __future__ import annotations

from rich.text import Text
from textual.content import Content
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


def put_content(widget: Static, content: Content) -> None:
    """Have a widget that is as wide as its parent, or as its longest line, say this.

    The screen is laid out anew only if the widget's size may change.
    """
    before = widget.content
    if not isinstance(before, Content):
        widget.update(content)
    elif not content.is_same(before):
        parent = widget.parent
        room = parent.scrollable_content_region.width if isinstance(parent, Widget) else 0
        widget.update(content, layout=not _lines(before, room) == _lines(content, room) > 0)


def _lines(content: Content, room: int) -> int:
    """How many lines it takes; 0 if one of them is too long for the room."""
    lines = content.split(allow_blank=True)
    return len(lines) if all(line.cell_length <= room for line in lines) else 0
