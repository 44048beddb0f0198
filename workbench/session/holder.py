"""Who holds a session: the process that has its journal open, and taking the session over.

The lock on the journal says that it is held, a small file beside it by whom. The file is written by
whoever gets the lock, so one that a killed process left behind misleads nobody: it is read only
where the lock is held. Importing this loads no torch.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.json_values import read_values, shaped
from workbench.base.text import printable, shown_path
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.experiment.provenance import now

if TYPE_CHECKING:
    import psutil

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system
    fcntl = None  # type: ignore[assignment]

CLOCK = 3.0
"""Seconds by which two looks at the start of one process may differ: the system reckons it from
when it was booted, and its clock is set now and then."""
ASKED = 5.0
"""Seconds that a process has for ending by itself before it is ended."""
ENDED = 5.0
"""Seconds after which a process that was ended should have let go of its files."""
HALF_MADE = 10.0
"""Seconds after which nobody is still writing who holds a session."""
LOOK = 0.05
"""Seconds between two looks whether it has."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a session.

    Attributes:
        pid, started: its number, and when it began, in seconds since 1970: another process of the
            same number began at another time.
        host: the machine's name.
        since: when it opened the session, ISO 8601, UTC.
    """

    pid: int
    started: float
    host: str
    since: str

    @classmethod
    def this_process(cls) -> Holder:
        """The process that runs this."""
        import psutil

        return cls(os.getpid(), psutil.Process().create_time(), socket.gethostname(), now())

    @property
    def is_this_process(self) -> bool:
        """The session is open in the process that asks."""
        return self.is_here and self.pid == os.getpid() and self.process() is not None

    @property
    def is_here(self) -> bool:
        """It runs on this machine."""
        return self.host == socket.gethostname()

    def process(self) -> psutil.Process | None:
        """The process itself; None if it runs elsewhere or has ended."""
        import psutil

        if not self.is_here:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) <= CLOCK:
                return process
        return None

    @property
    def words(self) -> str:
        """Where it is: `process 123 on this machine`."""
        return f"process {self.pid} on {'this machine' if self.is_here else self.host}"


class HeldElsewhere(WorkbenchError):
    """A session cannot be opened, since a process holds it.

    Attributes:
        path: its journal.
        holder: who holds it, as far as that is known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holder = read_holder(path)
        shown = shown_path(path)
        if self.holder is not None and self.holder.is_this_process:
            sentence = f"The session {shown} is open in this process already; close it first."
        else:
            by = "" if self.holder is None else f" in {self.holder.words}"
            sentence = (
                f"The session {shown} is open elsewhere{by}; close it there, or take it over: "
                f"`workbench resume {shown_path(path.stem)} --take-over`."
            )
        super().__init__(sentence)


# The file beside the journal.


def holder_path(journal: Path) -> Path:
    """Where it is written who holds this journal."""
    return journal.with_suffix(".holder.json")


def read_holder(journal: Path) -> Holder | None:
    """Who holds it, or held it last; None if nobody said so."""
    try:
        found = shaped(Holder, read_values(holder_path(journal)))
    except (OSError, ValueError, TypeError):
        return None
    # Of a text in its file no more than a name has is shown, in characters that do no harm.
    return replace(found, host=printable(found.host)[:60], since=printable(found.since)[:30])


def write_holder(journal: Path) -> None:
    """Say that this process holds it; of no effect where that cannot be written."""
    with contextlib.suppress(WorkbenchError):
        write_bytes(holder_path(journal), json.dumps(asdict(Holder.this_process())).encode())


def remove_holder(journal: Path) -> None:
    """Say that nobody holds it any more. To be called while the lock is still held."""
    with contextlib.suppress(OSError):
        holder_path(journal).unlink(missing_ok=True)


# The lock.

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


def claim_path(journal: Path) -> Path:
    """The file that stands for a lock where the file system knows none."""
    return journal.with_suffix(".lock")


