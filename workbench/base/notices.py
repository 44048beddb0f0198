"""Notices: what was done, for whoever sits at a terminal.

A script hears nothing of them unless it listens. What speaks against a result is a warning instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def notice(sentence: str) -> None:
    """Say a sentence to whoever listens."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(sentence)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Hand every notice to `listener` meanwhile."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
