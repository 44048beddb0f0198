"""RowOrder: when effects that have come put the bench's rows in another order.

Exact effects come while somebody moves among the rows, and a row that changes its place makes the
next key reach another one, or not, as fast as it comes. So rows stay where they are while keys come
and while the cursor is at work in the table; what is known counts for their order once the user
rests. Of a table that is at work the bench says so, and sorts it when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.screen import Screen
from textual.timer import Timer

from screens.bench.candidates import Candidates

if TYPE_CHECKING:
    from workbench.session.session import Session

REST = 0.3
"""Seconds without a key after which the user rests: more than between two keys of a fast typist."""


class RowOrder:
    """Lets what is known count for the order of the bench's rows when that is welcome."""

    def __init__(
        self,
        session: Session,
        screen: Screen[Any],
        table: Candidates,
        *,
        ready: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        """For a bench.

        Args:
            ready: says whether nothing is computed of which the order will be told.
            changed: called when other values count for the order, the table having been seen to.
        """
        self._session = session
        self._screen = screen
        self._table = table
        self._ready = ready
        self._changed = changed
        self._resting: Timer | None = None
        self._was: tuple[bool, int] = (False, 0)

    @property
    def quiet(self) -> bool:
        """The user rests."""
        return self._resting is None

    def heard(self) -> None:
        """A key has had its effect."""
        table = self._table
        now = table.has_focus, table.times_sorted
        if not table.has_focus:
            table.at_work = False
        elif now == self._was:  # it was about these very rows
            table.at_work = True
        self._was = now
        if self._resting is not None:
            self._resting.stop()
        self._resting = self._screen.set_timer(REST, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if self._table.behind and not self._table.at_work:
            self._table.resort()
        self.look()

    def look(self) -> None:
        """Something has come to its end: if the user rests, it counts."""
        if self._resting is None and self._ready():
            self.count()

    def count(self) -> None:
        """Let all that is known count now."""
        if not self._session.rank():
            return
        table = self._table
        if not table.at_work:
            table.resort()
        elif not table.in_order():
            table.behind = True
        self._changed()
