"""Actions of the bench that one of its parts carries out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def by(method: Callable[[Any], Callable[[], None]]) -> Callable[[Any], None]:
    """An action of the bench's screen that a method of one of its parts carries out."""

    def act(bench: Any) -> None:
        bench.shown.catch_up()
        method(bench)()

    return act


def told(method: Callable[[Any], Callable[[Any], None]]) -> Callable[[Any, Any], None]:
    """The same of an action with an argument, which the method is given."""

    def act(bench: Any, argument: Any) -> None:
        method(bench)(argument)

    return act
