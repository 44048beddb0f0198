"""Damage to files: bytes as disks and transfers break them, JSON as other programs write it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**40, 0.5, 1e308, -1e-300),
    *(float("nan"), float("inf"), -float("inf"), "", " ", "x", "\x00", "\x1b[2J", "\x9b31m"),
    *("\ud800", "\u202e", "NaN", "Infinity", "1e999", "~nobody", "../..", "a" * 5000, "é🙂"),
    *([], [[]], [None], {}, {"": None}, {"$number": "NaN"}, {"$number": "x"}, {"$number": []}),
    *("m0->logits", "input", "a0.h0<q>", "logits"),
)
"""Values that stand where others belong."""
DEPTH = 3000
"""Levels of lists that no reader of ours has to follow."""


def broken_bytes(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three things done to them: flipped, cut, repeated, zeroed."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 4, 8, 64, 4096)))
        noise = chance.randbytes(end - at)
        data = chance.choice(
            (
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                data[:at] + noise + data[end:],
                data[:at] + bytes(end - at) + data[end:],
                data[:at] + b"\xff" * (end - at) + data[end:],
                data[:at] + data[end:],
                data[:end] + data[at:end] + data[end:],
                data[:at],
            )
        )
    return data


def broken_json(value: Any, chance: random.Random) -> bytes:
    """The JSON of a value with one to three parts of it exchanged, removed, doubled or nested."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 3)):
        spots = list(_spots(value))
        if not spots:
            return _text(chance.choice(ODD))
        holder, key = chance.choice(spots)
        what = chance.randrange(6)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[chance.choice(("x", "\x1b", "", "version", "other"))] = holder.pop(key)
        elif what == 2:
            holder[key] = [holder[key]]
        elif what == 3:
            other, at = chance.choice(spots)
            if at in other if isinstance(other, dict) else at < len(other):
                holder[key] = json.loads(_text(other[at]))
        else:
            holder[key] = deepcopy(chance.choice(ODD))
    text = _text(value)
    if chance.random() < 0.02:
        deep = b"[" * DEPTH + b"]" * DEPTH
        text = text.replace(chance.choice((b"1", b"null", b"true", b'""')), deep, 1)
    return text


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in the value that something stands in: its holder and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items) if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(item, dict | list):
            yield from _spots(item)
