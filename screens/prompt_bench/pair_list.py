"""The pairs of the session as a list: which are in use, added, and being typed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text

from screens.base.tokens import fit, one_line, show_token
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.session.pair_set import SetPair

IN_USE, ASIDE, UNSAMPLED = "●", "○", "·"
DRAFT = "✎"
ADDED = "+"
ANSWERS = 18
"""Cells of the answers."""


@dataclass(frozen=True)
class PairRow:
    """One pair.

    Attributes:
        index: among all pairs of the set, from 0.
        one: the pair, and whether it is put aside.
        own: it is one of those that the task was loaded with.
        draft: something else is typed for it and not kept.
    """

    index: int
    one: SetPair
    own: bool
    draft: bool


def pair_rows(
    pairs: tuple[SetPair, ...], own: Container[object], drafts: Container[object]
) -> list[PairRow]:
    """The rows of a set."""
    return [PairRow(i, one, one.pair in own, one.pair in drafts) for i, one in enumerate(pairs)]


class PairList(LineList[PairRow]):
    """The list."""

    HEADING: ClassVar[int] = 1
    HELP = """\
All pairs of the session. ● is in use: the session's numbers are means over these. ○ is put aside,
· is outside of the sample that edits are answered from, + was added or changed, ✎ has something
typed that is not kept yet.

Enter evaluates a pair in the whole model and in the present circuit, and nothing else is computed
again. tab goes to the fields, where a pair is typed. What is kept is a command, with undo, and all
numbers of the session are those of the new set; effects of other pairs are shown as old until they
are computed again.
"""

    def key(self, row: PairRow) -> str:
        return str(row.index)

    def names(self, row: PairRow) -> tuple[tuple[str, str], ...]:
        return (("clean", row.one.pair.clean), ("corrupted", row.one.pair.corrupted))

    def table(self) -> Table:
        columns = ("pair", "in use", "clean", "corrupted", "answers", "wrong answers")
        values = tuple(
            (
                *(row.index + 1, row.one.used, row.one.pair.clean, row.one.pair.corrupted),
                *("|".join(row.one.pair.answers), "|".join(row.one.pair.wrong_answers)),
            )
            for row in self.rows
        )
        return Table("pairs", columns, values)

    def heading(self, width: int) -> Text:
        return Text(fit(f"{'pair':>9}   {'answer / wrong':<{ANSWERS}} clean prompt", width))

    def line(self, row: PairRow, width: int, under_cursor: bool) -> Text:
        pair = row.one.pair
        mark = ASIDE if row.one.aside else UNSAMPLED if row.one.unsampled else IN_USE
        text = Text(f"{POINTER if under_cursor else ' '} {mark} {row.index + 1:>5}")
        text.append(DRAFT if row.draft else " " if row.own else ADDED)
        first = [show_token(texts[0]) if texts else "none" for texts in _answers(row.one)]
        dim = "" if row.one.used else "dim"
        text.append(f"  {fit(' / '.join(first), ANSWERS)} ", dim)
        rest = max(0, width - text.cell_len)
        text.append(fit(one_line(pair.clean), rest), dim)
        return text


def _answers(one: SetPair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return one.pair.answers, one.pair.wrong_answers
