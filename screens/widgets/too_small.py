"""What a terminal shows that is too small for anything else: one sentence."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Static

LEAST = (60, 16)
"""Columns and rows below which the screens would cut off what they must always show."""


class TooSmall(Static):
    """Shown instead of everything else on a screen of class `-too-small`; see app.tcss."""

    def __init__(self) -> None:
        columns, rows = LEAST
        super().__init__(f"Enlarge to at least {columns}x{rows}.", markup=False)


def fit_screen(screen: Screen[object], columns: int, rows: int) -> None:
    """Let a screen show itself, or the sentence; the focus comes back with the room."""
    small = columns < LEAST[0] or rows < LEAST[1]
    if small == screen.has_class("-too-small"):
        return
    if small:
        if not screen.query(TooSmall):
            screen.mount(TooSmall())
        screen._focus_before = screen.focused  # type: ignore[attr-defined]
        screen.set_focus(None)
        screen.add_class("-too-small")
    else:
        screen.remove_class("-too-small")
        before = getattr(screen, "_focus_before", None)
        if before is not None and before.is_attached:
            screen.set_focus(before)
