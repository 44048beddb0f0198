"""Drafts: what was typed on the prompt bench and is not kept, as long as its session is open."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tasks.pair import Pair

if TYPE_CHECKING:
    from workbench.session.session import Session

NEW = Pair("", "", (), ())
"""Stands for the pair that a new one changes."""

_DRAFTS: WeakKeyDictionary[Session, dict[Pair, Pair]] = WeakKeyDictionary()


def drafts_of(session: Session) -> dict[Pair, Pair]:
    """The drafts of a session, by the pairs that they change."""
    return _DRAFTS.setdefault(session, {})
