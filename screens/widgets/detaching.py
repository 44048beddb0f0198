"""Detaching: a computation of this screen becomes a job, which needs no terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from workbench.jobs.listing import Job

KEYS, SHOWN = "ctrl+d", "^d"
"""The same on every screen that has something to detach."""


def detach(
    screen: Screen[Any], worker: Worker, begin: Callable[[], Job], then: Callable[[], None]
) -> None:
    """Begin a job in a thread, say so, and let go of what is computed here.

    Args:
        begin: begins the job.
        then: lets go of what is computed here, once the job is there.
    """

    def begun(job: Job) -> None:
        then()
        told(screen, job)

    def refused(error: BaseException) -> None:
        screen.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    worker.put(begin, begun, refused)


def told(screen: Screen[Any], job: Job) -> None:
    """Say that a job goes on by itself."""
    screen.notify(
        f"{one_line(job.what)} goes on by itself, also when the app is closed. F5 shows the jobs; "
        "what it finds comes into this session.",
        title="Detached",
        timeout=8,
        markup=False,
    )
