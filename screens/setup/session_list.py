"""The list of sessions: those that are open in this app, then the latest first."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from screens.base.numbers import ABSENT, count, plain, shorten
from screens.base.tokens import fit, one_line
from screens.setup.keys import SESSION_ACTIONS
from screens.setup.session_row import SessionRow
from screens.widgets.line_list import POINTER, LineList

OPEN_MARK = "●"
"""Before a session that is open in this app."""
DAMAGED_MARK = "✗"
"""Before one whose journal cannot be read."""
ROOMY = 110
"""Columns from which model and task have columns of their own."""
MODEL, TASK = 18, 22
"""Cells of these columns."""


class SessionList(LineList[SessionRow]):
    """One session a line; its keys are for the screen, which is asked by messages of its own."""

    HEADING = 1
    HELP = (
        "The sessions, those that are open in this app first (●): they are as they were left, and "
        "share the model where it is the same. Enter goes to one of them, or loads another. One "
        "whose journal cannot be read (✗) says why. {key:sessions.entitle} gives a session a "
        "title and tags, by which "
        "it is found here and by `workbench resume`. {key:sessions.remove} closes one that is "
        "open, which frees its "
        "memory, and moves one that is not to the trash."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding(of_screen=True) for action in SESSION_ACTIONS),
    ]

    def key(self, row: SessionRow) -> str:
        return str(row.summary.path)

    def words(self, row: SessionRow) -> str:
        """All that a row can be found by, be there room to show it or not."""
        return row.summary.words

    def heading(self, width: int) -> Text:
        numbers = f"{'edges':>8}{'faithfulness':>13}{'commands':>9}"
        if width < ROOMY:
            return Text(f"    {'last used':<17}{fit('session', _what(width))}{numbers}")
        title = fit("title", _what(width))
        columns = f"{'model':<{MODEL}}{'task':<{TASK}}{numbers}"
        return Text(f"    {'last used':<17}{title}{columns}")

    def line(self, row: SessionRow, width: int, under_cursor: bool) -> Text:
        session = row.summary
        text = Text(f"{POINTER} " if under_cursor and self.has_focus else "  ")
        mark = OPEN_MARK if row.here else DAMAGED_MARK if session.damage else " "
        text.append(f"{mark} {local_time(session.when):<17}")
        room = _what(width)
        about = " ".join([*filter(None, [session.title]), *(f"#{tag}" for tag in session.tags)])
        if session.damage:
            said = f"{about or session.path.stem}: damaged. {session.damage}"
            return text.append(shorten(one_line(said), width - text.cell_len), "dim")
        model, task = one_line(session.model), one_line(session.task)
        if width < ROOMY:
            # Of a path, and of an author's name and a model's, the end tells most.
            names = [one_line(about), PurePath(model).name, PurePath(task).name]
            what = " · ".join(filter(None, names))
            text.append(fit(shorten(what, room - 1), room))
        else:
            text.append(fit(shorten(one_line(about or session.path.stem), room - 1), room))
            text.append(fit(shorten(model, MODEL - 1), MODEL))
            text.append(fit(shorten(task, TASK - 1), TASK))
        faithfulness = ABSENT if session.faithfulness is None else plain(session.faithfulness, 3)
        text.append(f"{count(session.edges):>8}{faithfulness:>13}")
        return text.append(f"{count(session.n_commands):>9}")

    def empty(self) -> str:
        return "No former sessions."


def _what(width: int) -> int:
    """Cells for the words of a session, or for its title."""
    others = 4 + 17 + 8 + 13 + 9 + (MODEL + TASK if width >= ROOMY else 0)
    return max(12, width - others - 1)


def local_time(when: str) -> str:
    """An ISO time in the local zone, to the minute; as it is if it is none."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return when[:16]
