"""What was done since a step of the tutorial began, and what it did."""

from __future__ import annotations

from workbench.session.log import LogEntry
from workbench.tutorial.observation import Moment, Observation
from workbench.tutorial.step import shown


def change_of(deed: LogEntry) -> str:
    """What a command did to the faithfulness."""
    return f"{shown(deed.before.faithfulness)} to {shown(deed.after.faithfulness)}"


def kept_into(moment: Moment) -> int:
    """How many of the edges that are listed are kept."""
    return sum(edge.kept for edge in moment.edges)


def last_deed(seen: Observation, *, dropped_only: bool = False) -> LogEntry | None:
    """The last command since the step began that only dropped edges, or that closed an input."""
    for deed in reversed(seen.log):
        change = deed.change
        if dropped_only and change.removed and not (change.added or change.opened or change.closed):
            return deed
        if not dropped_only and change.closed:
            return deed
    return None
