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
        & > .panel-tabs--shown { color: $foreground; text-style: bold; background: $primary 40%; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._titles: dict[str, str] = {}
        self._shown = ""

    def update(self, titles: dict[str, str], shown: str) -> None:
        """Titles by panel, and which panel is shown."""
        if (titles, shown) != (self._titles, self._shown):
            self._titles, self._shown = dict(titles), shown
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
        return {panel: f"{n} {title}" for n, (panel, title) in enumerate(titles.items(), 1)}

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
