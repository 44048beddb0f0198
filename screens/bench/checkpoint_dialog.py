"""Choosing the checkpoint to which the circuit is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import PENDING, percent, plain, signed
from screens.base.tokens import one_line
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Dialog

if TYPE_CHECKING:
    from workbench.checkpoints.results import AtCheckpoint
    from workbench.checkpoints.sequence import Checkpoint

HINT = (
    "A checkpoint is a model of its own, with a session of its own. It begins there with this "
    "circuit; this session stays as it is, and undo there takes the circuit back."
)


class CheckpointDialog(Dialog[int]):
    """One of a sequence, what is known of the circuit at it below."""

    BINDINGS = [Binding("enter", "choose", "Go to this checkpoint", show=False)]  # noqa: RUF012

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        present: Checkpoint,
        rows: Sequence[AtCheckpoint | None],
        *,
        old: bool,
    ) -> None:
        """`rows`: of each checkpoint, None where nothing is known; `old`: of an earlier circuit."""
        super().__init__()
        self._checkpoints, self._present, self._rows = checkpoints, present, rows
        self._old = old

    def compose(self) -> ComposeResult:
        labels = [(str(i), one_line(one.label)) for i, one in enumerate(self._checkpoints)]
        at = self._checkpoints.index(self._present)
        with Vertical(classes="box"):
            yield Static(Text("Go to another checkpoint with this circuit"), classes="title")
            yield Choice("Checkpoint", labels, str(at), id="checkpoint")
            yield Static(id="definition")
            yield Static(Text(HINT), classes="hint")
            yield Static(
                Text(
                    keyed(
                        "{key:choice.previous} {key:choice.next} choose · enter go there · "
                        "esc cancel"
                    )
                ),
                classes="keys",
            )

    def on_mount(self) -> None:
        self.query_one(Choice).focus()
        self._tell()

    @on(Choice.Changed)
    def _tell(self) -> None:
        row = self._rows[int(self.query_one(Choice).value)]
        self.query_one("#definition", Static).update(Text(told(row, old=self._old)))

    def action_choose(self) -> None:
        self.dismiss(int(self.query_one(Choice).value))


def told(row: AtCheckpoint | None, *, old: bool = False) -> str:
    """What a checkpoint makes of task and circuit, in two lines."""
    if row is None:
        return "Not computed yet."
    if row.reason:
        return one_line(row.reason)
    model = f"model {signed(row.clean or 0.0, 3)}, corrupted {signed(row.corrupted or 0.0, 3)}"
    lines = [f"{row.metric}: {model}, right on {percent(row.clean_accuracy or 0.0)}"]
    if row.circuit is not None:
        share = "undefined" if row.faithfulness is None else plain(row.faithfulness, 4)
        noise = "" if row.does_task else " (the model does not do the task here: noise)"
        change = PENDING if old else ""
        lines.append(f"circuit {signed(row.circuit, 3)}, faithfulness {share}{change}{noise}")
    return "\n".join(lines)
