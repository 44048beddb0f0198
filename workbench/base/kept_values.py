"""Results that are trees of dataclasses, to JSON and back exactly.

A dataclass is written with its module and name, and read back only if it is of a room that the
reader names: nothing in such a text is ever run. Floats keep every bit; tuples stay tuples.
Importing this loads no torch.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import fields, is_dataclass
from typing import Any

CLASS, FIELDS, TUPLE, MAP = "class", "fields", "tuple", "map"


class NotKept(TypeError):
    """A value that is no tree of dataclasses, texts, numbers, lists, tuples and mappings."""


def kept_text(value: Any) -> str:
    """A value as a text for `value_of`.

    Raises:
        NotKept: it holds something else than that can.
    """
    return json.dumps(_plain(value))


def value_of(text: str, room: str) -> Any:
    """What `kept_text` was given.

    Args:
        room: the package whose dataclasses may stand in it, `workbench.assessment.results`.

    Raises:
        ValueError, TypeError, KeyError: it was not written by `kept_text`, or of another room.
    """
    return _value(json.loads(text), room)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        told = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {CLASS: f"{kind.__module__}:{kind.__qualname__}", FIELDS: told}
    if isinstance(value, tuple):
        return {TUPLE: [_plain(item) for item in value]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {MAP: [[_plain(key), _plain(item)] for key, item in value.items()]}
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of numpy's
        return _plain(value.item())
    raise NotKept(f"a {type(value).__name__} cannot be kept")


def _value(plain: Any, room: str) -> Any:
    if isinstance(plain, list):
        return [_value(item, room) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if TUPLE in plain:
        return tuple(_value(item, room) for item in plain[TUPLE])
    if MAP in plain:
        return {_value(key, room): _value(item, room) for key, item in plain[MAP]}
    module, _, name = plain[CLASS].partition(":")
    if not (module == room or module.startswith(f"{room}.")) or "." in name:
        raise ValueError(f"{plain[CLASS]} is not of {room}")
    kind = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise ValueError(f"{plain[CLASS]} is no dataclass")
    return kind(**{name: _value(item, room) for name, item in plain[FIELDS].items()})
