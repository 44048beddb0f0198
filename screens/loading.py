"""Loading: what is being done while a session opens, how far it is, and a way out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import seconds, shorten
from screens.base.pauses import set_aside
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.navigation import SessionHeld, ShowBench, ShowSetup
from screens.widgets.changes import put_text
from screens.widgets.dialog_keys import LOADING
from workbench.config.config import config
from workbench.errors import Cancelled
from workbench.experiment.settings import AS_FITS, ExperimentSettings

if TYPE_CHECKING:
    from workbench.checkpoints.sequence import Checkpoint
    from workbench.formats.chosen import FileSelection
    from workbench.session.session import Session

Progress = Callable[[str, float | None], None]
TICK = 1.0  # seconds between two looks at the clock
KEPT = 8  # steps listed
BAR = 30


def begin(
    settings: ExperimentSettings,
    say: Progress,
    circuit: Path | None = None,
    beside: Sequence[Session] = (),
    selection: FileSelection | None = None,
    checkpoints: tuple[Checkpoint, ...] = (),
) -> Session:
    """Start the session that is asked for. In a thread: this imports torch.

    Args:
        circuit: a circuit file to begin with.
        beside: sessions that are open already, whose model may serve this one too.
        selection: how a circuit is selected from the scores in that file.
        checkpoints: of the training that its model is on, if it is one of them.
    """
    say("Importing torch and transformers", None)
    from workbench.session.start import begin_session

    rule = config().threshold
    settings = replace(settings, sample=settings.sample or AS_FITS)
    session = begin_session(
        settings,
        circuit=circuit,
        selection=selection,
        threshold=rule,
        progress=say,
        beside=beside,
    )
    if checkpoints:
        from workbench.session.training import follow_training

        follow_training(session, checkpoints)
    return session


def begin_beside(
    session: Session, say: Progress, settings: ExperimentSettings, beside: Sequence[Session] = ()
) -> Session:
    """Start another session on the model of one that is open. In a thread.

    Or on another checkpoint of its training, where the settings name one.
    """
    from workbench.session.start import another_session
    from workbench.session.training import at_checkpoint, training_of

    followed = training_of(session)
    other = None if followed is None else followed.training.named(settings)
    if followed is not None and other is not None and other != followed.present:
        rule = config().threshold
        found = at_checkpoint(session, other, threshold=rule, progress=say, beside=beside)
        if found in beside:  # it is not closed, whoever cancels this
            say("Showing it", None)
        return found
    how: dict[str, Any] = {"pairs": None, "metric": settings.metric, "sample": AS_FITS}
    return another_session(session, settings.task, progress=say, **how)


def go_on(
    path: Path, say: Progress, beside: Sequence[Session] = (), *, take_over: bool = False
) -> Session:
    """Resume the session of a journal. In a thread: this imports torch."""
    say("Importing torch and transformers", None)
    from workbench.session.start import resume_session

    return resume_session(path, progress=say, beside=beside, take_over=take_over)


class Loading(Screen[None]):
    """Runs `opening` in a thread. Cancelling leaves at once; the thread ends at its next step."""

    CSS_PATH = Path(__file__).with_name("loading.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        *(action.binding() for action in LOADING),
    ]

    def __init__(
        self,
        title: str,
        opening: Callable[[Progress], Session],
        show: Callable[[Session], None] | None = None,
    ) -> None:
        """`show`: what shows the session once it is open; None: the bench."""
        super().__init__()
        self.show = show
        self.heading = title
        self.opening = opening
        self.steps: list[tuple[str, float]] = []  # what, and when it began
        self.fraction: float | None = None
        self._cancelled = threading.Event()

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(shorten(self.heading, 66)), id="title")
            yield Static(id="steps")
            yield Static(
                Text(keyed("esc or {key:loading.cancel}: cancel · {key:loading.quit}: quit")),
                id="keys",
            )

    def on_mount(self) -> None:
        self.thread = Worker(self, "loading")
        self.set_interval(TICK, self._draw)
        self._draw()
        # Importing torch would keep the first frame waiting.
        self.call_after_refresh(self.thread.put, self._open, self._opened, self._failed)

    def on_unmount(self) -> None:
        self._cancelled.set()
        self.thread.stop()

    def _open(self) -> Session:
        session = self.opening(self._say)
        if self._cancelled.is_set():  # nobody waits for it any more
            session.close()
            raise Cancelled("loading was cancelled")
        if not self.app.is_headless:
            set_aside()
        return session

    def _say(self, what: str, fraction: float | None) -> None:
        """From the loading thread."""
        if self._cancelled.is_set():
            raise Cancelled("loading was cancelled")
        self.thread.deliver(lambda: self._told(what, fraction))

    def _told(self, what: str, fraction: float | None) -> None:
        if not self.steps or self.steps[-1][0] != what:
            self.steps.append((what, monotonic()))
            del self.steps[:-KEPT]
        self.fraction = fraction
        self._draw()

    def _draw(self) -> None:
        text = Text()
        now = monotonic()
        for i, (what, began) in enumerate(self.steps):
            last = i == len(self.steps) - 1
            ended = now if last else self.steps[i + 1][1]
            if i:
                text.append("\n")
            text.append("▸ " if last else "  ", "bold" if last else "dim")
            text.append(f"{shorten(one_line(what), 52):<53}", "bold" if last else "dim")
            took = seconds(ended - began) if not last or ended - began >= 1 else ""
            text.append(took.rjust(8), "dim")
        if self.fraction is not None:
            full = round(self.fraction * BAR)
            text.append(f"\n  {'█' * full}{'░' * (BAR - full)} {100 * self.fraction:3.0f}%")
        put_text(self.query_one("#steps", Static), text)

    def _opened(self, session: Session) -> None:
        if self._cancelled.is_set():
            session.close()
        elif self.show is not None:
            self.show(session)
        elif not self.post_message(ShowBench(session)):  # this screen is being taken away
            session.close()

    def _failed(self, error: BaseException) -> None:
        from workbench.session.holder import HeldElsewhere

        if self._cancelled.is_set():
            return
        if isinstance(error, HeldElsewhere):
            self.post_message(SessionHeld(error))
        else:
            self.post_message(ShowSetup(complaint=error_sentence(error)))

    def action_cancel(self) -> None:
        self._cancelled.set()
        self.post_message(ShowSetup(complaint="Loading was cancelled."))
