"""The app's driver: Textual's own, with a `Line` before the terminal."""

from __future__ import annotations

from textual.driver import Driver

from screens.terminal.line import Line


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
        def write(self, data: str) -> None:
            if light := line.take(data):
                super().write(light)

        def start_application_mode(self) -> None:
            line.forget()  # others may have written before
            super().start_application_mode()

    return LightDriver
