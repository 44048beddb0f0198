"""One line that names the panels that do not stand side by side; each can be clicked."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class PanelTabs(Widget):
    """Number and title of each panel; the shown one in brackets."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"panel-tabs--shown"}
    DEFAULT_CSS = """
    PanelTabs {
        height: 1;
        background: $panel;
        color: $text-muted;
        & > .panel-tabs--shown {
            color: $foreground; text-style: bold; background: $block-cursor-blurred-background;
        }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._titles: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._shown = ""

    def update(
        self, titles: dict[str, str], shown: str, numbers: dict[str, int] | None = None
    ) -> None:
        """Titles by panel, which panel is shown, and their numbers if not in their order."""
        numbers = numbers or {panel: n for n, panel in enumerate(titles, 1)}
        if (titles, shown, numbers) != (self._titles, self._shown, self._numbers):
            self._titles, self._shown, self._numbers = dict(titles), shown, numbers
            self.refresh()

    def places(self) -> dict[str, Region]:
        """Where on the screen each panel's name stands."""
        places, x = {}, self.region.x
        for panel, label in self._labels().items():
            places[panel] = Region(x, self.region.y, cell_len(label) + 2, 1)
            x += cell_len(label) + 3
        return places

    def _labels(self) -> dict[str, str]:
        titles = self._titles
        if sum(len(title) + 5 for title in titles.values()) > self.size.width:
            titles = {panel: re.split(r"[\W]", title)[0] for panel, title in titles.items()}
        return {panel: f"{self._numbers[panel]} {title}" for panel, title in titles.items()}

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text = Text()
        for panel, label in self._labels().items():
            shown = panel == self._shown
            style = Style(meta={"@click": f"screen.panel('{panel}')"})
            if shown:
                style += self.get_component_rich_style("panel-tabs--shown")
            text.append(f"[{label}]" if shown else f" {label} ", style)
            text.append(" ")
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)
