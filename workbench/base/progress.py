"""Progress: how long work tells what it is doing.

Glossary: docs/glossary.md#progress.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Called with what is being done and the fraction done, or None where that is unknown."""


def silent(message: str, fraction: float | None) -> None:
    """The progress callback of a caller who gave none."""
