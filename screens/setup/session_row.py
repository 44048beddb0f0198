"""One line of the list of sessions: what is on the disk, and what is open in this app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.session.sharing import Taken, taken
from workbench.session.views import SessionSummary

if TYPE_CHECKING:
    from workbench.session.session import Session


@dataclass(frozen=True)
class OpenHere:
    """A session that is open in this app.

    Attributes:
        under_way: the method of discovery that runs in it; empty if none does.
        taken: the memory that it takes.
        model: identity of its model, which others may share.
    """

    path: Path
    under_way: str
    taken: Taken
    model: int

    @classmethod
    def of(cls, session: Session, under_way: str) -> OpenHere:
        """What is to be told of a session."""
        return cls(session.path, under_way, taken(session), id(session.loaded_model))


@dataclass(frozen=True)
class SessionRow:
    """A session in the list; `here` is None unless it is open in this app."""

    summary: SessionSummary
    here: OpenHere | None = None


def rows(
    summaries: Sequence[SessionSummary], open_here: Sequence[OpenHere]
) -> tuple[SessionRow, ...]:
    """Those that are open first, in their order, then the others."""
    by_path = {summary.path.resolve(): summary for summary in summaries}
    mine = [(one.path.resolve(), one) for one in open_here]
    first = [SessionRow(by_path[path], one) for path, one in mine if path in by_path]
    taken_up = {path for path, _ in mine}
    return (*first, *(SessionRow(s) for path, s in by_path.items() if path not in taken_up))


def megabytes(number: int) -> str:
    """Bytes in words, rounded to what matters."""
    size = number / 2**20
    if size >= 1024:
        return f"{size / 1024:.1f} GB"
    return f"{size:,.0f} MB" if size >= 10 else f"{size:.1f} MB"


def memory_told(open_here: Sequence[OpenHere]) -> str:
    """What the open sessions take together; empty if there are none."""
    if not open_here:
        return ""
    models = {one.model: one.taken.weights for one in open_here}
    own = sum(one.taken.session for one in open_here)
    what = "their model" if len(models) == 1 else f"their {len(models)} models"
    return (
        f"● {len(open_here)} open here, {megabytes(own)} and {what}'s "
        f"{megabytes(sum(models.values()))}"
    ).replace("models's", "models'")
