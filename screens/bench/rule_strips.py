"""What changes many edges by one number: an expansion under way, and the cut that prunes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from screens.bench.expand_dialog import ExpandDialog, ExpandRequest
from screens.bench.expansion_line import ExpansionLine
from screens.bench.pruning_strip import PruningStrip
from screens.widgets.decisions import DecisionLine, Decisions
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.session.session import Session


class RuleStrips(Vertical):
    """The line and the strip above the status bar; neither takes room while it has nothing."""

    DEFAULT_CSS = """
    RuleStrips { height: auto; }
    """

    def __init__(
        self,
        session: Session,
        *,
        command: Callable[[Callable[[], Status]], None],
        done: Callable[[Status], None],
        id: str | None = None,
    ) -> None:
        """For a bench.

        Args:
            command: queues a command.
            done: told the session's status once an expansion is over.
        """
        super().__init__(id=id)
        self.session = session
        self._command = command
        self._done = done
        self._asked: ExpandRequest | None = None
        self._line = ExpansionLine(session, over=self._over)
        self.decisions = Decisions(self.decided, self._line.turn)

    def compose(self) -> ComposeResult:
        yield PruningStrip(self.session, command=self._command, decisions=self.decisions)
        yield self._line
        yield DecisionLine(self.decisions)

    @property
    def line(self) -> ExpansionLine:
        return self._line

    @property
    def strip(self) -> PruningStrip:
        return self.query_one(PruningStrip)

    def decided(self) -> None:
        """A decision moved on."""
        if self.is_mounted:
            self.query_one(DecisionLine).look()

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing is computed."""
        return not self.line.running and self.strip.idle

    def ask(self, *, by_role: bool = False) -> None:
        """Ask for a rule, and start; `by_role`: edges at roles are looked at."""
        if self.line.running:
            self.notify(
                "An expansion is under way; {key:bench.cancel} stops it and keeps what it has.",
                timeout=6,
            )
        elif not self.session.frontier():
            self.notify("Nothing is left to expand.", timeout=4)
        else:
            dialog = ExpandDialog(self.session, self._asked, by_role=by_role)
            self.app.clear_notifications()  # they would lie over the dialog
            self.app.push_screen(dialog, self._start)

    def _start(self, request: ExpandRequest | None) -> None:
        if request is not None and not self.line.running:
            self._asked = request
            self.line.start(request)

    def _over(self, status: Status) -> None:
        self._done(self.session.status())  # others may have come after it
        if not status.closed:  # else it is announced
            self.notify(status.message, timeout=8, markup=False)

    def stop_or(self, other: Callable[[], None]) -> Callable[[], None]:
        """What a key that stops does: end the expansion under way; if there is none, the other."""

        def stop() -> None:
            if not self.line.cancel():
                other()

        return stop
