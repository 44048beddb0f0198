"""LogEntry: a command that was carried out, what it changed and did to the metric."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.session.agreement import Agreement
from workbench.session.commands import Command
from workbench.session.state import Change
from workbench.session.views import Status

_NOT_KEPT = Agreement.of(float("nan"), float("nan"))


@dataclass(frozen=True)
class LogEntry:
    """One command of a session.

    Attributes:
        command: what was asked for; an undo or a redo, too.
        change: what it changed; of an undo, the inverse of what it took back.
        before, after: the status at either side of it, without accuracy and KL.

    Glossary: docs/glossary.md#log-entry.
    """

    command: Command
    change: Change
    before: Status
    after: Status

    @classmethod
    def of(cls, command: Command, change: Change, before: Status, after: Status) -> LogEntry:
        """The entry, which holds on to nothing that accuracy and KL are computed from."""
        return cls(
            command,
            change,
            replace(before, agreement=_NOT_KEPT),
            replace(after, agreement=_NOT_KEPT),
        )
