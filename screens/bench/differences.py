"""The edges in which the circuit and its reference differ; enter goes to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import count, digits_for, shorten, signed
from screens.base.reference_marks import MEANING, SIGNS, shares
from screens.base.tokens import fit, one_line
from screens.widgets.dialog_keys import CHOOSING, REFERENCE
from screens.widgets.dialogs import Dialog
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.circuits.comparison import Comparison, Standing

if TYPE_CHECKING:
    from workbench.session.session import Session

OFF, OTHER = "off", "other"
"""Answers of `Differences` that are no edges: compare with nothing, with another circuit."""
LISTED: tuple[Standing, ...] = ("missing", "extra", "undecided")
MOST = 500  # edges of each kind that are listed: more are not read, and take time to list
NAME = 20  # cells of the names of edges, if none is longer


@dataclass(frozen=True)
class Difference:
    """One edge, where it stands, and the best effect known of it."""

    edge: str
    standing: Standing
    effect: float


class DifferenceList(LineList[Difference]):
    """Missing edges, then extra, then undecided ones, each back from the logits."""

    HEADING = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Go to the edge", show=False),
        *(action.binding() for action in CHOOSING),
    ]

    def __init__(self, rows: list[Difference]) -> None:
        super().__init__()
        self.rows = rows
        self._digits = digits_for(max((abs(row.effect) for row in rows), default=0.0))
        self._edge_cells = max([NAME, *(len(row.edge) + 1 for row in rows)])

    def key(self, row: Difference) -> str:
        return row.edge

    def names(self, row: Difference) -> tuple[tuple[str, str], ...]:
        return (("edge", row.edge),)

    def table(self) -> Table:
        values = tuple((row.edge, row.standing, row.effect) for row in self.rows)
        return Table("differences from the reference", ("edge", "standing", "effect"), values)

    def empty(self) -> str:
        return "None: the circuit is the reference."

    def heading(self, width: int) -> Text:
        effect = max(9, self._digits + 4)
        return Text(fit(f"    {'edge':<{self._edge_cells}}{'effect':>{effect}}", width))

    def line(self, row: Difference, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} {SIGNS[row.standing]} ")
        text.append(fit(row.edge, self._edge_cells))
        text.append(signed(row.effect, self._digits).rjust(max(9, self._digits + 4)))
        text.append("  " + MEANING[row.standing])
        return text

    def action_choose(self) -> None:
        if self.highlighted is not None:
            self.post_message(self.Chosen(self, self.highlighted))


KEYS = (
    "enter go to the edge · {key:reference.off} turn off · "
    "{key:reference.other} another circuit · esc close"
)


class Differences(Dialog[str]):
    """Answers the edge to go to, or `OFF` or `OTHER`."""

    DEFAULT_CSS = """
    Differences .numbers { text-wrap: nowrap; text-overflow: ellipsis; margin-bottom: 1; }
    DifferenceList { height: auto; max-height: 45vh; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in REFERENCE),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        comparison, reference = session.comparison, session.reference
        assert comparison is not None and reference is not None
        self.comparison = comparison
        self.named = reference.name
        edges = [
            (edge, standing)
            for standing in LISTED
            for edge in reversed(getattr(comparison.edges, standing)[-MOST:])
        ]
        effects = session.effects_of([edge for edge, _ in edges])
        self.differences = [
            Difference(*pair, effect) for pair, effect in zip(edges, effects, strict=True)
        ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            title = f"The circuit beside {shorten(one_line(self.named), 48)}"
            yield Static(Text(title), classes="title")
            yield Static(_numbers(self.comparison), classes="numbers")
            yield DifferenceList(self.differences)
            if any(len(getattr(self.comparison.edges, kind)) > MOST for kind in LISTED):
                yield Static(
                    Text(f"Of each kind the {count(MOST)} nearest the logits."), classes="hint"
                )
            yield Static(Text(keyed(KEYS)), classes="keys")

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.dismiss(event.row.edge)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)


def _numbers(comparison: Comparison) -> Text:
    """Counts and shares of edges and of nodes, in columns."""
    rows = [("", "kept", *LISTED, *(name for name, _ in shares(comparison.edges)))]
    for what, overlap in (("edges", comparison.edges), ("nodes", comparison.nodes)):
        kept = f"{count(len(overlap.both))}/{count(overlap.n_reference)}"
        differing = (count(len(getattr(overlap, standing))) for standing in LISTED)
        rows.append((what, kept, *differing, *(value for _, value in shares(overlap))))
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    lines = ["".join(map(str.rjust, row, widths)) for row in rows]
    return Text("\n").join([Text(lines[0], "dim"), *map(Text, lines[1:])])
