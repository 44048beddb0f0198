"""An assessment's questions as a list, each with the number that says most of its answer."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from screens.base.numbers import PENDING
from screens.base.tokens import fit
from screens.widgets.line_list import POINTER, LineList
from workbench.assessment.catalogue import Part
from workbench.base.table import Table

TITLE = 22
ASKED, STALE = "·", "~"


@dataclass(frozen=True)
class PartRow:
    """One question.

    Attributes:
        answer: its answer in a few characters; empty if there is none yet.
        stale: the answer is about the circuit before an edit.
        done: the fraction done while it is being computed, else None.
        waiting: it is to be computed after others.
        failed: there is a reason why it could not be answered.
    """

    part: Part
    answer: str = ""
    stale: bool = False
    done: float | None = None
    waiting: bool = False
    failed: bool = False


class PartList(LineList[PartRow]):
    """The list; enter or a double click answers the question."""

    HELP = """\
The questions that an assessment asks of a circuit. **{key:assessment.run}** answers one for the
circuit as it stands, **{key:assessment.run_all}** all of them; stepping on the bench goes on
meanwhile. A ~ before an answer says that the circuit was edited since; what was found then stays
until it is asked again.
"""

    def key(self, row: PartRow) -> str:
        return row.part.name

    def names(self, row: PartRow) -> tuple[tuple[str, str], ...]:
        return (("question", row.part.title),)

    def table(self) -> Table:
        rows = ((r.part.name, r.part.title, r.answer or None, r.stale) for r in self.rows)
        return Table("assessment", ("part", "question", "answer", "stale"), tuple(rows))

    def line(self, row: PartRow, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} {fit(row.part.title, TITLE)}")
        text.append(fit(f"{self._answer(row):>{width - TITLE - 3}}", width - TITLE - 3), "bold")
        return text

    def _answer(self, row: PartRow) -> str:
        if row.done is not None:
            return f"{100 * row.done:.0f}%{PENDING}"
        if row.waiting:
            return PENDING
        if row.failed:
            return "no answer"
        if not row.answer:
            return ASKED
        return (STALE if row.stale else "") + row.answer
