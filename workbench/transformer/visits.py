"""Weights of the host that come to the device that computes for the time of their use.

Those that came last are kept while there is room, and while one is used the one that followed it
the last time is brought already, by a thread of its own: layers are run in the same order again and
again. What is brought is a copy; the host keeps its weights.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from workbench.base.transfers import sent

Key: TypeAlias = tuple[Any, ...]

FOLLOWERS = 4096
"""Weights of which it is known what follows; a pass through a model uses some hundred."""


class Visits:
    """The weights that are at home for a while.

    Args:
        home: the device that computes.
        room: bytes that they may take there, the one that is brought ahead among them.
        aside: copies a weight while `home` goes on with other things.
        used: told of every weight when it is used.

    Attributes:
        brought: how many came, those that were still there not counted.
        waited: for how many of them it was waited, since nobody knew that they were next.
    """

    def __init__(
        self,
        home: torch.device,
        room: int,
        aside: Callable[[Tensor, torch.device], Tensor] = sent,
        used: Callable[[Tensor], None] = lambda weight: None,
    ) -> None:
        self.home, self.room = home, room
        self._aside, self._used = aside, used
        self.brought = self.waited = 0
        self._here: OrderedDict[Key, tuple[Tensor, Future[Tensor]]] = OrderedDict()
        self._follower: dict[Key, Tensor] = {}
        self._last: Key | None = None
        self._lock = threading.RLock()

    @cached_property
    def _ahead(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="weights")

    @property
    def taken(self) -> int:
        """Bytes of the weights that are here."""
        with self._lock:
            return sum(weight.nbytes for weight, _ in self._here.values())

    def bring(self, weight: Tensor) -> Tensor:
        """A weight of the host, at home."""
        key = _key(weight)
        with self._lock:
            if self._last is not None and self._last != key:
                if len(self._follower) >= FOLLOWERS:
                    self._follower.clear()
                self._follower[self._last] = weight
            self._last = key
            found = self._here.get(key)
            if found is not None:
                self._here.move_to_end(key)
        copied = self._now(key, weight) if found is None else found[1].result()
        with self._lock:
            follower = self._follower.get(key)
            if follower is not None and _key(follower) not in self._here:
                self._bring_ahead(follower)
        self._used(copied)
        return copied

    def _now(self, key: Key, weight: Tensor) -> Tensor:
        self._make_room(weight.nbytes)
        copied = sent(weight, self.home)
        self.waited += 1
        made: Future[Tensor] = Future()
        made.set_result(copied)
        self._keep(key, weight, made)
        return copied

    def _bring_ahead(self, weight: Tensor) -> None:
        """The next one, while this one is used, if both may be here."""
        if 2 * weight.nbytes <= self.room:
            self._make_room(weight.nbytes)
            self._keep(_key(weight), weight, self._ahead.submit(self._aside, weight, self.home))

    def _keep(self, key: Key, weight: Tensor, made: Future[Tensor]) -> None:
        with self._lock:
            self.brought += 1
            if weight.nbytes <= self.room:
                self._here[key] = weight, made

    def _make_room(self, size: int) -> None:
        with self._lock:
            taken = sum(weight.nbytes for weight, _ in self._here.values())
            while self._here and taken + size > self.room:
                weight, _ = self._here.popitem(last=False)[1]
                taken -= weight.nbytes


def _key(weight: Tensor) -> Key:
    """What a view is, and of what: its memory stays its own while the entry holds it."""
    return (weight.data_ptr(), weight.dtype, *weight.shape, *weight.stride())
