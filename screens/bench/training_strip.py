"""The strip under the status: the present circuit at every checkpoint of a training.

It is computed away from the screen once no command has come for a moment, and anew when the circuit
has changed; no key waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from screens.base.actions import keyed
from screens.base.numbers import PENDING, percent, plain
from screens.base.tokens import fit, one_line
from screens.base.worker import Worker, error_sentence
from screens.bench.checkpoint_dialog import CheckpointDialog
from screens.navigation import OpenBeside
from screens.widgets.sparkline import strip_of
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.checkpoints.results import AtCheckpoint
    from workbench.checkpoints.sequence import Checkpoint
    from workbench.session.session import Session
    from workbench.session.training import SessionTraining

SETTLED = 0.5
"""Seconds without a command, after which it is computed."""
LABEL = 11
WORDS = 34
"""Cells of the words to the left and to the right of the bars."""
NONE = (
    "This model is on no training: open it by workbench open MODEL --checkpoints FOLDER, where "
    "FOLDER holds folders checkpoint-N."
)


class TrainingStrip(Widget):
    """Two lines of bars, one for each checkpoint: faithfulness, and the model's accuracy.

    Attributes:
        rows: what is known of the present circuit, by checkpoint.
        old: these are of an earlier circuit.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"training-strip--label"}
    DEFAULT_CSS = """
    TrainingStrip {
        display: none;
        height: 2;
        background: $panel;
        color: $foreground;
        &.-on { display: block; }
        & > .training-strip--label { color: $text-muted; }
    }
    """

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.session = session
        self.rows: dict[Checkpoint, AtCheckpoint] = {}
        self.old = False
        self._followed: SessionTraining | None = None
        self._of: tuple[object, ...] = ()
        self._cancel = threading.Event()
        self._timer: Timer | None = None
        self._thread: Worker | None = None

    def on_unmount(self) -> None:
        self._cancel.set()
        if self._thread is not None:
            self._thread.stop()

    @property
    def idle(self) -> bool:
        """All is known, or there is nothing to know."""
        return self._followed is None or not (self.old or self._timer or self._at_work)

    @property
    def _at_work(self) -> bool:
        return self._thread is not None and self._thread.waiting > 0

    def follow(self) -> None:
        """The session may have changed: what is of another circuit is computed anew, soon."""
        if self._followed is None:
            from workbench.session.training import training_of

            self._followed = training_of(self.session)
            if self._followed is None:
                return
            self.set_class(True, "-on")
            self.screen.set_class(True, "-training")
            self._thread = Worker(self, "training")
        of = self._followed.what()
        if of == self._of:
            return
        self._of, self.old = of, True
        self._cancel.set()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(SETTLED, self._begin)
        self.refresh()

    def _begin(self) -> None:
        self._timer = None
        followed, thread = self._followed, self._thread
        assert followed is not None and thread is not None
        cancel = self._cancel = threading.Event()
        of, first = self._of, [True]

        def came(row: AtCheckpoint) -> None:
            if of == self._of and not cancel.is_set():
                if first:
                    first.clear()
                    self.rows.clear()
                self.rows[row.checkpoint] = row
                self.refresh()

        def deliver(row: AtCheckpoint) -> None:
            thread.deliver(lambda: came(row))

        def done(_: object) -> None:
            if of == self._of:
                self.old = False
                self.refresh()

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled) and of == self._of:
                self.old = False
                self.notify(error_sentence(error), severity="error", markup=False)

        thread.put(lambda: followed.run(deliver, cancel), done, failed)

    # Going to another one.

    def ask(self) -> None:
        """Let the user choose a checkpoint, and go there with this circuit."""
        if self._followed is None:
            self.notify(NONE, timeout=8, markup=False)
            return
        followed = self._followed
        rows = [self.rows.get(one) for one in followed.checkpoints]
        dialog = CheckpointDialog(followed.checkpoints, followed.present, rows, old=self.old)
        go: Callable[[int | None], None] = lambda at: (  # noqa: E731
            None if at is None else self._go(followed.checkpoints[at])
        )
        self.app.push_screen(dialog, go)

    def _go(self, checkpoint: Checkpoint) -> None:
        assert self._followed is not None
        if checkpoint != self._followed.present:
            settings = replace(
                self.session.settings, model=checkpoint.model, revision=checkpoint.revision
            )
            self.post_message(OpenBeside(self.session, settings))

    def on_click(self, event: events.Click) -> None:
        """A click on a bar goes to its checkpoint."""
        followed = self._followed
        if followed is None:
            return
        n, cells = len(followed.checkpoints), self._cells
        cell = event.x - LABEL
        if 0 <= cell < cells:
            self._go(followed.checkpoints[cell * n // cells])

    # Showing.

    @property
    def _cells(self) -> int:
        n = 0 if self._followed is None else len(self._followed.checkpoints)
        return max(1, min(n, self.size.width - LABEL - WORDS))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text = Text() if self._followed is None else self._line(self._followed, y, width)
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)

    def _line(self, followed: SessionTraining, y: int, width: int) -> Text:
        rows = [self.rows.get(one) for one in followed.checkpoints]
        at = followed.checkpoints.index(followed.present)
        here, label = rows[at], self.get_component_rich_style("training-strip--label")
        n, cells = len(rows), self._cells
        values = _shares(rows) if y == 0 else _abilities(rows)
        bars = Text(strip_of(values, cells), "dim" if self.old else "")
        cell = at * cells // n
        bars.stylize("bold reverse", cell, cell + 1)
        text = Text(fit("over steps" if y == 0 else "model", LABEL), label).append_text(bars)
        text.append("  ")
        if y == 0:
            named = one_line(followed.present.label)
            where = (
                f"{at + 1} of {n}: {'step ' if followed.present.step is not None else ''}{named}"
            )
            text.append(fit(where, width - text.cell_len - 1).rstrip())
            keys = keyed("   {key:bench.checkpoints} another")
            if text.cell_len + len(keys) < width:
                text.append(keys, label)
            return text
        computing = PENDING if self.old else ""
        if here is not None and here.clean_accuracy is not None:
            share = "undefined" if here.faithfulness is None else plain(here.faithfulness, 3)
            said = f"right {percent(here.clean_accuracy)}, faithfulness {share}{computing}"
            text.append(fit(said, width - text.cell_len - 1).rstrip(), "dim" if self.old else "")
        else:
            text.append(computing)
        return text


def _shares(rows: list[AtCheckpoint | None]) -> list[float | None]:
    """Faithfulness where the model does the task: else it is a ratio of noise."""
    found: list[float | None] = []
    for row in rows:
        known = row is not None and row.does_task and row.faithfulness is not None
        found.append(min(1.0, max(0.0, row.faithfulness or 0.0)) if known and row else None)
    return found


def _abilities(rows: list[AtCheckpoint | None]) -> list[float | None]:
    return [None if row is None else row.clean_accuracy for row in rows]
