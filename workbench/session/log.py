"""LogEntry: a command that was carried out, what it changed and did to the metric."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.session.commands import Command
from workbench.session.state import Change
from workbench.session.views import Status


@dataclass(frozen=True)
class LogEntry:
    """One command of a session.

    Attributes:
        command: what was asked for; an undo or a redo, too.
        change: what it changed; of an undo, the inverse of what it took back.
        before, after: the status at either side of it.

    Glossary: docs/glossary.md#log-entry.
    """

    command: Command
    change: Change
    before: Status
    after: Status
