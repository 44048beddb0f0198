"""The question of what becomes of the tutorial."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from screens.base.actions import keyed
from screens.widgets.dialog_keys import LEAVING_TUTORIAL
from screens.widgets.dialogs import Dialog

STAY, LEAVE, RESTART = "stay", "leave", "restart"


class TutorialDialog(Dialog[str]):
    """Stay in the tutorial, leave it or start it over; escape stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in LEAVING_TUTORIAL),
        Binding("left,h", "app.focus_previous", show=False),
        Binding("right,l", "app.focus_next", show=False),
    ]

    def compose(self) -> ComposeResult:
        words = (
            "Leave the tutorial? This session stays open, and is saved as always; "
            "`workbench tutorial` goes on at this step. Or start over, in a new session."
        )
        with Vertical(classes="box"):
            yield Static(Text("Tutorial"), classes="title")
            yield Static(Text(words))
            with Horizontal(classes="buttons"):
                yield Button("Stay (esc)", id=STAY, compact=True)
                yield Button(keyed("Leave ({key:leaving.leave})"), id=LEAVE, compact=True)
                yield Button(keyed("Start over ({key:leaving.restart})"), id=RESTART, compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)
