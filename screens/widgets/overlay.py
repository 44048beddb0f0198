"""The overlay: a letter on every panel and control; pressing one goes there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

LETTERS = "asdfghjklqwertyuiopzxcvbnm1234567890"
"""In the order in which they are given out: those under the fingers first."""

Target = tuple[Region, Callable[[], object]]
"""Where a letter stands on the screen, and what pressing it does."""


@runtime_checkable
class HasMoreTargets(Protocol):
    """Has places to go to that have no focus of their own yet, as hidden panels."""

    def more_targets(self) -> Sequence[Target]: ...


def targets(screen: Screen[Any]) -> list[Target]:
    """Everything on a screen that one can go to, from the top down."""
    found: list[Target] = [
        (widget.region.intersection(screen.region), widget.focus)
        for widget in screen.focus_chain
        if widget is not screen and widget.region.overlaps(screen.region)
    ]
    for node in screen.walk_children(with_self=True):
        if isinstance(node, HasMoreTargets):
            found += node.more_targets()
    found = [(region, go) for region, go in found if region.area]
    return sorted(found, key=lambda target: (target[0].y, target[0].x))[: len(LETTERS)]


class Overlay(ModalScreen[Callable[[], object] | None]):
    """Letters over the screen below; answers what the pressed one does, else None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Stay where one was", show=False)
    ]
    CSS = """
    Overlay { background: transparent; }
    Overlay Static {
        position: absolute;
        width: 3;
        height: 1;
        text-align: center;
        text-style: bold;
        background: $accent;
        color: $background;
    }
    """

    def __init__(self, places: Sequence[Target]) -> None:
        super().__init__()
        self.places = dict(zip(LETTERS, places, strict=False))

    def compose(self) -> ComposeResult:
        for letter, (region, _) in self.places.items():
            label = Static(Text(letter), markup=False)
            label.styles.offset = (region.x, region.y)
            yield label

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_key(self, event: events.Key) -> None:
        if event.key != "escape":
            event.stop()
            place = self.places.get(event.character or "")
            self.dismiss(None if place is None else place[1])

    def on_click(self, event: events.Click) -> None:
        self.dismiss(None)
