"""What is on the screen, as an SVG file in the folder that one is in."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from textual.app import App

from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError


def write_screenshot(app: App[Any], filename: str | None = None, path: str | None = None) -> None:
    """Write it under a name that is free unless one is given, and say which, or why not."""
    folder = Path(path or ".").absolute()
    free = (n for i in count(1) if not (folder / (n := f"workbench-{i}.svg")).exists())
    written = folder / (filename or next(free))
    try:
        write_bytes(written, app.export_screenshot().encode())
    except WorkbenchError as error:
        app.notify(str(error), severity="error", markup=False, timeout=10)
    else:
        app.notify(f"Written: {written}", markup=False, timeout=8)
