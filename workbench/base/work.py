"""Work: a long computation in pieces, which whoever asked for it drives.

It yields the fraction done after every piece, and returns its result at the end. Between two
pieces the driver may answer somebody, show progress, or stop for good; the work itself knows of
none of that. A piece should take a fraction of a second.

Glossary: docs/glossary.md#work.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias, TypeVar

from workbench.errors import Cancelled

T = TypeVar("T")

Work: TypeAlias = Generator[float, None, T]
"""Yields the fraction done, from 0 to 1, and returns a result."""


class Stop(Protocol):
    """What a `threading.Event` offers."""

    def is_set(self) -> bool:
        """Whether the work is to stop."""


def finish(
    work: Work[T],
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> T:
    """Drive work to its end and return its result.

    Args:
        progress: told the fraction done after every piece.
        cancel: checked between pieces.

    Raises:
        Cancelled: if `cancel` was set.
    """
    while True:
        if cancel is not None and cancel.is_set():
            work.close()
            raise Cancelled
        try:
            fraction = next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if progress is not None:
            progress(fraction)


def part(work: Work[T], start: float, end: float) -> Work[T]:
    """The same work as a part of a larger one, whose fraction goes from `start` to `end`."""
    while True:
        try:
            fraction = next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result
        yield start + (end - start) * fraction
