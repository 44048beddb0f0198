"""A terminal that is gone: noticed also where nobody is told by a signal.

Under nohup, and in some multiplexers, the hang-up signal is ignored. The app would stay behind
without a terminal, read it in vain as fast as it can, and hold its sessions.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from textual.app import App

    from workbench.session.session import Session

LOOK = 2.0
"""Seconds between two looks whether the terminal is there."""
PATIENCE = 5.0
"""Seconds that closing the sessions may take."""
HUNG_UP = 128 + 1
"""What a shell reports of a program that a hang-up ended."""


def heed_the_end(
    app: App[None], descriptor: Callable[[], int | None], hang_up: Callable[[], None]
) -> None:
    """End an app when another process asks for it, and once its terminal is gone.

    Asked to, it leaves the terminal as it was before.

    Args:
        descriptor: the terminal's, None as long as there is none.
        hang_up: called where it is gone, also where the user's shell ignores that.
    """
    with suppress(NotImplementedError, RuntimeError):  # Windows; or not in the main thread
        ended = partial(app.exit, return_code=128 + signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended)

    def look() -> None:
        if is_gone(descriptor()):
            hang_up()

    app.set_interval(LOOK, look)


def is_gone(descriptor: int | None) -> bool:
    """Whether this was a terminal's and the terminal is no more."""
    if descriptor is None:
        return False
    try:
        import termios
    except ImportError:  # Windows
        return False
    try:
        termios.tcgetattr(descriptor)
    except (termios.error, OSError, ValueError):
        return True
    return False


def end(sessions: Iterable[Session], notes: Iterable[Callable[[], None]]) -> NoReturn:
    """Close the sessions and end the process at once: nothing can be drawn or asked any more.

    Args:
        notes: what is written down before, such as where the user was.
    """
    for note in notes:
        with suppress(Exception):
            note()
    ignored = getattr(signal, "SIGHUP", None)
    if ignored is not None:
        signal.signal(ignored, signal.SIG_IGN)

    def close() -> None:
        for session in sessions:
            with suppress(Exception):
                session.close()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(PATIENCE)  # what computes lets go of its lock between two pieces
    os._exit(HUNG_UP)
