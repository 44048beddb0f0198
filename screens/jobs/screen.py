"""The screen of jobs: how each stands, and to stop it, go on with it or remove it.

It reads the jobs' folders; nothing is computed here, and leaving stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import count, seconds
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.jobs.job_list import JobList
from screens.jobs.keys import ACTIONS, BY_NAME, FOOTER
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.jobs import process
from workbench.jobs.folder import JobFolder, find_folder
from workbench.jobs.listing import Job, list_jobs

LOOK_AGAIN = 1.0
"""Seconds between two looks at the folders."""


class JobsScreen(Screen[None]):
    """All jobs as they stand.

    Attributes:
        own: the name of the session that is open, whose jobs are said to be its own; "" if
            none is.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "JobList"
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, session: str = "") -> None:
        super().__init__()
        self.own = session
        self._looking = False
        self._failed = ""

    def compose(self) -> ComposeResult:
        yield Static(id="jobs-title")
        yield JobList()
        yield Static(id="about")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._worker = Worker(self, "jobs", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._look()
        self.set_interval(LOOK_AGAIN, self._look)

    def on_unmount(self) -> None:
        self._worker.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def jobs(self) -> JobList:
        """The list."""
        return self.query_one(JobList)

    def _look(self) -> None:
        """Read the folders, in a thread: they may lie on a slow disk."""
        if not self._looking:
            self._looking = True
            self._worker.put(list_jobs, self._looked, self._broken)

    def _looked(self, jobs: list[Job]) -> None:
        self._looking, self._failed = False, ""
        self.jobs.show(jobs)
        self.jobs.refresh()
        self.redraw()

    def _broken(self, error: BaseException) -> None:
        self._looking, self._failed = False, one_line(error_sentence(error))
        self.redraw()

    def redraw(self) -> None:
        """Show what was read last."""
        put_text(self.query_one("#jobs-title", Static), Text(self._title()))
        width = max(20, self.size.width - 2)
        about = Text("\n").join(self._about(self.jobs.highlighted, width))
        put_text(self.query_one("#about", Static), about)

    def _title(self) -> str:
        rows = self.jobs.rows
        if not rows:
            return "Jobs  none"
        running = sum(row.state == "running" for row in rows)
        return f"Jobs  {count(len(rows))}, {count(running)} running"

    def _about(self, row: Job | None, width: int) -> list[Text]:
        if self._failed:
            return prose(self._failed, width, "bold")
        if row is None:
            return []
        lines = prose(f"{row.words} · {one_line(row.what)}", width, "bold")
        if row.sentence:
            lines += prose(one_line(row.sentence), width)
        if row.state == "running":
            left = "" if row.left is None else f", {seconds(row.left)} left"
            lines += prose(f"{one_line(row.message or 'Starting')}{left}", width)
        lines += prose(f"{one_line(row.model)} · {one_line(row.task)}{self._whose(row)}", width)
        return lines + prose(one_line(row.id), width, "dim")

    def _whose(self, row: Job) -> str:
        if not row.session:
            return ""
        taken = ", taken over" if row.picked else ""
        whose = "this session" if row.session == self.own else one_line(row.session)
        return f" · of {whose}{taken}"

    def copies(self) -> Copies:
        """All jobs."""
        return self.jobs.copies()

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    # Keys.

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_resume()

    def _do(self, act: Callable[[JobFolder], object]) -> None:
        """Do something with the job under the cursor, in a thread, and look again."""
        row = self.jobs.highlighted
        if row is None:
            self.notify("There are no jobs.", timeout=4)
            return
        name = row.id

        def done(_: object) -> None:
            self._looking = False
            self._look()

        def refused(error: BaseException) -> None:
            self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

        self._worker.put(lambda: act(find_folder(name)), done, refused)

    def action_resume(self) -> None:
        row = self.jobs.highlighted
        if row is not None and not row.goes_on:
            self.notify(f"This job is {row.state}: there is nothing to go on with.", timeout=4)
        else:
            self._do(process.resume)

    def action_stop(self) -> None:
        row = self.jobs.highlighted
        if row is not None and row.state != "running":
            self.notify(f"This job is {row.state}.", timeout=4)
        else:
            self._do(process.stop)

    def action_remove(self) -> None:
        from screens.widgets.dialogs import Confirm

        row = self.jobs.highlighted
        if row is None or row.state == "running":
            self.notify("Stop it first: {key:jobs.stop}." if row else "There are no jobs.")
            return

        def go(yes: bool | None) -> None:
            if yes:
                self._do(process.remove)

        lost = ""
        if row.session and row.state == "done" and not row.picked:
            lost = " Its session has not taken its result over, which is lost."
        self.app.push_screen(Confirm(f"Remove {one_line(row.what or row.id)}?{lost}", "Remove"), go)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("the jobs"))
