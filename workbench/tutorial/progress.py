"""Progress: how far the tutorial is, in a small file of the state folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.base.folders import make_private, state_folder
from workbench.base.json_values import read_values, shaped
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.tutorial.steps import STEPS

NAME = "tutorial.json"
FINISHED = "finished"
"""In place of a step's key: the tutorial was taken to its end."""


@dataclass(frozen=True)
class TutorialProgress:
    """Where the tutorial stands.

    Attributes:
        journal: of the session that it is taken in.
        step: key of the present step, or `FINISHED`.
        remark: what was said of the step when it was done; None while it is not.
    """

    journal: str
    step: str
    remark: str | None = None

    @property
    def at(self) -> int:
        """Index of the present step."""
        return next(i for i, step in enumerate(STEPS) if step.key == self.step)


def progress_path() -> Path:
    """The file in which progress is kept."""
    return state_folder() / NAME


def read_progress() -> TutorialProgress | None:
    """What was kept; None if there is nothing, or the tutorial was finished.

    Raises:
        WorkbenchError: the file cannot be read, or does not say where the tutorial stands.
    """
    path = progress_path()
    try:
        progress = shaped(TutorialProgress, read_values(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise WorkbenchError(f"{path} is damaged.") from None
    if progress.step not in [FINISHED, *(step.key for step in STEPS)]:
        raise WorkbenchError(f"{path} does not say which step is on.")
    return None if progress.step == FINISHED else progress


def write_progress(progress: TutorialProgress) -> None:
    """Keep it; there is never half a file.

    Raises:
        WorkbenchError: it cannot be written.
    """
    path = progress_path()
    try:
        make_private(path.parent)
        write_bytes(path, json.dumps(asdict(progress)).encode("ascii") + b"\n")
    except OSError as error:
        raise WorkbenchError(
            f"The tutorial's place cannot be kept in {path}: {(error.strerror or '').lower()}."
        ) from None
