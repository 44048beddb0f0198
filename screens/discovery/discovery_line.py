"""The line of the discovery under way: it runs it and tells of it.

A discovery runs beside commands and sweeps.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.message import Message
from textual.strip import Strip

from screens.base.actions import keyed
from screens.base.numbers import seconds
from screens.base.worker import Worker
from screens.widgets.running_line import RunningLine
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from screens.discovery.dialog import DiscoveryRequest
    from workbench.session.results import DiscoveryResult
    from workbench.session.session import Session

TELLING = 0.5
"""Seconds before a time left is told: the first pieces are no guide."""
TICK = 0.5
"""Seconds between two looks at the clock while a discovery runs."""


@dataclass
class RunningDiscovery:
    """A discovery under way.

    Attributes:
        fraction: of the work that is done.
        let_go: it goes on elsewhere: here it ends at its next piece, and nothing is held of it.
    """

    request: DiscoveryRequest
    cancel: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=monotonic)
    fraction: float = 0.0
    let_go: bool = False

    def left(self, now: float) -> float | None:
        """Seconds to go, going by what was done; None if too little was."""
        took = now - self.began
        if took < TELLING or self.fraction <= 0:
            return None
        return took * (1 - self.fraction) / self.fraction


class DiscoveryLine(RunningLine):
    """Method, bar, share done, time left, and how to end it; not there while nothing runs."""

    class Found(Message):
        """A discovery is over, and this is held of it."""

        def __init__(self, result: DiscoveryResult) -> None:
            super().__init__()
            self.result = result

    class FoundNothing(Message):
        """A discovery is over, and nothing is held of it."""

        def __init__(self, error: BaseException) -> None:
            super().__init__()
            self.error = error

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.session = session
        self.run: RunningDiscovery | None = None

    def on_mount(self) -> None:
        self._thread = Worker(self, "discovery")
        self._clock = self.set_interval(TICK, self._show, pause=True)

    def on_unmount(self) -> None:
        self.cancel()
        self._thread.stop()

    def start(self, request: DiscoveryRequest) -> None:
        """Begin; nothing may be under way."""
        assert self.run is None
        run = self.run = RunningDiscovery(request)
        session = self.session

        def on_piece(fraction: float) -> None:
            if run.let_go:
                raise Cancelled
            self._thread.deliver(lambda: self._came(run, fraction))

        def work() -> DiscoveryResult:
            return session.discoveries.run(
                request.method,
                request.options,
                request.selection,
                cancel=run.cancel,
                on_piece=on_piece,
                show=False,  # the bench knows when that is welcome
            )

        self._thread.put(
            work,
            lambda result: self._over(self.Found(result)),
            lambda error: self._over(None if run.let_go else self.FoundNothing(error)),
        )
        self._clock.resume()
        self._show()

    def cancel(self) -> bool:
        """End what is under way after its present piece; False if nothing is."""
        if self.run is None:
            return False
        self.run.cancel.set()
        self._show()
        return True

    def let_go(self) -> None:
        """It goes on elsewhere: end it here, and hold nothing of it."""
        if self.run is not None:
            self.run.let_go = True
            self._show()

    def _came(self, run: RunningDiscovery, fraction: float) -> None:
        if run is self.run:
            run.fraction = fraction
            self._show()

    def _over(self, message: Message | None) -> None:
        self.run = None
        self._clock.pause()
        self._show()
        if message is not None:
            self.post_message(message)

    def _show(self) -> None:
        self.set_class(self.run is not None, "-running")
        self.refresh()

    def render_line(self, y: int) -> Strip:
        text = Text() if self.run is None else progress_line(self.run, self.size.width, monotonic())
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(self.size.width)
        return strip.apply_style(self.rich_style)


def progress_line(run: RunningDiscovery, width: int, now: float) -> Text:
    """The line at this width; its last words can be clicked."""
    left = run.left(now)
    if run.let_go or run.cancel.is_set():
        words = "stopping after this piece…"
    else:
        words = "" if left is None else f"{seconds(left)} left"
    before = f" {run.request.method} "
    after = f" {int(100 * run.fraction):>3}%  {words:<12}  "
    end = keyed("{key:bench.stop_discovery} stop, keep what it found")
    cells = max(4, min(40, width - len(before) - len(after) - len(end) - 1))
    full = round(run.fraction * cells)
    text = Text(before, "bold")
    text.append("█" * full + "░" * (cells - full))
    text.append(after)
    return text.append(end, Style(meta={"@click": "screen.stop_discovery()"}, underline=True))
