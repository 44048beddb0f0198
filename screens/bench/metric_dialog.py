"""Choosing the metric that the session measures by."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Dialog
from workbench.metrics.catalogue import METRICS

HINT = (
    "Nothing is run again: model, corrupted prompts and circuit are scored anew. The threshold "
    "stays the same share of what corrupting does; effects are old until they are computed again. "
    "Undo goes back."
)


class MetricDialog(Dialog[str]):
    """One of the catalogue, its definition below."""

    BINDINGS = [Binding("enter", "choose", "Measure by this metric", show=False)]  # noqa: RUF012

    def __init__(self, present: str) -> None:
        """`present`: the metric that is measured by now."""
        super().__init__()
        self._present = present

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text("Measure by the metric"), classes="title")
            yield Choice("Metric", [(name, name) for name in METRICS], self._present, id="metric")
            yield Static(id="definition")
            yield Static(Text(HINT), classes="hint")
            yield Static(
                Text(
                    keyed(
                        "{key:choice.previous} {key:choice.next} choose · enter accept · esc cancel"
                    )
                ),
                classes="keys",
            )

    def on_mount(self) -> None:
        self.query_one(Choice).focus()
        self._define()

    @on(Choice.Changed)
    def _define(self) -> None:
        words = METRICS[self.query_one(Choice).value].definition
        self.query_one("#definition", Static).update(Text(words))

    def action_choose(self) -> None:
        self.dismiss(self.query_one(Choice).value)
