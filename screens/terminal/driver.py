"""The app's driver: Textual's own, with a `Line` before the terminal."""

from __future__ import annotations

import os

from textual.driver import Driver

from screens.terminal.line import Line

KEEP_TITLE, RESTORE_TITLE = "\x1b[22;0t", "\x1b[23;0t"
"""Xterm's sequences by which a terminal puts its title on a stack and takes it back; one that does
not know them keeps the last title."""

ERASING = b"\x1b[%p1%dX"
"""How a terminal's entry says that it erases cells as xterm does."""


def has_title() -> bool:
    """Whether this terminal has a window to bear a title; the console of Linux has none."""
    return os.environ.get("TERM", "") not in ("linux", "")


def erases_in_colour() -> bool:
    """Whether this terminal erases cells with the ground that it draws on, as its entry says."""
    try:
        import curses

        curses.setupterm()
        return curses.tigetflag("bce") > 0 and curses.tigetstr("ech") == ERASING
    except Exception:  # no such module, no entry, no standard output: what is certain will do
        return False


def entitle(driver: Driver | None, title: str) -> None:
    """Let the terminal's title say what is shown, where there is one."""
    if (set_title := getattr(driver, "entitle", None)) is not None:
        set_title("".join(c for c in title if c.isprintable()))


def light_driver(driver_class: type[Driver], line: Line) -> type[Driver]:
    """A driver that writes what `line` lets through.

    Only for the driver of terminals on Linux and macOS, which writes each frame whole; any other
    is returned as it is.
    """
    try:
        from textual.drivers.linux_driver import LinuxDriver
    except ImportError:  # Windows
        return driver_class
    if driver_class is not LinuxDriver:
        return driver_class

    class LightDriver(LinuxDriver):
        title = ""
        title_is_kept = False

        def write(self, data: str) -> None:
            if light := line.take(data):
                super().write(light)

        def start_application_mode(self) -> None:
            line.forget()  # others may have written before
            super().start_application_mode()
            if has_title():
                # One that was stopped from outside goes on without having given it back.
                if not self.title_is_kept:
                    super().write(KEEP_TITLE)
                    self.title_is_kept = True
                self.entitle(self.title)

        def stop_application_mode(self) -> None:
            if self.title_is_kept:
                super().write(RESTORE_TITLE)
                self.title_is_kept = False
            super().stop_application_mode()

        def entitle(self, title: str) -> None:
            """Give the terminal's window this title, until the app is left."""
            self.title = title
            if title and has_title():
                super().write(f"\x1b]0;{title}\x07")
                self.flush()

    return LightDriver
