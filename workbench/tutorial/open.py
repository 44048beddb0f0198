"""Opening the tutorial's session: the one that it was left in, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.progress import Progress as Say
from workbench.base.progress import silent
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.tutorial.progress import TutorialProgress, read_progress
from workbench.tutorial.tour import Tour

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.session.session import Session

MODEL, TASK = "pocket", "greater-than"


@dataclass(frozen=True)
class TakenUp:
    """A session and the tutorial in it.

    Attributes:
        said: a sentence if the tutorial begins anew though it had been begun; else nothing.
    """

    session: Session
    tour: Tour
    said: str = ""


def take_up(
    *, restart: bool = False, progress: Say = silent, beside: Sequence[Session] = ()
) -> TakenUp:
    """Go on with the tutorial where it was left, or begin it.

    Args:
        restart: begin it in any case.
        progress: told what is being done.
        beside: sessions that are open; the model of one of them is taken if it is the same.

    Raises:
        WorkbenchError: the model cannot be loaded, or the session is open elsewhere.
    """
    from workbench.models.model import load_model
    from workbench.session.sharing import shared_model
    from workbench.session.start import build_session, resume_session

    said = ""
    asked = ExperimentSettings(MODEL, TASK)
    model = shared_model(asked, beside) or load_model(MODEL, progress=progress)
    try:
        kept = None if restart else read_progress()
        if kept is not None:
            check_journal(Path(kept.journal), model.graph)
    except WorkbenchError as error:
        kept = None
        said = f"The tutorial begins anew: {str(error).rstrip('.')}."
    if kept is not None:
        session = resume_session(Path(kept.journal), model=model, progress=progress)
        return TakenUp(session, tour_of(kept))
    from workbench.prompts.task_file import resolve_task

    task = resolve_task(TASK, model.tokenizer, pairs=None, seed=0, metric=None)
    return TakenUp(build_session(model, task, progress=progress), Tour(), said)


def tour_of(kept: TutorialProgress) -> Tour:
    """The tutorial where it was left."""
    return Tour(at=kept.at, remark=kept.remark)


def check_journal(path: Path, graph: Graph) -> None:
    """Refuse a journal that cannot be gone on with.

    Raises:
        WorkbenchError: it is gone or damaged, or it belongs to a model of another shape.
    """
    from workbench.session.header import Header
    from workbench.session.journal import read
    from workbench.session.start import replayed

    reading = read(path)
    began = Header.from_json(reading.header)
    if began.graph != graph:
        raise WorkbenchError(f"the model {MODEL} has another shape than when {path} was written")
    replayed(began, reading, path)
