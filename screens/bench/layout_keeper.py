"""LayoutKeeper: the layout comes from the settings, and a change is written there."""

from __future__ import annotations

from contextlib import suppress

from textual.screen import Screen
from textual.timer import Timer

from screens.base.worker import Worker, error_sentence
from workbench.config.config import config
from workbench.config.layout import Layout
from workbench.errors import WorkbenchError

REST = 1.0
"""Seconds without another change after which one is written: a border is moved cell by cell."""


class LayoutKeeper:
    """Writes the layout of a bench into the settings, once it stays as it is."""

    def __init__(self, screen: Screen[None]) -> None:
        self._screen = screen
        self._thread = Worker(screen, "layout")
        self._timer: Timer | None = None
        self._wanted: Layout | None = None

    @staticmethod
    def kept() -> Layout:
        """The layout that the user left."""
        return config().layout

    def changed(self, layout: Layout) -> None:
        """Write this one, unless another follows."""
        self._wanted = layout
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._screen.set_timer(REST, self._write)

    def _write(self) -> None:
        def failed(error: BaseException) -> None:
            self._screen.notify(error_sentence(error), severity="error", markup=False)

        self._thread.put(self._save, lambda _: None, failed)

    def _save(self) -> None:
        layout, self._wanted = self._wanted, None
        if layout is not None and layout != self.kept():
            from workbench.config.change import save

            save(layout.settings())

    def close(self) -> None:
        """Write what is not written yet, at once: threads end with the app."""
        self._thread.stop()
        with suppress(WorkbenchError):  # nobody is left to be told
            self._save()
