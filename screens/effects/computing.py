"""What the screen of effects computes in the background: the latest request alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from workbench.effects.grids import GridMap
from workbench.effects.map_results import NodeMap
from workbench.effects.repair_results import SelfRepair
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.effects.role_map_results import RoleMap
from workbench.errors import Cancelled
from workbench.session.node_effects import NodeEffects

Request = MapRequest | RoleRequest | RepairRequest
Found = NodeMap | RoleMap | SelfRepair


class Computing:
    """Computes what is asked for unless it is known.

    Attributes:
        failed: why the last request was not computed; empty if nothing went wrong.
        stopped: the user stopped it.
        done: of what is computed, the share that is done; None: nothing is computed.
        under_way: the request that is computed.
    """

    def __init__(
        self, effects: NodeEffects, background: Worker, changed: Callable[[], None]
    ) -> None:
        """`changed` is called, on the screen's thread, when there is more to show."""
        self.effects = effects
        self.failed = ""
        self.stopped = False
        self.done: float | None = None
        self.under_way: Request | None = None
        self._background = background
        self._changed = changed
        self._cancel = threading.Event()

    def known(self, request: Request) -> Found | None:
        """What is known of a request; a map may lack values."""
        if isinstance(request, MapRequest):
            return self.effects.known_map(request)
        if isinstance(request, RoleRequest):
            return self.effects.known_roles(request)
        return self.effects.known_repair(request)

    def ask(self, wanted: Request) -> None:
        """Something else is to be shown: compute it unless it is known."""
        self.failed, self.stopped = "", False
        known = self.known(wanted)
        whole = known is not None and (isinstance(known, SelfRepair) or known.complete)
        if self.under_way == wanted or (whole and self.under_way is None):
            return
        self.cancel()
        if whole:
            return
        self.under_way, self.done, self._cancel = wanted, 0.0, threading.Event()
        self._background.put(
            self._work(wanted, self._cancel),
            lambda _: self._ended(wanted),
            lambda error: self._broke(wanted, error),
        )

    def cancel(self) -> None:
        """Stop what is under way; what is known of it is kept."""
        self._cancel.set()
        self.under_way, self.done = None, None

    def stop(self) -> None:
        """The user stops it."""
        self.cancel()
        self.stopped = True

    def _work(self, wanted: Request, cancel: threading.Event) -> Callable[[], Any]:
        def moved(fraction: float) -> None:
            self._background.deliver(lambda: self._moved(wanted, fraction))

        def on_map(found: GridMap) -> None:
            moved(found.done)

        def work() -> Any:
            if cancel.is_set():
                raise Cancelled
            if isinstance(wanted, MapRequest):
                return self.effects.map(wanted, cancel=cancel, on_map=on_map)
            if isinstance(wanted, RoleRequest):
                return self.effects.roles(wanted, cancel=cancel, on_map=on_map)
            return self.effects.repair(wanted, cancel=cancel, on_piece=moved)

        return work

    def _moved(self, request: Request, fraction: float) -> None:
        if request == self.under_way:
            self.done = fraction
            self._changed()

    def _ended(self, request: Request) -> None:
        if request == self.under_way:
            self.under_way, self.done = None, None
        self._changed()

    def _broke(self, request: Request, error: BaseException) -> None:
        if request == self.under_way:
            self.under_way, self.done = None, None
            if not isinstance(error, Cancelled):
                self.failed = one_line(error_sentence(error))
        self._changed()
