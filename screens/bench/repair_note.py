"""What is to be warned of a node: that its total effect hides its direct one.

Direct effects are known at once; the total effect of a node of which there could be something to
say is computed away from the screen, once the cursor rests on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from screens.base.worker import Worker
from screens.effects.detail import warning

if TYPE_CHECKING:
    from workbench.effects.repair_results import SelfRepair
    from workbench.session.session import Session


class RepairNote:
    """Computes for one node at a time; the last one that was looked at."""

    def __init__(self, session: Session, worker: Worker, *, changed: Callable[[], None]) -> None:
        """`changed`: there is something else to say."""
        self._session = session
        self._changed = changed
        self._worker = worker
        self._cancel = threading.Event()
        self._asked: str | None = None

    def look(self, node: str) -> str:
        """What is to be said of a node now; what is not known yet is computed."""
        effects = self._session.node_effects
        found = effects.known_of(node)
        if found is not None:
            return warning(found, node)
        if self._asked != node:
            self._cancel.set()
            self._asked = None
        direct = effects.known_direct()
        graph = self._session.graph
        if direct is None or node not in graph.sources or self._asked == node:
            return ""
        if abs(direct.values[graph.source_index(node)]) < direct.noticed:
            return ""
        self._asked, self._cancel = node, threading.Event()
        cancel = self._cancel
        self._worker.put(lambda: effects.repair_of(node, cancel=cancel), self._done, lambda _: None)
        return ""

    def _done(self, _: SelfRepair) -> None:
        self._asked = None
        self._changed()
