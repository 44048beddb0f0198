"""Leaving the app: what was asked for is finished, and what would be lost is asked about."""

from __future__ import annotations

from typing import Any

from textual.app import App

from screens.open_sessions import OpenSessions


class Leaving:
    """Ends the app, with all sessions that are open in it."""

    def __init__(self, app: App[Any], sessions: OpenSessions) -> None:
        self._app = app
        self._sessions = sessions
        self._finishing = False

    def leave(self) -> None:
        """End the app once all commands that wait are done; the second time at once."""
        from screens.widgets.dialogs import Confirm

        if self._finishing:
            self._app.exit()
            return
        benches = self._sessions.benches
        for bench in benches:
            bench.place.note()
        running = [(bench.under_way, bench.name_of_session) for bench in benches if bench.under_way]
        if running:
            if not isinstance(self._app.screen, Confirm):
                self._ask(running, several=len(benches) > 1)
            return
        busy = [bench for bench in benches if bench.busy]
        if not busy:
            self._app.exit()
            return
        self._finishing = True
        waiting = len(busy)

        def finished() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                self._app.exit()

        for bench in busy:
            bench.finish(finished)
        self._app.notify(
            "Finishing what was asked for; {key:bench.quit} again leaves at once.", timeout=30
        )

    def _ask(self, running: list[tuple[str, str]], *, several: bool) -> None:
        from screens.widgets.dialogs import Confirm

        def go(yes: bool | None) -> None:
            if yes:
                self._app.exit()

        named = [f"{method} ({name})" if several else method for method, name in running]
        what = "and what it found" if len(named) == 1 else "and what they found"
        verb = "is" if len(named) == 1 else "are"
        question = f"{' and '.join(named)} {verb} still running, {what} would be lost."
        self._app.push_screen(Confirm(question, "Leave", "Stay"), go)
