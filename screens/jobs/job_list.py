"""The jobs as a list: how each stands, what it is, of which model and task."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from screens.base.actions import keyed
from screens.base.numbers import seconds, whole_percent
from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.jobs.listing import Job

STATE, OF, TIME = 12, 26, 10
LEAST = 20
WIDE = 100
MARKS = {"running": "▶", "done": "●", "stopped": "■", "killed": "!", "failed": "✗"}
"""Of states, so that none needs a colour."""
COLUMNS = (
    *("id", "state", "what", "model", "task", "session", "created", "fraction", "seconds", "left"),
    "sentence",
)


class JobList(LineList[Job]):
    """The list, the latest job first."""

    HEADING: ClassVar[int] = 1
    HELP = """\
A job is a discovery, an assessment or clusters that was detached ({key:bench.detach}), or a command
with `--detach`. It goes on when the app is closed or the line drops, and what it finds comes into
its session, also after that was closed and resumed.

- **▶**: it is computed now; the percentage is of what it is at
- **● done**: a session's result is in the session, a command's in its files
- **■ stopped**, **! killed**: what is finished is kept, {key:jobs.resume} goes on from there
- **✗ failed**: why is told below
"""

    def key(self, row: Job) -> str:
        return row.id

    def names(self, row: Job) -> tuple[tuple[str, str], ...]:
        return (("job", row.id), ("command", f"workbench jobs follow {row.id}"))

    def table(self) -> Table:
        told = (row.to_json() for row in self.rows)
        return Table("jobs", COLUMNS, tuple(tuple(row[name] for name in COLUMNS) for row in told))

    def empty(self) -> str:
        return keyed(
            "There are no jobs: {key:bench.detach} on the bench makes one, or a command with "
            "--detach."
        )

    def heading(self, width: int) -> Text:
        return Text(
            fit("  state", STATE)
            + fit("what", self._room(width))
            + (fit("model and task", OF) if width >= WIDE else "")
            + f"{'time':>{TIME}}"
        )

    def line(self, row: Job, width: int, under_cursor: bool) -> Text:
        state = f"{MARKS.get(row.state, '?')} {row.state}"
        if row.state == "running" and row.fraction is not None:
            state = f"{MARKS['running']} {whole_percent(row.fraction)}"
        text = Text(fit(f"{POINTER if under_cursor else ' '}{state}", STATE))
        text.append(fit(one_line(row.what or row.id), self._room(width)))
        if width >= WIDE:
            text.append(fit(one_line(f"{row.model.rpartition('/')[2]} {row.task}"), OF))
        text.append(f"{seconds(row.seconds) if row.seconds else '':>{TIME}}")
        return text

    def _room(self, width: int) -> int:
        return max(LEAST, width - STATE - TIME - (OF if width >= WIDE else 0))
