"""Plain values out of JSON, checked against what is expected before anything acts on them.

`parsed` reads a text within bounds; the readers take one value each and raise a TypeError that says
what stands there instead; `shaped` makes a dataclass of an object, every field as its annotation
says. All raise ValueError or TypeError and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from workbench.base.text import quoted

T = TypeVar("T")
Reader = Callable[[Any], Any]

DEPTH = 60
"""Levels of lists and objects; nothing of ours has ten."""
END = 2**63
"""No number that we write is as large; some readers of JSON end there too."""
MOST_BYTES = 2**24
"""Of a file beside a journal; the largest, of results, have a few hundred kilobytes."""


def read_values(path: Path, most: int = MOST_BYTES) -> Any:
    """What a small JSON file of ours holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, too deep, or larger than `most` bytes.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return parsed(data)


def parsed(text: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError if it is none, or too deep."""
    opening: tuple[Any, Any] = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    # Only what has so many brackets can be as deep, which is counted fast.
    if sum(text.count(sign) for sign in opening) > DEPTH and _depth(value) > DEPTH:
        raise ValueError("it is nested too deeply")
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer if isinstance(outer, list) else outer.values())
        ]
    return depth


def string(value: Any) -> str:
    """The value, if it is a text. Raises TypeError if not."""
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {quoted(value)}")
    return value


def whole(value: Any) -> int:
    """The value, if it is a whole number that fits in 64 bits. Raises TypeError if not."""
    if isinstance(value, bool) or not isinstance(value, int) or not -END <= value < END:
        raise TypeError(f"a whole number expected, not {quoted(value)}")
    return value


def count(value: Any) -> int:
    """The value, if it is a whole number from 0. Raises TypeError if not."""
    if whole(value) < 0:
        raise TypeError(f"a number from 0 expected, not {value}")
    return int(value)


def number(value: Any) -> float:
    """The value, if it is a finite number. Raises TypeError if not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number expected, not {quoted(value)}")
    if not (-END < value < END if isinstance(value, int) else math.isfinite(value)):
        raise TypeError(f"a finite number expected, not {quoted(value)}")
    return float(value)


def real(value: Any) -> float:
    """The value, if it is a number, finite or not. Raises TypeError if not."""
    return value if isinstance(value, float) else number(value)


def truth(value: Any) -> bool:
    """The value, if it is true or false. Raises TypeError if not."""
    if not isinstance(value, bool):
        raise TypeError(f"true or false expected, not {quoted(value)}")
    return value


def strings(value: Any) -> tuple[str, ...]:
    """The values, if they are a list of texts. Raises TypeError if not."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list of texts expected, not {quoted(value)}")
    return tuple(string(item) for item in value)


def items(value: Any) -> list[Any]:
    """The value, if it is a list. Raises TypeError if not."""
    if not isinstance(value, list):
        raise TypeError(f"a list expected, not {quoted(value)}")
    return value


def object_of(value: Any) -> dict[str, Any]:
    """The value, if it is an object. Raises TypeError if not."""
    if not isinstance(value, dict):
        raise TypeError(f"an object expected, not {quoted(value)}")
    return value


def maybe(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """The same reader, which takes null besides."""
    return lambda value: None if value is None else read(value)


def one_of(values: Collection[str]) -> Callable[[Any], str]:
    """A reader of these texts alone."""

    def read(value: Any) -> str:
        if string(value) not in values:
            raise TypeError(f"one of {', '.join(values)} expected, not {quoted(value)}")
        return str(value)

    return read


_READERS: dict[str, Reader] = {"str": string, "int": whole, "float": number, "bool": truth}
READERS: Mapping[str, Reader] = {
    **_READERS,
    **{f"{name} | None": maybe(read) for name, read in _READERS.items()},
    "tuple[str, ...]": strings,
}
"""What reads a field, by its annotation."""


def shaped(cls: type[T], value: Any, own: Mapping[str, Reader] | None = None) -> T:
    """A dataclass out of an object: every field is read as its annotation says.

    Args:
        cls: its fields have annotations of `READERS`, or stand in `own`.
        own: readers of fields by name.

    Raises:
        TypeError: no object, a field is missing, unknown or of another kind.
        ValueError: what `cls` makes of values that do not fit together.
    """
    found = object_of(value)
    own = own or {}
    known = _fields(cast("Any", cls))
    arguments = {}
    for name, item in found.items():
        if name not in known:
            raise TypeError(f"there is no field {quoted(name)}")
        try:
            arguments[name] = (own.get(name) or READERS[known[name][0]])(item)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
    for name, (_, needed) in known.items():
        if needed and name not in arguments:
            raise TypeError(f"{name} is missing")
    return cls(**arguments)


@cache
def _fields(cls: type[Any]) -> dict[str, tuple[str, bool]]:
    """Of each field its annotation, and whether it has to be there."""
    return {
        f.name: (
            f.type.__name__ if type(f.type) is type else str(f.type),
            f.default is MISSING and f.default_factory is MISSING,
        )
        for f in fields(cls)
    }
