"""Completion of file paths in an input."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from textual.suggester import Suggester

from workbench.base.home import meant_path

LOOKED_AT = (
    2000  # entries of a folder read for one suggestion; a folder on a slow disk may hold millions
)


class PathSuggester(Suggester):
    """Completes the last part of a path: the first entry, in order, that begins with it."""

    def __init__(self, wanted: Callable[[os.DirEntry[str]], bool] = lambda entry: True) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._wanted = wanted

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(self._complete, value) if value else None

    def _complete(self, value: str) -> str | None:
        folder, begun = os.path.split(value)
        try:
            with os.scandir(meant_path(folder or ".")) as entries:
                fitting = []
                for _, entry in zip(range(LOOKED_AT), entries, strict=False):
                    visible = begun.startswith(".") or not entry.name.startswith(".")
                    if entry.name.startswith(begun) and visible and entry.name.isprintable():
                        if entry.is_dir():
                            fitting.append(entry.name + os.sep)
                        elif self._wanted(entry):
                            fitting.append(entry.name)
        except OSError:
            return None
        fitting = [
            name for name in fitting if name.rstrip(os.sep) != begun or name.endswith(os.sep)
        ]
        return os.path.join(folder, min(fitting)) if fitting else None
