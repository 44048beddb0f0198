"""Records: what a task file holds one by one, before it is known what the fields mean."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import WorkbenchError

# Far beyond any pair; above it the line was surely meant for something else.
MAX_LINE = 2**20

LISTS = ("prompts", "data", "pairs", "examples", "records", "rows", "train")
"""Fields of a JSON object that hold its records; AutoCircuit's is the first."""


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        where: it stands, for messages.
        fields: values by plain names (`plain_name`); None where the record is none.
        spelt: the names as they are written, by the plain ones.
        broken: why there are no fields.
    """

    where: str
    fields: dict[str, Any]
    spelt: dict[str, str] = field(default_factory=dict)
    broken: str = ""


@dataclass(frozen=True)
class Records:
    """All records of a file.

    Attributes:
        form: how they are written down, after "as".
        records: in their order.
        unused: fields of the whole file that nothing is made of.
        table: the values are texts, and what is a list or a number has to be told from a text.
        autocircuit: it is AutoCircuit's dataset.
    """

    form: str
    records: list[Record]
    unused: tuple[str, ...] = ()
    table: bool = False
    autocircuit: bool = False


def plain_name(name: str) -> str:
    """A field's name without capitals, and with underscores for blanks and hyphens."""
    return "_".join(name.strip().casefold().replace("-", " ").split())


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: null, or not a number, which pandas writes for none."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def record_of(value: Any, where: str) -> Record:
    """A JSON value as a record; a field that is there twice but for its spelling breaks it."""
    if not isinstance(value, dict):
        return Record(where, {}, broken="it is not an object with fields")
    fields: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for name, content in value.items():
        plain = plain_name(str(name))
        if plain in fields and not is_missing(fields[plain]):
            if is_missing(content):
                continue
            if content != fields[plain]:
                return Record(where, {}, broken=f"`{plain}` is there twice, with other values")
        fields[plain], spelt[plain] = content, str(name)
    return Record(where, fields, spelt)


def json_lines(name: str, text: str) -> Records:
    """One record a line."""
    return Records("JSON Lines", list(_lines(name, text)))


def _lines(name: str, text: str) -> Iterator[Record]:
    # Not splitlines: a text in JSON may hold other line separators as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        if len(line) > MAX_LINE:
            broken = f"{len(line):,} characters are too many for a pair"
            yield Record(where, {}, broken=broken)
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(where, {}, broken=f"it is not JSON: {json_reason(error)}")
            continue
        yield record_of(value, where)


def json_value(name: str, text: str) -> Records | None:
    """The records of one JSON value; None if the text is one value a line, or empty.

    Raises:
        WorkbenchError: it is neither.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        first = text.lstrip().split("\n", 1)[0]
        with contextlib.suppress(ValueError, RecursionError):
            json.loads(first)
            return None
        if not first:
            return None
        line = f", line {error.lineno}," if isinstance(error, json.JSONDecodeError) else ""
        raise WorkbenchError(f"{name}{line} is not JSON: {json_reason(error)}.") from error
    if isinstance(whole, list):
        return Records("a JSON list", _numbered(whole, name, "pair"))
    if not isinstance(whole, dict):
        raise WorkbenchError(f"{name} is a JSON value without any pairs in it.")
    return _of_object(name, whole)


def _of_object(name: str, whole: dict[str, Any]) -> Records:
    held = next((key for key in LISTS if key in whole), None)
    if held is not None and not isinstance(whole[held], str):
        values = whole[held]
        if not isinstance(values, list):
            raise WorkbenchError(f"{name}: `{held}` has to be a list of pairs.")
        unused = tuple(key for key, value in whole.items() if key != held and value)
        if held == "prompts":
            made = _numbered(values, name, "prompt")
            return Records("AutoCircuit's dataset", made, unused, autocircuit=True)
        values = [_row(value) for value in values]
        return Records(f"a JSON list in `{held}`", _numbered(values, name, "pair"), unused)
    columns = _columns(whole)
    if columns is not None:
        return Records("a JSON object of columns", _numbered(columns, name, "pair"))
    return Records("a JSON object", _numbered([whole], name, "pair"))


def _row(value: Any) -> Any:
    """What the hub's viewer calls a row lies one deeper."""
    inner = value.get("row") if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else value


def _columns(whole: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Records of an object that has a column for each field, as pandas and datasets write it."""
    prompts = next((whole[key] for key in whole if plain_name(key) in ("clean", "prompt")), None)
    if isinstance(prompts, dict):
        keys = list(prompts)
        columns = {
            name: [column.get(key) for key in keys]
            for name, column in whole.items()
            if isinstance(column, dict)
        }
    elif isinstance(prompts, list):
        columns = {name: column for name, column in whole.items() if isinstance(column, list)}
        if any(len(column) != len(prompts) for column in columns.values()):
            return None
    else:
        return None
    size = max(len(column) for column in columns.values())
    return [{name: column[n] for name, column in columns.items()} for n in range(size)]


def _numbered(values: list[Any], name: str, noun: str) -> list[Record]:
    return [
        record_of(value, f"{name}, {noun} {number}") for number, value in enumerate(values, start=1)
    ]


def json_reason(error: Exception) -> str:
    """Why a text is not JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return (
        "it is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
    )
