"""Decisions under way: commands whose exact effects are computed first, and their line.

What a key decides must not depend on how far a sweep has come. So a command that goes by effects
which are not known yet is carried out once they are; the keys after it wait for that, and escape
drops it together with them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.style import Style
from rich.text import Text
from textual.screen import Screen
from textual.strip import Strip

from screens.base.numbers import count
from screens.base.worker import Worker
from screens.widgets.running_line import RunningLine
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.session.session import Session

TICK = 0.5
"""Seconds between two looks at how far it has come: each costs a line."""
SOON = 0.2
"""Seconds in which most are carried out: the line would only flicker."""
DROPPED = "Dropped: the circuit is as it was. {key:bench.setting} chooses estimates, ready at once."
"""What is said once a decision is dropped."""


@dataclass(eq=False)
class Decision:
    """A command that may have to wait for effects.

    Attributes:
        done, total: of the effects that are computed for it; a total of 0: none so far.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=monotonic)
    done: int = 0
    total: int = 0

    @property
    def computing(self) -> bool:
        """Effects are computed for it, so that it can still be dropped."""
        return self.total > 0 and not self.cancel.is_set()


class Decisions:
    """Those under way, oldest first; all of it belongs to the thread of the screen."""

    def __init__(self, moved: Callable[[], None], turn: Callable[[], None]) -> None:
        """For a bench.

        Args:
            moved: called when one of them has come further, or is over.
            turn: called in the thread of the commands before each that edits the circuit.
        """
        self.moved = moved
        self.turn = turn
        self._under_way: list[Decision] = []

    @property
    def now(self) -> Decision | None:
        """The one that is carried out next; None: keys need not wait."""
        return self._under_way[0] if self._under_way else None

    def begin(self) -> Decision:
        decision = Decision()
        self._under_way.append(decision)
        return decision

    def end(self, decision: Decision) -> None:
        if decision in self._under_way:
            self._under_way.remove(decision)

    def drop(self) -> bool:
        """Let none of those be carried out for which something is still computed."""
        dropped = [decision for decision in self._under_way if decision.computing]
        for decision in dropped:
            decision.cancel.set()
        return bool(dropped)

    def drop_all(self) -> None:
        """The screen is leaving."""
        for decision in self._under_way:
            decision.cancel.set()


class DecisionLine(RunningLine):
    """How far the effects are by which is decided, and how to drop it; else not there."""

    AT_ONCE = True
    """Clicks on it are heard while keys wait."""

    def __init__(self, decisions: Decisions) -> None:
        super().__init__()
        self._decisions = decisions

    def on_mount(self) -> None:
        self._clock = self.set_interval(TICK, self.look, pause=True)

    def look(self) -> None:
        """Show how far it is; called at every change too."""
        now = self._decisions.now
        shown = now is not None and now.computing and monotonic() - now.began >= SOON
        if now is None:
            self._clock.pause()
        elif not shown:
            self.set_timer(SOON, self.look)
            self._clock.resume()
        if shown or self.has_class("-running"):
            self.set_class(shown, "-running")
            self.refresh()

    @property
    def _keys_waiting(self) -> int:
        queue = getattr(self.app, "key_queue", None)
        return 0 if queue is None else int(queue.waiting)

    def render_line(self, y: int) -> Strip:
        now, width = self._decisions.now, self.size.width
        text = Text()
        if now is not None and now.computing:
            text = decision_line(now, self._keys_waiting, width)
        strip = Strip(text.render(self.app.console, end="")).adjust_cell_length(width)
        return strip.apply_style(self.rich_style)


def decision_line(now: Decision, waiting: int, width: int) -> Text:
    """The line at this width; its last words can be clicked."""
    text = Text(" exact effects first ", "bold")
    text.append(f"{count(now.done)} of {count(now.total)}")
    end = "esc drops it"
    words = [f"{count(waiting)} {'key waits' if waiting == 1 else 'keys wait'}"] if waiting else []
    for more in words:
        if text.cell_len + len(more) + len(end) + 8 <= width:
            text.append(f" · {more}")
    text.append(" · ")
    return text.append(end, Style(meta={"@click": "screen.drop_decision()"}, underline=True))


class Decides(Screen[Any]):
    """A screen whose commands may have effects computed first; it shows a `DecisionLine`."""

    session: Session

    def __init__(self) -> None:
        super().__init__()
        self.decisions = Decisions(self._decided, lambda: None)

    def _decided(self) -> None:
        if self.is_mounted:
            self.query_one(DecisionLine).look()

    def decide(
        self,
        worker: Worker,
        call: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Let a worker carry out such a command; keys wait for it."""
        decision = self.decisions.begin()

        def moved(_: object, known: int, total: int) -> None:
            decision.done, decision.total = known, total
            worker.deliver(self._decided)

        def work() -> Any:
            with self.session.decider.watched(decision.cancel, moved):
                return call()

        def end() -> None:
            self.decisions.end(decision)
            self._decided()

        def carried_out(result: Any) -> None:
            end()
            done(result)

        def broke(error: BaseException) -> None:
            end()
            if isinstance(error, Cancelled):
                self.notify(DROPPED, timeout=6)
            else:
                failed(error)

        worker.put(work, carried_out, broke)

    def action_drop_decision(self) -> None:
        self.decisions.drop()
