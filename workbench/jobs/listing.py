"""The list of jobs, and following one. Importing this loads no torch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from workbench.base.text import counted, printable
from workbench.errors import WorkbenchError
from workbench.jobs.folder import DONE, FAILED, STOPPED, JobFolder, Progress, folders

RUNNING, KILLED, ELSEWHERE, DAMAGED = "running", "killed", "elsewhere", "damaged"
GOES_ON = (STOPPED, KILLED, FAILED)
"""In these states a job can go on."""
LOOK = 0.5
"""Seconds between two looks at a job that is followed."""


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    Attributes:
        id: its name.
        kind, what, model, task, session, created: as in `JobSpec`.
        state: `running`; `done`, `stopped` or `failed`; `killed` if its process is gone without a
            word; `elsewhere` if one on another machine computes it; `damaged` if what it is asked
            cannot be read.
        sentence: why it failed, or is damaged; or why its last piece could not be kept.
        message, fraction, seconds: how far it is, see `folder.Progress`.
        left: seconds that what it says it does will take yet; None where that is unknown.
        process: the number of the process that computes it; None if none does.
        picked: its session has taken its result over.
    """

    id: str
    kind: str = ""
    what: str = ""
    model: str = ""
    task: str = ""
    session: str = ""
    created: str = ""
    state: str = DAMAGED
    sentence: str = ""
    message: str = ""
    fraction: float | None = None
    seconds: float = 0.0
    left: float | None = None
    process: int | None = None
    picked: bool = False

    @property
    def goes_on(self) -> bool:
        """It is not computed now, and can be."""
        return self.state in GOES_ON

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)

    @property
    def words(self) -> str:
        """How it stands, in a few words: `running, 40 %, 20 s left`."""
        if self.state == RUNNING and self.fraction is not None:
            said = f"running, {self.fraction:.0%}"
            return said if self.left is None else f"{said}, {_short(self.left)} left"
        if self.state == KILLED:
            return "killed, can go on"
        return self.state


def list_jobs(session: str | None = None) -> list[Job]:
    """All jobs, the latest first, the damaged ones too.

    Args:
        session: the name of a session: only those that were detached from it.
    """
    found = [job_of(folder) for folder in folders()]
    return [job for job in found if session is None or job.session == session]


def job_of(folder: JobFolder) -> Job:
    """How a job stands; it is not altered."""
    try:
        spec = folder.spec()
    except WorkbenchError as error:
        return Job(folder.id, state=DAMAGED, sentence=str(error))
    state, sentence, process = _state(folder)
    progress = folder.progress()
    running = state == RUNNING
    if running and progress.trouble:
        sentence = f"The last piece could not be kept: {progress.trouble}."
    return Job(
        folder.id,
        spec.kind,
        spec.words,
        printable(spec.model),
        printable(spec.task),
        spec.session,
        printable(spec.created),
        state,
        sentence,
        progress.message if running or state in GOES_ON else "",
        1.0 if state == DONE else progress.fraction,
        progress.seconds + (max(0.0, time.time() - progress.at) if running and progress.at else 0),
        _left(progress) if running else None,
        process,
        folder.picked(),
    )


def _state(folder: JobFolder) -> tuple[str, str, int | None]:
    """The state, a sentence, and the process's number."""
    holder = folder.holder()
    if folder.is_running():
        return RUNNING, "", None if holder is None else holder.pid
    state, sentence = folder.end()
    if state:
        return state, sentence, None
    if holder is not None and not holder.is_here:
        return ELSEWHERE, f"It was begun in {holder.words}.", None
    return KILLED, "", None


def _left(progress: Progress) -> float | None:
    if progress.fraction is None or not progress.rate:
        return None
    since = max(0.0, time.time() - progress.at)
    return max(0.0, (1 - progress.fraction) / progress.rate - since)


def follow(folder: JobFolder, *, seconds: float = LOOK) -> Iterator[Job]:
    """How a job stands, whenever that is other than before, until it is not running any more."""
    before: Job | None = None
    while True:
        now = job_of(folder)
        if now != before:
            yield now
            before = now
        if now.state != RUNNING:
            return
        time.sleep(seconds)


def _short(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return counted(round(seconds / 3600), "hour")
