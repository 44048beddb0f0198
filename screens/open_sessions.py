"""The sessions that are open in this app: each has one bench, kept while another is shown.

Every bench has a mode of Textual's, which is a stack of screens: so whatever lies above a bench,
and whatever it computes, is as it was when one comes back to it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen

from screens.base.pauses import set_aside
from screens.setup.session_row import OpenHere
from screens.widgets.decisions import Decides
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from screens.bench.screen import BenchScreen
    from screens.widgets.decisions import Decision
    from workbench.session.session import Session

FRONT = "front"
"""The mode of setup and loading."""
CLOSING = 30.0
"""Seconds that a session which is being closed may take, for one chunk of what it computes."""
LOOK = 0.02
"""Seconds between two looks whether it is closed."""


class OpenSessions:
    """Shows benches, finds them again, and closes them.

    Attributes:
        shown: the session that was on the screen last; None once it is closed.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._benches: dict[str, BenchScreen] = {}  # by mode, in the order they were opened
        self._closing: list[Session] = []
        self._numbers = count(1)
        self.shown: Session | None = None

    def __iter__(self) -> Iterator[Session]:
        return iter([bench.session for bench in self._benches.values()])

    @property
    def benches(self) -> list[BenchScreen]:
        """All benches, in the order in which they were opened."""
        return list(self._benches.values())

    @property
    def current(self) -> BenchScreen | None:
        """The bench whose screens are shown; None while setup is, or a session loads."""
        return self._benches.get(self._app.current_mode)

    def heard(self) -> None:
        """A key has had its effect: tell the bench that is shown."""
        if self.current is not None:
            self.current.heard()

    def find(self, path: Path) -> BenchScreen | None:
        """The bench of the session with this journal."""
        return next((b for b in self.benches if _same(b.session.path, path)), None)

    def told(self) -> tuple[OpenHere, ...]:
        """What the list of sessions shows of those that are open, the one shown last first."""
        benches = sorted(self.benches, key=lambda bench: bench.session is not self.shown)
        return tuple(OpenHere.of(bench.session, bench.under_way) for bench in benches)

    # Showing.

    def show(self, bench: BenchScreen) -> None:
        """Show a new bench."""
        mode = f"session {next(self._numbers)}"
        self._benches[mode] = bench
        self._app.add_mode(mode, Screen)
        self._go(mode)
        self._app.push_screen(bench)

    def go_to(self, path: Path) -> bool:
        """Show the session with this journal as it was left; False if it is not open."""
        for mode, bench in self._benches.items():
            if _same(bench.session.path, path):
                self._go(mode)
                return True
        return False

    def go_back(self) -> bool:
        """Show the session that was shown last, or another; False if none is open."""
        if self.shown is not None and self.go_to(self.shown.path):
            return True
        sessions = list(self)
        return bool(sessions) and self.go_to(sessions[-1].path)

    def _go(self, mode: str) -> None:
        self.shown = self._benches[mode].session
        app = self._app
        while app.current_mode == FRONT and len(app.screen_stack) > 1:
            app.pop_screen()  # setup or loading, which is made anew when it is wanted
        app.switch_mode(mode)

    def show_front(self, screen: Screen[Any]) -> None:
        """Show setup or loading, in place of what was shown of these."""
        app = self._app
        if app.current_mode != FRONT:
            app.switch_mode(FRONT)
        while len(app.screen_stack) > 2:  # a dialog over what is replaced
            app.pop_screen()
        if len(app.screen_stack) > 1:
            app.switch_screen(screen)
        else:
            app.push_screen(screen)

    def deciding(self) -> Decision | None:
        """What is decided on the shown screen or bench, for which effects are computed first."""
        above = self._app.screen_stack[-1:]
        if above and isinstance(above[0], Decides) and above[0].decisions.now is not None:
            return above[0].decisions.now
        bench = self.current
        return None if bench is None or not bench.is_mounted else bench.rules.decisions.now

    # Closing.

    def close(self, path: Path) -> None:
        """Close a session that is not on the screen; all that it took is let go of."""
        for mode, bench in list(self._benches.items()):
            if _same(bench.session.path, path):
                bench.place.note()
                del self._benches[mode]
                self._closing = [s for s in self._closing if s.is_open]
                self._closing.append(bench.session)
                if self.shown is bench.session:
                    self.shown = None
                self._app.remove_mode(mode)
                self._app.set_timer(1.0, self._forget_closed)

    def _forget_closed(self) -> None:
        self._closing = [session for session in self._closing if session.is_open]
        if self._closing:
            self._app.set_timer(1.0, self._forget_closed)
        elif not self._app.is_headless:
            set_aside()  # so that its model is let go of

    def wait_for(self, path: Path) -> None:
        """Wait until a session that is being closed has let go of this journal. In a thread.

        Raises:
            WorkbenchError: it computes for too long.
        """
        end = time.monotonic() + CLOSING
        while any(s.is_open and _same(s.path, path) for s in self._closing):
            if time.monotonic() > end:
                raise WorkbenchError("This session is still being closed; try again in a while.")
            time.sleep(LOOK)


def _same(one: Path, other: Path) -> bool:
    return one == other or one.resolve() == other.resolve()
