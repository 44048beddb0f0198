"""What setup does with the session under the cursor: go on, name it, close it, delete it."""

from __future__ import annotations

from collections.abc import Callable

from textual.screen import Screen

from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.navigation import CloseSession, GoToSession, ResumeSession
from screens.setup.session_row import SessionRow, megabytes
from workbench.base.text import counted
from workbench.session.removal import Removed, files_of, remove_session


class SessionActions:
    """Acts on a row of the list, for the screen that has the list."""

    def __init__(
        self,
        screen: Screen[None],
        worker: Worker,
        *,
        complain: Callable[[str], None],
        renew: Callable[[], None],
    ) -> None:
        """For setup.

        Args:
            worker: moves files away from the screen.
            complain: says what went wrong.
            renew: looks the sessions up again.
        """
        self._screen = screen
        self._worker = worker
        self._complain = complain
        self._renew = renew

    def go_on(self, row: SessionRow) -> None:
        """Show a session that is open here, load another."""
        if row.here is not None:
            self._screen.post_message(GoToSession(row.summary.path))
        elif row.summary.damage:
            self._complain(f"{row.summary.damage} - deletes it.")
        else:
            self._screen.post_message(ResumeSession(row.summary.path))

    def remove(self, row: SessionRow) -> None:
        """Close a session that is open here, delete another; both after asking."""
        if row.here is not None:
            self._close(row)
        else:
            self._delete(row)

    def _close(self, row: SessionRow) -> None:
        from screens.widgets.dialogs import Confirm

        assert row.here is not None
        path, under_way = row.summary.path, row.here.under_way

        def go(yes: bool | None) -> None:
            if yes:
                self._screen.post_message(CloseSession(path))

        loses = f"{under_way} is still running in it, and what it found would be lost. "
        question = (
            f"Close {one_line(row.summary.name)}? {loses if under_way else ''}"
            f"It stays saved; {megabytes(row.here.taken.session)} of memory are let go of."
        )
        self._screen.app.push_screen(Confirm(question, "Close"), go)

    def _delete(self, row: SessionRow) -> None:
        from screens.widgets.dialogs import Confirm

        path = row.summary.path

        def go(yes: bool | None) -> None:
            if yes:
                self._worker.put(
                    lambda: remove_session(path),
                    self._deleted,
                    lambda error: self._complain(error_sentence(error)),
                )

        files = counted(len(files_of(path)), "file")
        commands = "" if row.summary.damage else f" of {counted(row.summary.n_commands, 'command')}"
        question = (
            f"Delete {one_line(row.summary.name)}{commands}? Its journal and results ({files}) "
            "are moved to the trash in the state folder."
        )
        self._screen.app.push_screen(Confirm(question, "Delete"), go)

    def _deleted(self, removed: Removed) -> None:
        self._screen.notify(f"Moved to {one_line(str(removed.folder))}", timeout=6, markup=False)
        self._renew()
