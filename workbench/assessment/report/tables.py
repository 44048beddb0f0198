"""What a part of an assessment found as tables of raw values, whatever the part.

A result is plain frozen values: single ones make a table of two columns, and each list of values of
one kind makes a table of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from workbench.base.table import Cell, Table


def tables_of(title: str, result: Any) -> tuple[Table, ...]:
    """The tables; those of lists first, the largest of them before the others."""
    single: list[tuple[Cell, ...]] = []
    lists: list[Table] = []
    _collect(title, "", result, single, lists)
    lists.sort(key=lambda table: -len(table.rows))
    values = Table(title, ("value of", "value"), tuple(single))
    return (*lists, values) if single else tuple(lists)


def _collect(
    title: str, name: str, value: Any, single: list[tuple[Cell, ...]], lists: list[Table]
) -> None:
    """Sort a value in: into the single ones, or as a table among the lists."""
    if isinstance(value, tuple) and value and all(is_dataclass(item) for item in value):
        lists.append(_table(f"{title}: {name}", value))
        for i, item in enumerate(value, 1):
            # Lists within the items of a list have tables of their own.
            for key, inner in _fields(item):
                if isinstance(inner, tuple) and inner and all(is_dataclass(x) for x in inner):
                    lists.append(_table(f"{title}: {name} {i} {key}", inner))
    elif is_dataclass(value):
        for key, inner in _fields(value):
            _collect(title, f"{name}.{key}" if name else key, inner, single, lists)
    elif isinstance(value, tuple) and value and all(isinstance(x, int | float) for x in value):
        rows = tuple((i, x) for i, x in enumerate(value, 1))
        lists.append(Table(f"{title}: {name}", ("number", name), rows))
    else:
        single.append((name, _cell(value)))


def _table(title: str, items: tuple[Any, ...]) -> Table:
    rows = [dict(_flat("", item)) for item in items]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(title, columns, tuple(tuple(row.get(name) for name in columns) for row in rows))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Cell]]:
    """The single values in an item, each by its name; lists of items are left to their tables."""
    if is_dataclass(value):
        for key, inner in _fields(value):
            yield from _flat(f"{name}.{key}" if name else key, inner)
    elif name == "index":  # of a pair: people count from 1, scripts from 0
        yield "pair", value + 1
    elif not (isinstance(value, tuple) and value and all(is_dataclass(x) for x in value)):
        yield name, _cell(value)


def _fields(value: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(value, field.name)) for field in fields(value)]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(map(str, value))
    return str(value)
