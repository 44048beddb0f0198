"""Messages by which a screen asks for another screen; no screen knows the app itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.session.about import SessionAbout
    from workbench.session.holder import HeldElsewhere
    from workbench.session.session import Session


class OpenSession(Message):
    """Load what is asked for, then show it."""

    def __init__(self, settings: ExperimentSettings) -> None:
        super().__init__()
        self.settings = settings


class OpenBeside(Message):
    """Open what is asked for on the model of a session that is open, then show it."""

    def __init__(self, session: Session, settings: ExperimentSettings) -> None:
        super().__init__()
        self.session = session
        self.settings = settings


class ResumeSession(Message):
    """Load the model and task of a journal and go on where it ends.

    Attributes:
        take_over: end the process that holds it.
    """

    def __init__(self, path: Path, *, take_over: bool = False) -> None:
        super().__init__()
        self.path = path
        self.take_over = take_over


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


class GoToSession(Message):
    """Show a session that is open in the app; without a path the one that was shown last."""

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.path = path


class CloseSession(Message):
    """Close a session that is open in the app and not shown."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


class EntitleSession(Message):
    """Give a session, open or not, a title and tags."""

    def __init__(self, path: Path, about: SessionAbout) -> None:
        super().__init__()
        self.path = path
        self.about = about


class SessionHeld(Message):
    """A session could not be opened, since another process holds it."""

    def __init__(self, error: HeldElsewhere) -> None:
        super().__init__()
        self.error = error
