"""A line of the journal after the first: a command and what was known after it."""

from __future__ import annotations

from typing import Any

from workbench.experiment.provenance import now
from workbench.session.commands import Command
from workbench.session.views import Status


def entry(n: int, command: Command, status: Status, seconds: float) -> dict[str, Any]:
    """The command, and what lists of sessions and states show, in plain values.

    Args:
        n: its number, from 1.
        status: after it.
        seconds: that it took.
    """
    return {
        "n": n,
        "at": now(),
        "edges": status.edges,
        "faithfulness": status.faithfulness,
        "change": status.change,
        "seconds": round(seconds, 4),
        "step": command.to_json(),
    }
