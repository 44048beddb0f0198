"""Deleting a session: its journal and all that lies beside it goes to the trash folder.

To the trash and not away: a journal is hours of somebody's work, and takes little room. The trash
is a folder beside that of the sessions; nothing but the user empties it. Importing this loads no
torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from workbench.base.folders import make_private, sessions_folder, trash_folder
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError
from workbench.session.holder import claim_path, held, holder_path


@dataclass(frozen=True)
class Removed:
    """What was moved to the trash.

    Attributes:
        folder: where it lies now.
        names: of the files and folders, the journal first.
    """

    folder: Path
    names: tuple[str, ...]


def files_of(journal: Path) -> tuple[Path, ...]:
    """The journal and what is kept beside it: results, title, and whatever else has its name."""
    beside = sorted(journal.parent.glob(f"{_literally(journal.stem)}.*"))
    own = (journal, holder_path(journal), claim_path(journal))
    return (journal, *(path for path in beside if path not in own))


def remove_session(journal: Path) -> Removed:
    """Move a session, damaged or not, to the trash.

    Raises:
        HeldElsewhere: it is open.
        WorkbenchError: it is none of those in the state folder, or cannot be moved.
    """
    if journal.resolve().parent != sessions_folder().resolve():
        raise WorkbenchError(
            f"{shown_path(journal)} does not lie in the folder of the sessions; delete the file "
            "yourself."
        )
    try:
        with held(journal):
            folder = _new_folder(journal.stem)
            # The journal first: without it the rest is in nobody's way.
            moved = files_of(journal)
            for path in moved:
                path.replace(folder / path.name)
            holder_path(journal).unlink(missing_ok=True)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise WorkbenchError(f"{shown_path(journal)} cannot be deleted: {why}.") from None
    return Removed(folder, tuple(path.name for path in moved))


def _new_folder(name: str) -> Path:
    number = 1
    while True:
        folder = trash_folder() / (name if number == 1 else f"{name}-{number}")
        try:
            make_private(folder.parent)
            os.mkdir(folder, 0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def _literally(name: str) -> str:
    from glob import escape

    return escape(name)
