"""A pair in plain values, as a line of a task file, a journal and a circuit file have it.

    {"clean": "When Mary and John …", "corrupted": "…", "answers": [" Mary"],
     "wrong_answers": [" John"], "roles": {"S2": [38, 42]}, "role_tokens": {"END": [13]},
     "task": "ioi"}

Pure Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.pair import Pair, RoleSpan
from workbench.base.json_values import string, strings

FIELDS = ("clean", "corrupted", "answers", "wrong_answers")
ROLES, ROLE_TOKENS = "roles", "role_tokens"
"""Roles by characters of the clean prompt, [from, up to] or a list of such, and by its tokens."""
TASK = "task"
"""What a pair of a mixture is an example of."""
LONGEST_TASK = 60
"""Characters of its name."""


def pair_to_json(pair: Pair) -> dict[str, Any]:
    """Plain values; without the fields of roles and task where there are none."""
    values = (pair.clean, pair.corrupted, list(pair.answers), list(pair.wrong_answers))
    named = {TASK: pair.task} if pair.task else {}
    return {**dict(zip(FIELDS, values, strict=True)), **roles_to_json(pair.roles), **named}


def pair_from_json(value: Any) -> Pair:
    """A pair in plain values.

    Raises:
        TypeError, KeyError: if something is missing or other.
    """
    return Pair(
        string(value["clean"]),
        string(value["corrupted"]),
        strings(value["answers"]),
        strings(value["wrong_answers"]),
        spans_from_json(value.get(ROLES), value.get(ROLE_TOKENS)),
        string(value.get(TASK, "")),
    )


def roles_to_json(spans: Iterable[RoleSpan]) -> dict[str, Any]:
    """The fields of roles; of none that would be empty."""
    by_characters: dict[str, list[list[int]]] = {}
    by_tokens: dict[str, list[int]] = {}
    for span in spans:
        if span.tokens:
            by_tokens.setdefault(span.role, []).extend(range(span.start, span.stop))
        else:
            by_characters.setdefault(span.role, []).append([span.start, span.stop])
    said = {
        name: list(found[0]) if len(found) == 1 else found for name, found in by_characters.items()
    }
    return ({ROLES: said} if said else {}) | ({ROLE_TOKENS: by_tokens} if by_tokens else {})


def spans_from_json(roles: Any, role_tokens: Any) -> tuple[RoleSpan, ...]:
    """The spans of both fields, either of which may be None.

    Raises:
        TypeError: one of them is something else; the message is a clause.
    """
    spans = []
    for name, found in _items(roles, ROLES):
        ranges = found if found and isinstance(found[0], list) else [found]
        for one in ranges:
            if not isinstance(one, list) or len(one) != 2 or not all(map(_whole, one)):
                raise TypeError(
                    f"the role {name[:40]!r} has to be [first character, character after the "
                    "last], or a list of such"
                )
            spans.append(RoleSpan(name, one[0], one[1]))
    for name, found in _items(role_tokens, ROLE_TOKENS):
        if not all(map(_whole, found)):
            raise TypeError(f"the role {name[:40]!r} has to be a list of token numbers, from 0")
        spans += [RoleSpan(name, number, number + 1, tokens=True) for number in found]
    return tuple(spans)


def _items(value: Any, field: str) -> Iterable[tuple[str, list[Any]]]:
    if value is None or value == []:
        return []
    if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
        raise TypeError(f"`{field}` has to be an object with a list for each role")
    return value.items()


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
