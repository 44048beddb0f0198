"""Choosing answers from the model's likeliest tokens after a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import percent
from screens.base.tokens import fit, show_token
from screens.widgets.dialog_keys import LIKELIEST
from screens.widgets.dialogs import Dialog
from screens.widgets.line_list import POINTER, LineList

if TYPE_CHECKING:
    from workbench.engine.trial_results import TokenChance

PICKED = "✓"


class TokenList(LineList["TokenChance"]):
    """The tokens, the likeliest first.

    Attributes:
        picked: ids of those that are picked.
    """

    def __init__(self, tokens: Sequence[TokenChance], picked: set[int]) -> None:
        super().__init__()
        self.rows = list(tokens)
        self.picked = picked
        self.styles.height = min(14, len(self.rows))

    def key(self, row: TokenChance) -> str:
        return str(row.token)

    def names(self, row: TokenChance) -> tuple[tuple[str, str], ...]:
        return (("token", row.text),)

    def line(self, row: TokenChance, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} ")
        text.append(PICKED if row.token in self.picked else " ", "bold")
        text.append(f" {fit(show_token(row.text), 26)}{percent(row.probability):>8}")
        return text

    def clicked(self, row: TokenChance | None, x: int) -> bool:
        if row is not None:
            self.turn(row)
        return True

    def turn(self, row: TokenChance) -> None:
        """Pick a token, or let go of it."""
        self.picked ^= {row.token}
        self.refresh()


class Likeliest(Dialog[tuple[str, ...]]):
    """Answers the texts of the tokens that were picked, the likeliest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Take those that are picked", show=False),
        *(action.binding() for action in LIKELIEST),
    ]

    def __init__(self, title: str, tokens: Sequence[TokenChance], present: Sequence[str]) -> None:
        """`present`: the answers that stand there already."""
        super().__init__()
        self.heading = title
        self.tokens = tokens
        self.present = tuple(present)

    def compose(self) -> ComposeResult:
        picked = {one.token for one in self.tokens if one.text in self.present}
        with Vertical(classes="box"):
            yield Static(Text(self.heading), classes="title")
            yield TokenList(self.tokens, picked)
            yield Static(
                Text(keyed("{key:likeliest.pick} pick · enter take · esc cancel")), classes="keys"
            )

    def on_mount(self) -> None:
        self.query_one(TokenList).focus()

    def action_pick(self) -> None:
        tokens = self.query_one(TokenList)
        if tokens.highlighted is not None:
            tokens.turn(tokens.highlighted)

    def action_choose(self) -> None:
        """Take what is picked; with nothing picked, what is under the cursor."""
        tokens = self.query_one(TokenList)
        shown = {one.text for one in self.tokens}
        others = tuple(text for text in self.present if text not in shown)
        chosen = tuple(one.text for one in self.tokens if one.token in tokens.picked)
        if not chosen and tokens.highlighted is not None:
            chosen = (tokens.highlighted.text,)
        self.dismiss((*others, *chosen))
