"""Writing a task file: pairs as JSON Lines or CSV, which load again to the same pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from tasks.pair import Pair
from workbench.base.write_file import write_bytes
from workbench.prompts.pair_json import FIELDS, ROLE_TOKENS, ROLES, TASK, pair_to_json

TABLES = {".csv": ",", ".tsv": "\t"}
"""What parts the columns of a table, by the file's ending."""


def write_task(path: Path, pairs: Sequence[Pair]) -> None:
    """Write pairs; `.csv` and `.tsv` are tables, all else is JSON Lines.

    Raises:
        WorkbenchError: the file cannot be written; nothing has changed then.
    """
    separator = TABLES.get(path.suffix.lower())
    text = _json_lines(pairs) if separator is None else _table(pairs, separator)
    write_bytes(path, text.encode())


def _json_lines(pairs: Sequence[Pair]) -> str:
    return "".join(f"{json.dumps(pair_to_json(pair))}\n" for pair in pairs)


def _table(pairs: Sequence[Pair], separator: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    rows = [pair_to_json(pair) for pair in pairs]
    columns = [
        *FIELDS,
        *(name for name in (ROLES, ROLE_TOKENS, TASK) if any(name in row for row in rows)),
    ]
    writer.writerow(columns)
    for row in rows:
        # Lists and roles as JSON, so that an answer may hold whatever parts answers elsewhere.
        cells = [row.get(name, "") for name in columns]
        writer.writerow([cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return out.getvalue()
