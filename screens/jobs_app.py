"""JobsApp: what the app does about jobs: shows them, and brings in what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel

from screens.base.worker import Worker

if TYPE_CHECKING:
    from screens.bench.screen import BenchScreen
    from screens.open_sessions import OpenSessions
    from workbench.jobs.pick_up import PickedUp
    from workbench.session.session import Session

LOOK = 2.0
"""Seconds between two looks whether a job of an open session is done."""


class JobsApp(App[None]):
    """An app with sessions whose jobs come back to them.

    Attributes:
        sessions: those that are open.
    """

    sessions: OpenSessions
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "jobs", "The jobs that go on by themselves", show=False, priority=True),
    ]

    def on_mount(self) -> None:
        """Beside what the app itself does."""
        self._jobs = Worker(self, "jobs of sessions")
        self._looking = False
        self.set_interval(LOOK, self.look_for_jobs)

    def on_unmount(self) -> None:
        """Beside what the app itself does."""
        self._jobs.stop()

    def look_for_jobs(self) -> None:
        """Bring in what jobs of the open sessions have found, in a thread."""
        sessions = list(self.sessions)
        if self._looking or not sessions:
            return
        self._looking = True
        self._jobs.put(lambda: _found_by_jobs(sessions), self._found, self._broken)

    def _found(self, found: list[tuple[Session, PickedUp]]) -> None:
        self._looking = False
        for session, one in found:
            bench = self.sessions.find(session.path)
            if bench is not None:
                self._tell(bench, one)

    def _broken(self, _: BaseException) -> None:
        self._looking = False  # a folder that cannot be read now: it is looked at again

    def _tell(self, bench: BenchScreen, found: PickedUp) -> None:
        if found.number is not None and not found.failed:
            from screens.discovery.discovery_line import DiscoveryLine

            result = bench.session.discoveries.result(found.number)
            bench.post_message(DiscoveryLine.Found(result))  # as if it were found here
            return
        severity: SeverityLevel = "error" if found.failed else "information"

        def tell() -> None:
            self.notify(found.sentence, severity=severity, timeout=10, markup=False)

        # On the screen of this session that is on top; if it is not shown, once it is.
        (self if self.sessions.current is bench else bench).call_later(tell)

    def action_jobs(self) -> None:
        """Show all jobs; once more: back."""
        from screens.jobs.screen import JobsScreen

        if isinstance(self.screen, JobsScreen):
            self.screen.dismiss(None)
        elif not any(isinstance(screen, JobsScreen) for screen in self.screen_stack):
            current = self.sessions.current
            name = "" if current is None else current.session.path.stem
            self.push_screen(JobsScreen(name))


def _found_by_jobs(sessions: list[Session]) -> list[tuple[Session, PickedUp]]:
    from workbench.jobs.folder import jobs_folder

    if not jobs_folder().is_dir():
        return []
    from workbench.jobs.pick_up import pick_up
    from workbench.jobs.process import reap

    reap()
    return [(one, found) for one in sessions if one.is_open for found in pick_up(one, show=False)]
