"""Cells: a value of a record as texts, token ids or a number.

In a table everything is a text, so that a list has to be told from one: it is JSON, or as Python or
numpy print it.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from workbench.base.text import printable
from workbench.prompts.files.records import is_missing

# Characters of a value that a message shows.
SHOWN_VALUE = 60

ITEM = re.compile(
    r"""\s*(?P<item>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?)\s*(?P<after>,?)""",
    re.DOTALL,
)
"""One item of a printed list: a text in quotes or a number, and the comma that numpy leaves out."""

# Beyond it a number is no id; Python refuses to read very long ones.
MAX_DIGITS = 18


class CellError(ValueError):
    """A value is not what its field wants; the message is a clause."""


def texts_of(value: Any, name: str, *, table: bool) -> tuple[str, ...]:
    """The texts of a field: one, or a list of them.

    Args:
        value: of a table its text; several answers are parted by bars or printed as a list.
        name: of the field, for messages.

    Raises:
        CellError: there is something else in it.
    """
    values = _items(value, name, table=table)
    for item in values:
        if not isinstance(item, str) or not item:
            raise CellError(f"`{name}` has to hold texts, and holds {shown_value(item)}")
        check_unicode(item, name)
    return tuple(values)


def ids_of(value: Any, name: str, *, table: bool) -> tuple[int, ...]:
    """The token ids of a field: one, or a list of them; whole numbers, written in any way.

    Raises:
        CellError: there is something else in it.
    """
    return tuple(whole_number(item, name) for item in _items(value, name, table=table))


def _items(value: Any, name: str, *, table: bool) -> list[Any]:
    if table and isinstance(value, str):
        value = _from_table(value, name)
    values = value if isinstance(value, list | tuple) else [value]
    if isinstance(value, dict) or is_missing(value) or not values:
        raise CellError(
            f"`{name}` has to be a list of texts, at least one, and is {shown_value(value)}"
        )
    return list(values)


def _from_table(text: str, name: str) -> list[Any]:
    """The items of a cell: parted by bars, a JSON list, or a list as Python or numpy print it."""
    bare = text.strip()
    if not bare.startswith("["):
        return text.split("|") if text else []
    try:
        made = json.loads(bare)
    except (ValueError, RecursionError):
        made = None
    if isinstance(made, list):
        return made
    items = _printed(bare)
    if items is None:
        raise CellError(f"`{name}` begins like a list and is none that JSON or Python would print")
    return items


def _printed(text: str) -> list[Any] | None:
    """The items of a list as Python or numpy print it; None if it is none."""
    if not text.endswith("]"):
        return None
    inner, at = text[1:-1], 0
    items: list[Any] = []
    while inner[at:].strip():
        found = ITEM.match(inner, at)
        if found is None:
            return None
        try:
            items.append(ast.literal_eval(found["item"]))
        except (ValueError, SyntaxError):
            return None
        at = found.end()
    return items


def whole_number(value: Any, name: str) -> int:
    """A whole number, written as one, as a text or, by pandas, with a point.

    Raises:
        CellError: it is none.
    """
    if isinstance(value, str) and re.fullmatch(rf"-?\d{{1,{MAX_DIGITS}}}(\.0+)?", value.strip()):
        return int(value.strip().split(".")[0])
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**MAX_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS:
        return value
    raise CellError(f"`{name}` has to be a whole number, and is {shown_value(value)}")


def check_unicode(text: str, name: str) -> str:
    """The text back. Raises CellError if it is half a surrogate pair, which JSON can spell."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CellError(f"`{name}` is not valid Unicode: {shown_value(text)}") from None
    return text


def shown_value(value: Any) -> str:
    """A value for a message, as JSON, cut short."""
    text = printable(json.dumps(value, ensure_ascii=True, default=str))
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}…"
