"""The line of an expansion by a rule under way: it runs it and tells of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from screens.base.actions import keyed
from screens.base.numbers import count, plain
from screens.base.worker import Worker, error_sentence
from screens.bench.expand_dialog import ExpandRequest
from screens.widgets.running_line import RunningLine
from screens.widgets.sparkline import strip_of
from workbench.errors import Cancelled
from workbench.session.expander import Progressed
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.session.session import Session

TICK = 0.5
"""Seconds between two looks at how far it has come: each costs a line."""
LEAST_STRIP = 8
"""Cells below which a strip of numbers says nothing."""
MOST_STRIP = 60


class ExpansionLine(RunningLine):
    """Node, steps, edges, faithfulness over the steps, and how to end it; else not there."""

    def __init__(self, session: Session, *, over: Callable[[Status], None]) -> None:
        """`over`: told the status with which an expansion ended, whoever ended it."""
        super().__init__()
        self.session = session
        self.request: ExpandRequest | None = None
        self._cancel = threading.Event()
        self._now = Progressed((), None, 0.0)
        self._over = over
        self._idle = threading.Event()
        self._idle.set()

    def on_mount(self) -> None:
        self._thread = Worker(self, "expansion")
        self._clock = self.set_interval(TICK, self._show, pause=True)

    def on_unmount(self) -> None:
        self.cancel()
        self._thread.stop()

    def turn(self) -> None:
        """Wait until no expansion is under way. From a thread that is not the screen's."""
        self._idle.wait()

    @property
    def running(self) -> bool:
        return self.request is not None

    def start(self, request: ExpandRequest) -> None:
        """Begin; nothing may be under way."""
        assert self.request is None
        self.request, self._now = request, Progressed((), None, 0.0)
        cancel = self._cancel = threading.Event()
        session = self.session

        def told(now: Progressed) -> None:
            self._now = now  # replaced whole, and read by the clock

        def work() -> Status:
            how: dict[str, Any] = {"setting": request.setting, "by_role": request.by_role}
            try:
                return session.expand_all(
                    request.rule, request.value, **how, progress=told, cancel=cancel
                )
            finally:
                self._idle.set()

        self._idle.clear()
        self._thread.put(work, self._done, self._failed)
        self._clock.resume()
        self._show()

    def cancel(self) -> bool:
        """End what is under way after its present piece; False if nothing is."""
        if self.request is None:
            return False
        self._cancel.set()
        self._show()
        return True

    def _done(self, status: Status) -> None:
        self._end()
        self._over(status)

    def _failed(self, error: BaseException) -> None:
        self._end()
        if not isinstance(error, Cancelled):
            self.notify(error_sentence(error), severity="error", timeout=10, markup=False)

    def _end(self) -> None:
        self.request = None
        self._clock.pause()
        self._show()

    def _show(self) -> None:
        self.set_class(self.running, "-running")
        self.refresh()

    def render_line(self, y: int) -> Strip:
        text, width = Text(), self.size.width
        if self.request is not None:
            stopping = self._cancel.is_set()
            text = progress_line(self.request, self._now, width, stopping=stopping)
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)


def progress_line(request: ExpandRequest, now: Progressed, width: int, *, stopping: bool) -> Text:
    """The line at this width; its last words can be clicked."""
    shares = [step.faithfulness for step in now.steps]
    text = Text(f" {request.words} ", "bold")
    text.append("stopping… " if stopping else f"{now.node or '':<8} ")
    numbers = f"{count(len(now.steps))} nodes, {count(now.edges)} edges"
    if shares:
        numbers += f", faithfulness {plain(shares[-1], 3)}"
    end = keyed("{key:bench.cancel} stop, keep what it has")
    if text.cell_len + len(numbers) + len(end) + 3 > width:
        end = keyed("{key:bench.cancel} stop")
    room = min(MOST_STRIP, width - text.cell_len - len(numbers) - len(end) - 5)
    if room >= LEAST_STRIP:
        text.append(strip_of(shares, room).ljust(room) + " ")
    text.append(numbers + "  ")
    return text.append(end, Style(meta={"@click": "screen.cancel()"}, underline=True))
