"""Former sessions, the latest first, to go on with."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from screens.base.numbers import ABSENT, count, plain, shorten
from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from workbench.session.views import SessionSummary


class SessionList(LineList[SessionSummary]):
    """One session a line; enter resumes it."""

    HEADING = 1
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "resume", show=False)]

    def key(self, row: SessionSummary) -> str:
        return str(row.path)

    def _columns(self, width: int) -> tuple[int, int]:
        """Cells for the model and the task."""
        spare = max(20, width - 2 - 17 - 9 - 14 - 10 - 2)
        return spare // 2, spare - spare // 2

    def heading(self, width: int) -> Text:
        model, task = self._columns(width)
        return Text(
            f"  {'last used':<17}{'model':<{model}}{'task':<{task}}"
            f"{'edges':>9}{'faithfulness':>14}{'commands':>10}"
        )

    def line(self, row: SessionSummary, width: int, under_cursor: bool) -> Text:
        model, task = self._columns(width)
        text = Text(f"{POINTER} " if under_cursor and self.has_focus else "  ")
        text.append(f"{local_time(row.when):<17}")
        text.append(fit(shorten(one_line(row.model), model - 1), model))
        text.append(fit(shorten(one_line(row.task), task - 1), task))
        faithfulness = ABSENT if row.faithfulness is None else plain(row.faithfulness, 3)
        text.append(f"{count(row.edges):>9}{faithfulness:>14}{count(row.n_commands):>10}")
        return text

    def empty(self) -> str:
        return "No former sessions."

    def action_choose(self) -> None:
        if self.highlighted is not None:
            self.post_message(self.Chosen(self, self.highlighted))


def local_time(when: str) -> str:
    """An ISO time in the local zone, to the minute; as it is if it is none."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return when[:16]
