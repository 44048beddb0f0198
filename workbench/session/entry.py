"""A line of the journal after the first: a command and what was known after it."""

from __future__ import annotations

from typing import Any

from workbench.experiment.provenance import now
from workbench.session.commands import Command
from workbench.session.views import Status


def entry(
    n: int, command: Command, status: Status, seconds: float, *, other_pairs: bool = False
) -> dict[str, Any]:
    """The command, and what lists of sessions and states show, in plain values.

    Args:
        n: its number, from 1.
        status: after it.
        seconds: that it took.
        other_pairs: the session is not at those that it began with.
    """
    both = {"clean": status.model_metric, "corrupted": status.corrupted_metric}
    return {
        "n": n,
        "at": now(),
        "edges": status.edges,
        "faithfulness": status.faithfulness,
        "change": status.change,
        "seconds": round(seconds, 4),
        **(both if other_pairs else {}),
        "step": command.to_json(),
    }
