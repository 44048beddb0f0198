"""What is noted while a device is watched: what waits for it, what is launched and allocated."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from torch import Tensor

from tests.support.paths import ROOT

WAITS = "waits"
"""The host waits until the device is done: `item`, `tolist`, `cpu`, `nonzero`, a blocking copy."""
HOST_INDEX = "host index"
"""A tensor of the host is an index: it is copied there unseen, and waited for."""
MIXED = "mixed"
"""A tensor of the device meets one of the host or of another device."""

KINDS = (WAITS, HOST_INDEX, MIXED)

ROOMS = tuple(os.path.join(str(ROOT), room) + os.sep for room in ("workbench", "screens", "tasks"))
TESTS = os.path.join(str(ROOT), "tests") + os.sep
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
BACKWARD = "a backward pass of autograd"


@dataclass(frozen=True)
class Place:
    """A line of ours.

    Attributes:
        file: from the project's root.
        function: its name, with those of its classes and functions before it.
        line: of the file.
    """

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


def here() -> Place:
    """The innermost line of the packages that is being run; without one, of the tests."""
    frame: FrameType | None = sys._getframe(1)
    test: Place | None = None
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if file.startswith(ROOMS):
            return _place(file, code.co_qualname, frame.f_lineno)
        if test is None and file.startswith(TESTS) and not file.startswith(HERE):
            test = _place(file, code.co_qualname, frame.f_lineno)
        frame = frame.f_back
    return test or Place(BACKWARD, "", 0)


def _place(file: str, function: str, line: int) -> Place:
    return Place(os.path.relpath(file, ROOT).replace(os.sep, "/"), function, line)


@dataclass(frozen=True)
class Event:
    """Something that a device that is asked for nothing but work would not see.

    Attributes:
        kind: one of `KINDS`.
        what: the operation.
        place: where.
    """

    kind: str
    what: str
    place: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}, {self.what}"


@dataclass(frozen=True)
class Allowed:
    """A place that may do what others may not.

    Attributes:
        file, function: which, as `Place` has them.
        why: one sentence.
        kind: what it may do.
    """

    file: str
    function: str
    why: str
    kind: str = WAITS

    def covers(self, event: Event) -> bool:
        """Whether this is the place of an event."""
        place = event.place
        return (self.kind, self.file, self.function) == (event.kind, place.file, place.function)


@dataclass
class Seen:
    """What was noted.

    Attributes:
        events: in order.
        launched: operations by name, each one kernel or more of a real device.
        uploads: copies there that nobody waits for.
        allocations: tensors made, and bytes of them.
        live, peak: bytes that there are, and were at most.
    """

    events: list[Event] = field(default_factory=list)
    launched: Counter[str] = field(default_factory=Counter)
    places: Counter[tuple[Place, str]] = field(default_factory=Counter)
    uploads: int = 0
    allocations: int = 0
    allocated: int = 0
    live: int = 0
    peak: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _storages: set[int] = field(default_factory=set)

    @property
    def launches(self) -> int:
        """How many kernels at least."""
        return sum(self.launched.values())

    def of(self, kind: str) -> list[Event]:
        """The events of a kind."""
        return [event for event in self.events if event.kind == kind]

    def event(self, kind: str, what: str) -> None:
        """Note an event at the line that is being run."""
        self.events.append(Event(kind, what, here()))

    def launch(self, what: str) -> None:
        """Note a launch."""
        with self._lock:
            self.launched[what] += 1
            self.places[here(), what] += 1

    def allocation(self, host: Tensor) -> None:
        """Note the memory of a tensor that was made, until it is let go of."""
        storage = host.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        with self._lock:
            if key in self._storages:
                return
            self._storages.add(key)
            self.allocations += 1
            self.allocated += size
            self.live += size
            self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self._storages.discard(key)
        self.live -= size

    def faults(self, allowed: Sequence[Allowed] = ()) -> list[Event]:
        """The events that no place of the list may have."""
        return [e for e in self.events if not any(one.covers(e) for one in allowed)]

    def check(self, allowed: Sequence[Allowed] | None = None) -> None:
        """Fail with the line of every event that is not allowed.

        Args:
            allowed: the places that may; None: those of `allowed.ALLOWED`.
        """
        if allowed is None:
            from tests.support.device_double.allowed import ALLOWED

            allowed = ALLOWED
        found = Counter(str(event) for event in self.faults(allowed))
        lines = [f"  {text}" + (f" ({n} times)" if n > 1 else "") for text, n in found.items()]
        assert not found, "\n".join(["The device is waited for or mixed with the host:", *lines])

    def busiest(self, n: int = 20) -> str:
        """The places that launch most, for whoever looks for what to mend."""
        return "\n".join(f"{k:5} {what} at {at}" for (at, what), k in self.places.most_common(n))


_watching: list[Seen] = []


def watchers() -> Sequence[Seen]:
    """Who is watching, in any thread."""
    return _watching


@contextmanager
def watched() -> Iterator[Seen]:
    """Note what is done with tensors of a double inside, in all threads."""
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
