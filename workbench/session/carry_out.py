"""CarryOut: how a part of the session has a command carried out, not knowing the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from workbench.session.commands import Command
from workbench.session.state import Change, State
from workbench.session.views import Status


class CarryOut(Protocol):
    """Carries out the command that makes of the state what `edit` does.

    Applied, evaluated and on the disk before the status is returned; as before if any of that
    fails. If there is nothing to change the status says `idle`, and nothing is written down.
    """

    def __call__(
        self,
        edit: Callable[[State], State],
        command: Callable[[Change], Command],
        idle: str = ...,
    ) -> Status:
        """Carry out a command; `idle` is said where it changes nothing."""


class Apply(Protocol):
    """As `CarryOut`, in a turn that the caller has; `started`: when the work on it began.

    The clock is that of `time.perf_counter`; None for now.
    """

    def __call__(
        self,
        edit: Callable[[State], State],
        command: Callable[[Change], Command],
        idle: str = ...,
        started: float | None = None,
    ) -> Status:
        """Carry out a command; `idle` is said where it changes nothing."""
