"""The settings of the tests' user: none, whatever the test before has left."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.config.config import FILE, forget

FOLDER = Path(os.environ["WORKBENCH_CONFIG"])


def forget_settings() -> None:
    """Take away what the app wrote, such as a layout."""
    file = FOLDER / FILE
    if file.exists():
        file.unlink()
    forget()
