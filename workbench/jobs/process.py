"""Starting, stopping, going on with and removing a job. Importing this loads no torch."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import workbench
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError
from workbench.jobs.folder import DONE, STOPPED, JobFolder, Progress, disk_errors
from workbench.jobs.listing import Job, job_of

PATIENCE = 10.0
"""Seconds that a job has for ending by itself before it is ended; nothing is lost either way."""
ENDED = 5.0
"""Seconds after which a process that was killed should have let go of its files."""
LOOK = 0.05


def start(folder: JobFolder) -> Job:
    """Let a process of its own compute a job, from the beginning or from where it was.

    The process has no terminal, so that none takes it along when it closes; it holds the job from
    the moment it is there.

    Raises:
        WorkbenchError: a process computes it already, it is damaged, or none can be started.
    """
    folder.spec()
    descriptor, lock = folder.take()
    try:
        folder.forget_end()
        folder.say(Progress("Starting", None, folder.progress().seconds, None, time.time()))
        keep = () if lock.claim is not None else (descriptor,)
        with (
            disk_errors(folder.path),
            folder.output.open("wb") as out,
            folder.log.open("ab") as log,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench", "jobs", "work", str(folder.path.absolute())],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=folder.path,
                env=_environment(),
                start_new_session=True,
                pass_fds=keep,
            )
        folder.give(process.pid, lock)
    except BaseException:
        lock.release()
        raise
    finally:
        os.close(descriptor)  # the process has it too, and with it the system's lock
    _STARTED.append(process)
    return job_of(folder)


_STARTED: list[subprocess.Popen[bytes]] = []
"""Kept, so that those that end while this process goes on are not left as zombies."""


def reap() -> None:
    """Take notice of the processes that this one started and that have ended."""
    _STARTED[:] = [process for process in _STARTED if process.poll() is None]


def _environment() -> dict[str, str]:
    """As here; but the same order of sets every time, and this workbench and no other."""
    found = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": "1", "TERM": "dumb"}
    here = str(Path(workbench.__file__).absolute().parent.parent)
    paths = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), here]
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(map(os.path.abspath, paths)))
    return found


def stop(folder: JobFolder, *, patience: float = PATIENCE) -> Job:
    """End a job's process; what is finished is kept, and the job can go on.

    Args:
        patience: seconds that the process has for ending by itself.

    Raises:
        WorkbenchError: no process computes it, or it cannot be ended from here.
    """
    import psutil

    if not folder.is_running():
        raise WorkbenchError(f"The job {folder.id} is not running: it is {job_of(folder).words}.")
    holder = folder.holder()
    process = None if holder is None else holder.process()
    if holder is not None and not holder.is_here:
        raise WorkbenchError(
            f"The job {folder.id} is computed by {holder.words}, out of reach from here: stop it "
            "there."
        )
    if process is not None:
        try:
            process.terminate()
            with contextlib.suppress(NotImplementedError):
                process.resume()
            if not _free(folder, patience):
                process.kill()
        except psutil.NoSuchProcess:
            pass
        except psutil.AccessDenied:
            raise WorkbenchError(
                f"The job {folder.id} is computed by {holder.words if holder else 'somebody'}, "
                "which you may not end: it belongs to somebody else."
            ) from None
    if not _free(folder, ENDED):
        raise WorkbenchError(
            f"The job {folder.id} is held by a process that cannot be found or does not end; find "
            f"it with `fuser {shown_path(folder.lock_file)}`."
        )
    with contextlib.suppress(WorkbenchError), folder.held():
        if not folder.end()[0]:  # it was ended before it could say so
            folder.write_end(STOPPED)
    return job_of(folder)


def _free(folder: JobFolder, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while folder.is_running():
        reap()
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True


def resume(folder: JobFolder) -> Job:
    """Go on with a job that was stopped or killed, or try one that failed once more.

    Raises:
        WorkbenchError: it is done, or as of `start`.
    """
    if folder.end()[0] == DONE and not folder.is_running():
        raise WorkbenchError(f"The job {folder.id} is done.")
    return start(folder)


def remove(folder: JobFolder) -> None:
    """Remove a job's folder, with its result; what a session took from it stays there.

    Raises:
        WorkbenchError: a process computes it, or it cannot be removed.
    """
    with folder.held():
        away = folder.path.with_name(f".removed-{folder.id}")
        with disk_errors(folder.path):
            if away.exists():
                shutil.rmtree(away)
            folder.path.rename(away)  # at once, so that nobody sees half of it
            shutil.rmtree(away)
