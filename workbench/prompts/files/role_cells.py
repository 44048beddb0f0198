"""The roles of a record: `roles` and `role_tokens`, or a column `role:NAME` for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tasks.pair import RoleSpan
from workbench.prompts.files.cells import CellError, shown_value
from workbench.prompts.files.records import Record, is_missing
from workbench.prompts.pair_json import ROLE_TOKENS, ROLES, spans_from_json

COLUMN = "role:"
RANGE = re.compile(r"\s*(\d{1,9})\s*[-:,]\s*(\d{1,9})\s*")


def is_role(name: str) -> bool:
    """Whether a plain name of a field is one of roles."""
    return name in (ROLES, ROLE_TOKENS) or name.startswith(COLUMN)


def spans_of_record(record: Record, clean: str) -> tuple[RoleSpan, ...]:
    """Where the roles of a record stand; empty if it has none.

    Args:
        clean: its prompt.

    Raises:
        CellError: a field of roles holds something else.
    """
    fields = [_object(record.fields.get(name)) for name in (ROLES, ROLE_TOKENS)]
    try:
        spans = spans_from_json(*fields)
    except TypeError as error:
        raise CellError(str(error)) from error
    return (*spans, *_of_columns(record, clean))


def _object(value: Any) -> Any:
    """The value; a table has it as text."""
    if is_missing(value) or value == "":
        return None
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _of_columns(record: Record, clean: str) -> Iterator[RoleSpan]:
    for plain, value in record.fields.items():
        if not plain.startswith(COLUMN) or is_missing(value) or value == "":
            continue
        spelt = record.spelt.get(plain, plain).strip()
        yield from _of_cell(spelt[len(COLUMN) :].strip(), value, clean)


def _of_cell(name: str, value: Any, clean: str) -> Iterator[RoleSpan]:
    """A range "38-42" of characters, a list of ranges, or a text that the prompt has once."""
    found = RANGE.fullmatch(value) if isinstance(value, str) else None
    if found:
        yield RoleSpan(name, int(found[1]), int(found[2]))
        return
    made = _object(value)
    if isinstance(made, list):
        try:
            yield from spans_from_json({name: made}, None)
        except TypeError as error:
            raise CellError(str(error)) from error
        return
    if not isinstance(value, str):
        raise CellError(
            f"the role {name!r} has to be a range or a text, and is {shown_value(value)}"
        )
    times = clean.count(value)
    if times != 1:
        raise CellError(
            f"the prompt has {shown_value(value)}, the role {name!r}, {times} times: give its "
            "characters, as 38-42"
        )
    start = clean.index(value)
    yield RoleSpan(name, start, start + len(value))
