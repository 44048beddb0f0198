"""Jobs computed in the process of the test, so that no test waits for another to load torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cases.session_cases import tiny
from workbench.experiment.settings import ExperimentSettings
from workbench.jobs import detach, process
from workbench.jobs.folder import JobFolder, find_folder, jobs_folder
from workbench.jobs.listing import Job, job_of
from workbench.jobs.work import work


def refuse(arguments: list[str], say: Callable[[str, float | None], None]) -> int:
    """No command is run."""
    raise AssertionError(arguments)


def compute(job: Job | str) -> Job:
    """Compute a job here, as its process would."""
    folder = find_folder(job if isinstance(job, str) else job.id)
    folder.forget_end()
    work(folder.path, refuse)
    return job_of(folder)


def jobs_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let jobs stand in a folder, wait to be computed by `compute`, and take the tiny model."""

    def not_started(job: JobFolder) -> Job:
        job.spec()
        return job_of(job)

    monkeypatch.setenv("WORKBENCH_STATE", str(folder))
    monkeypatch.setattr(detach, "start", not_started)
    monkeypatch.setattr(process, "start", not_started)
    monkeypatch.setattr(ExperimentSettings, "load_model", lambda self, progress=None: tiny()[0])
    return jobs_folder()
