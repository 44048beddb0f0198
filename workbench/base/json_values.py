"""Plain values out of JSON, or a TypeError that says what is there instead."""

from __future__ import annotations

from typing import Any


def string(value: Any) -> str:
    """The value, if it is a text. Raises TypeError if not."""
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {value!r}")
    return value


def whole(value: Any) -> int:
    """The value, if it is a whole number. Raises TypeError if not."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number expected, not {value!r}")
    return value


def strings(value: Any) -> tuple[str, ...]:
    """The values, if they are a list of texts. Raises TypeError if not."""
    if isinstance(value, str):
        raise TypeError(f"a list of texts expected, not {value!r}")
    return tuple(string(item) for item in value)
