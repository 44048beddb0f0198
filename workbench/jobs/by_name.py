"""Jobs by their names, for scripts. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.jobs import listing, process
from workbench.jobs.folder import find_folder
from workbench.jobs.listing import Job


def find_job(name: str) -> Job:
    """How a job stands.

    Args:
        name: its id, or the beginning or the end of it.

    Raises:
        WorkbenchError: there is none, or there are several.
    """
    return listing.job_of(find_folder(name))


def follow_job(name: str) -> Iterator[Job]:
    """How a job stands, whenever that is other than before, until it runs no more.

    Raises:
        WorkbenchError: as `find_job`.
    """
    return listing.follow(find_folder(name))


def stop_job(name: str) -> Job:
    """End a job's process; what is finished is kept, and the job can go on.

    Raises:
        WorkbenchError: as `find_job`; it is not running, or cannot be ended from here.
    """
    return process.stop(find_folder(name))


def resume_job(name: str) -> Job:
    """Go on with a job that was stopped or killed, or try one that failed once more.

    Raises:
        WorkbenchError: as `find_job`; it is running or done, or no process can be started.
    """
    return process.resume(find_folder(name))


def remove_job(name: str) -> None:
    """Remove a job that is not running, with its result; a session keeps what it took from it.

    Raises:
        WorkbenchError: as `find_job`; it is running, or cannot be removed.
    """
    process.remove(find_folder(name))
