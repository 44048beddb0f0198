"""The folder of a job: what is asked, who computes it, how far it is, and what it came to.

Every file is written whole or not at all, but for the log and the ledger of finished pieces, of
which a torn end is cut off. That a process computes it says the system's lock on a file, which ends
with the process: the number of a dead process, or of one before the machine was started anew, means
nothing. Importing this loads no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.base.folders import make_private, state_folder
from workbench.base.json_values import object_of, read_values
from workbench.base.text import printable, shown_path
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.jobs.spec import JobSpec
from workbench.session.holder import (
    HeldElsewhere,
    Holder,
    Lock,
    claim_path,
    holder_path,
    is_held,
    read_holder,
    remove_holder,
)

DONE, STOPPED, FAILED = "done", "stopped", "failed"
LAST_WORDS = 1024
"""Bytes that are set aside for why a job failed, should the disk be full then."""
MOST_ENTRIES = 10_000
STAMP = len("20260101-120000")
"""Of a job's name, what says when it was made."""


def jobs_folder() -> Path:
    """Where all jobs are."""
    return state_folder() / "jobs"


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its process last said.

    Attributes:
        message: what is being done.
        fraction: of that which is done; None where it is unknown.
        seconds: that it has been computed for, by all its processes.
        rate: of the fraction, per second, since the process began to compute what is new; None
            where that is unknown.
        at: when this was said, seconds since 1970.
        trouble: why the last piece could not be kept; "" if it could.
    """

    message: str = ""
    fraction: float | None = None
    seconds: float = 0.0
    rate: float | None = None
    at: float = 0.0
    trouble: str = ""


class JobFolder:
    """The folder of one job.

    Attributes:
        path: the folder; its name is the job's id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_file = path / "lock"
        self.journal = path / "session.jsonl"
        self.output, self.log = path / "output", path / "log"
        self.pieces = path / "pieces"

    @property
    def id(self) -> str:
        """The job's name."""
        return self.path.name

    @classmethod
    def make(cls, name: str, spec: JobSpec) -> JobFolder:
        """A new job, which nobody computes yet; what it is asked is written last.

        Raises:
            WorkbenchError: it cannot be made.
        """
        job = cls(jobs_folder() / name)
        with disk_errors(job.path):
            make_private(job.path.parent)
            job.path.mkdir(mode=0o700)
            job.pieces.mkdir(mode=0o700)
            for path in (job.lock_file, job.output, job.log):
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        write_bytes(job._last_words, b" " * LAST_WORDS)
        write_bytes(job._spec, spec.text().encode())
        return job

    @property
    def _spec(self) -> Path:
        return self.path / "job.json"

    @property
    def _last_words(self) -> Path:
        return self.path / "last-words"

    @property
    def _end(self) -> Path:
        return self.path / "end.json"

    def spec(self) -> JobSpec:
        """What is asked.

        Raises:
            WorkbenchError: it cannot be read.
        """
        try:
            return JobSpec.read(self._spec)
        except (OSError, ValueError, TypeError) as error:
            why = "it is gone" if isinstance(error, FileNotFoundError) else "it is damaged"
            raise WorkbenchError(
                f"What the job {self.id} is asked cannot be read: {why} "
                f"({shown_path(self._spec)}). "
                f"Remove the job: `workbench jobs remove {self.id}`."
            ) from None

    # Who computes it.

    def is_running(self) -> bool:
        """Whether a process computes it, or is about to."""
        return is_held(self.lock_file)

    def holder(self) -> Holder | None:
        """The process that computes it, or did last; None if none said so."""
        return read_holder(self.lock_file)

    def take(self) -> tuple[int, Lock]:
        """Hold the job, for a process that is to compute it; returns the lock's open file.

        Raises:
            WorkbenchError: a process computes it.
        """
        with disk_errors(self.path):
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            return descriptor, Lock.take(self.lock_file, descriptor)
        except HeldElsewhere:
            os.close(descriptor)
            by = self.holder()
            where = "" if by is None else f" in {by.words}"
            raise WorkbenchError(
                f"The job {self.id} is running{where}: stop it first "
                f"(`workbench jobs stop {self.id}`)."
            ) from None
        except BaseException:
            os.close(descriptor)
            raise

    def give(self, process: int, lock: Lock) -> None:
        """Write down that this process computes it from now on."""
        import psutil

        try:
            began = psutil.Process(process).create_time()
        except psutil.Error:  # it has ended already
            began = time.time()
        here = Holder.this_process()
        told = json.dumps(asdict(Holder(process, began, here.host, here.since))).encode()
        with contextlib.suppress(WorkbenchError):
            write_bytes(holder_path(self.lock_file), told)
            if lock.claim is not None:
                write_bytes(claim_path(self.lock_file), told)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the job while nobody is to compute it.

        Raises:
            WorkbenchError: a process computes it.
        """
        descriptor, lock = self.take()
        try:
            yield
        finally:
            lock.release()
            os.close(descriptor)

    # How far it is, and how it ended.

    def say(self, progress: Progress) -> None:
        """Write how far it is; of no effect where that cannot be written."""
        with contextlib.suppress(WorkbenchError):
            write_bytes(self.path / "progress.json", json.dumps(asdict(progress)).encode())

    def progress(self) -> Progress:
        """How far it is, as was last said."""
        try:
            found = object_of(read_values(self.path / "progress.json"))
            told = {name: found[name] for name in Progress.__dataclass_fields__}
            return Progress(
                printable(str(told["message"]))[:200],
                None if told["fraction"] is None else float(told["fraction"]),
                float(told["seconds"]),
                None if told["rate"] is None else float(told["rate"]),
                float(told["at"]),
                printable(str(told["trouble"]))[:300],
            )
        except (OSError, ValueError, TypeError, KeyError):
            return Progress()

    def write_end(self, state: str, sentence: str = "") -> None:
        """Write that it has ended: `DONE`, `STOPPED` or `FAILED`, and of that why."""
        told = json.dumps({"state": state, "sentence": sentence[:600]}).encode()
        try:
            write_bytes(self._end, told)
        except WorkbenchError:
            # In place, where there is room set aside for it.
            with contextlib.suppress(OSError), self._last_words.open("r+b") as file:
                file.write(told[:LAST_WORDS].ljust(LAST_WORDS))
        remove_holder(self.lock_file)

    def forget_end(self) -> None:
        """It is to go on."""
        with contextlib.suppress(OSError):
            self._end.unlink(missing_ok=True)
        with contextlib.suppress(OSError), self._last_words.open("r+b") as file:
            file.write(b" " * LAST_WORDS)

    def end(self) -> tuple[str, str]:
        """How it ended, and why it failed; "" if it has not said so."""
        for path in (self._end, self._last_words):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                found = object_of(read_values(path))
                if found["state"] in (DONE, STOPPED, FAILED):
                    return found["state"], printable(str(found["sentence"]))
        return "", ""

    def ended_at(self) -> int:
        """When it said last how it ended, to tell one end from the next; 0 if it has not."""
        with contextlib.suppress(OSError):
            return self._end.stat().st_mtime_ns
        return 0

    # What a session took from it.

    def picked(self) -> bool:
        """Whether its session has taken its result over."""
        return (self.path / "picked").is_file()

    def mark_picked(self) -> None:
        """Its session has taken its result over; nobody takes it twice."""
        with contextlib.suppress(WorkbenchError):
            write_bytes(self.path / "picked", b"")


def folders() -> list[JobFolder]:
    """All jobs, the latest first, damaged ones too."""
    found: list[Path] = []
    with contextlib.suppress(OSError):
        for path in jobs_folder().iterdir():
            if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
                found.append(path)
            if len(found) == MOST_ENTRIES:
                break
    return [JobFolder(path) for path in sorted(found, key=_moment, reverse=True)]


def _moment(path: Path) -> tuple[str, float, str]:
    """When a job was made: its name says it to the second, its first file more exactly."""
    made = 0.0
    with contextlib.suppress(OSError):
        made = (path / "job.json").stat().st_mtime
    return path.name[:STAMP], made, path.name


def find_folder(name: str) -> JobFolder:
    """The job of this id, or the only one whose id begins or ends so.

    Raises:
        WorkbenchError: there is none, or several.
    """
    every = folders()
    exact = [job for job in every if job.id == name]
    found = exact or [
        job for job in every if name and (job.id.startswith(name) or job.id.endswith(name))
    ]
    shown = printable(name)[:80]
    if not found:
        raise WorkbenchError(f"There is no job {shown!r}; `workbench jobs` lists them.")
    if len(found) > 1:
        raise WorkbenchError(
            f"{len(found)} jobs are called {shown!r}: {', '.join(job.id for job in found[:5])}; "
            "say more of the name."
        )
    return found[0]


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say in a sentence why a job's folder cannot be used."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise WorkbenchError(f"The job in {shown_path(path)} cannot be written: {why}.") from None


def plain(value: Any) -> Any:
    """A value of a request for `JobSpec.asked`: tuples are lists."""
    return json.loads(json.dumps(value))