@dataclass
class Lock:
    """The lock on a journal.

    It is the system's, which ends with the process; or, on file systems that know no locks, a file
    that only one process can make, and that counts for nothing once that process has ended.

    Attributes:
        claim: that file; None where the system's lock is held.
    """

    claim: Path | None = None

    @classmethod
    def take(cls, journal: Path, descriptor: int) -> Lock:
        """Lock a journal that is open as this descriptor.

        Raises:
            HeldElsewhere: another session has it.
            OSError: neither way works here.
        """
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _TAKEN:
                    raise HeldElsewhere(journal) from None
            else:
                return cls()
        path = claim_path(journal)
        for _ in range(2):
            try:
                made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if not _forsaken(path):
                    raise HeldElsewhere(journal) from None
                # Away under another name first: of two that find it forsaken, one gets it.
                away = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
                with contextlib.suppress(FileNotFoundError):
                    path.rename(away)
                    away.unlink()
                continue
            with open(made, "w", encoding="ascii") as file:
                json.dump(asdict(Holder.this_process()), file)
            return cls(path)
        raise HeldElsewhere(journal)

    def release(self) -> None:
        """Let go of it. The system's lock goes with the descriptor."""
        if self.claim is not None:
            with contextlib.suppress(OSError):
                self.claim.unlink()


def _forsaken(claim: Path) -> bool:
    """Whether the process that made such a file has ended."""
    try:
        holder = shaped(Holder, read_values(claim))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, TypeError):
        # Killed between making it and writing it, or at it just now.
        with contextlib.suppress(OSError):
            return time.time() - claim.stat().st_mtime > HALF_MADE
        return False
    return holder.is_here and holder.process() is None


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Hold a journal for a moment, whatever stands in it.

    Raises:
        HeldElsewhere: a session has it.
    """
    if not journal.is_file():
        yield
        return
    descriptor = os.open(journal, os.O_RDONLY)
    try:
        lock = Lock.take(journal, descriptor)
        try:
            yield
        finally:
            lock.release()
    finally:
        os.close(descriptor)


def is_held(journal: Path) -> bool:
    """Whether a session has it open, in any process."""
    try:
        with held(journal):
            return False
    except HeldElsewhere:
        return True
    except OSError:
        return False


def take_over(journal: Path, *, patience: float = ASKED) -> None:
    """End the process that holds a session, so that it can be resumed here.

    Nothing that was done in it is lost: every command is on the disk before its result is shown.
    What that process still computed is lost, and other sessions that it has open are closed too.

    Args:
        patience: seconds that the process has for ending by itself.

    Raises:
        WorkbenchError: it runs on another machine, belongs to somebody else, is this process, or
            cannot be found.
    """
    import psutil

    if not is_held(journal):
        return
    shown, holder = shown_path(journal.stem), read_holder(journal)
    if holder is None:
        raise WorkbenchError(
            f"The session {shown} is held by a process that did not say which it is; find it "
            f"with `fuser {shown_path(journal)}`, end it, and resume again."
        )
    if holder.is_this_process:
        raise HeldElsewhere(journal)
    process = holder.process()
    if not holder.is_here:
        raise WorkbenchError(
            f"The session {shown} is held by process {holder.pid} on {holder.host}, out of reach "
            f"from here: end it there (`ssh {holder.host} kill {holder.pid}`), and resume again."
        )
    if process is None:
        raise WorkbenchError(
            f"The session {shown} is held, but not by process {holder.pid} any more, which said "
            f"so; find the one with `fuser {shown_path(journal)}`, end it, and resume again."
        )
    try:
        process.terminate()
        with contextlib.suppress(NotImplementedError):
            process.resume()  # one that was stopped hears of it only when it goes on
        if _free(journal, patience):
            return
        process.kill()
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        raise WorkbenchError(
            f"The session {shown} is held by process {holder.pid}, which you may not end: it "
            "belongs to somebody else."
        ) from None
    if not _free(journal, ENDED):
        raise WorkbenchError(
            f"Process {holder.pid}, which holds the session {shown}, was killed and has not ended "
            "yet: it waits for its disk, or left a child behind; try again later."
        )


def _free(journal: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_held(journal):
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True
