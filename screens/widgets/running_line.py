"""A line that is there only while something runs."""

from __future__ import annotations

from textual.widget import Widget


class RunningLine(Widget):
    """One line high; shown while it has the class `-running`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    RunningLine {
        display: none;
        height: 1;
        background: $boost;
        &.-running { display: block; }
    }
    """
