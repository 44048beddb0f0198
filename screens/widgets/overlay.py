"""The overlay: a letter on every panel and control; pressing one goes there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar, Protocol, runtime_checkable

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from screens.widgets.key_bar import KeyBar
from screens.widgets.panel_tabs import PanelTabs

LETTERS = "asdfghjklqwertyuiopzxcvbnm1234567890"
"""In the order in which they are given out: those under the fingers first."""

WIDTH = 3
"""Cells of a letter, where there is room."""
LINKS = ("@click", "readout")
"""What the style of a word is marked with that a click acts on."""

Target = tuple[Region, Callable[[], object]]
"""Where a letter stands on the screen, and what pressing it does."""


@runtime_checkable
class HasMoreTargets(Protocol):
    """Has places to go to that have no focus of their own yet, as hidden panels."""

    def more_targets(self) -> Sequence[Target]: ...


def targets(screen: Screen[Any]) -> list[Target]:
    """Everything on a screen that one can go to or click on, from the top down."""
    found: list[Target] = [
        (widget.region.intersection(screen.region), widget.focus)
        for widget in screen.focus_chain
        if widget is not screen and widget.region.overlaps(screen.region)
    ]
    for node in screen.walk_children(with_self=True):
        if isinstance(node, HasMoreTargets):
            found += node.more_targets()
    found = [(region, go) for region, go in found if region.area]
    # Where letters do not suffice, it is links that go without.
    links = _links(screen, {region.offset for region, _ in found})
    found += links[: max(0, len(LETTERS) - len(found))]
    return sorted(found, key=lambda target: (target[0].y, target[0].x))[: len(LETTERS)]


def _links(screen: Screen[Any], taken: Collection[Offset]) -> list[Target]:
    """The words that a click acts on; those at which a letter stands already are left out."""
    found: list[Target] = []
    for widget in screen.query(Widget):
        # The line of names is told of by the panels, and the footer's words are keys themselves.
        if widget.children or not widget.is_on_screen or isinstance(widget, PanelTabs | KeyBar):
            continue
        place = screen.find_widget(widget)
        seen = place.visible_region
        strips = widget.render_lines(seen.translate(-place.region.offset))
        for y, strip in enumerate(strips, seen.y):
            x, before = seen.x, None
            for segment in strip:
                meta = segment.style.meta if segment.style else {}
                link = next((meta[name] for name in LINKS if name in meta), None)
                if link is not None and link != before and Offset(x, y) not in taken:
                    region = Region(x, y, segment.cell_length, 1)
                    found.append((region, partial(_click, widget, region, segment.style)))
                x, before = x + segment.cell_length, link
    return found


def _click(widget: Widget, at: Region, style: Style | None) -> None:
    """Do what a click on a word would do."""
    x, y = at.offset - widget.region.offset
    click = events.Click(
        widget,
        x,
        y,
        delta_x=0,
        delta_y=0,
        button=1,
        shift=False,
        meta=False,
        ctrl=False,
        style=style,
    )
    widget.post_message(click)


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
        background: $block-cursor-background;
        color: $block-cursor-foreground;
    }
    """

    def __init__(self, places: Sequence[Target]) -> None:
        super().__init__()
        self.places = dict(zip(LETTERS, places, strict=False))

    def compose(self) -> ComposeResult:
        regions = [region for region, _ in self.places.values()]
        for letter, region, after in zip_longest(self.places, regions, regions[1:]):
            label = Static(Text(letter), markup=False)
            label.styles.offset = (region.x, region.y)
            if after is not None and after.y == region.y:
                label.styles.width = min(WIDTH, after.x - region.x)
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
