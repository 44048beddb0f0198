"""Messages by which a screen asks for another screen; no screen knows the app itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.session.session import Session


class OpenSession(Message):
    """Load what is asked for, then show it."""

    def __init__(self, settings: ExperimentSettings) -> None:
        super().__init__()
        self.settings = settings


class ResumeSession(Message):
    """Load the model and task of a journal and go on where it ends."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


class OpenTutorial(Message):
    """Go on with the tutorial where it was left; `restart`: begin it anew."""

    def __init__(self, *, restart: bool = False) -> None:
        super().__init__()
        self.restart = restart


class ShowSetup(Message):
    """Ask what to open; `complaint` says why the last try failed."""

    def __init__(self, settings: ExperimentSettings | None = None, complaint: str = "") -> None:
        super().__init__()
        self.settings = settings
        self.complaint = complaint


class ShowBench(Message):
    """Show a session that is open."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
