"""Writing a task file: pairs as JSON Lines or CSV, which load again to the same pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from tasks.pair import Pair
from workbench.base.write_file import write_bytes
from workbench.prompts.task_file import FIELDS

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


def _values(pair: Pair) -> dict[str, object]:
    values = (pair.clean, pair.corrupted, list(pair.answers), list(pair.wrong_answers))
    return dict(zip(FIELDS, values, strict=True))


def _json_lines(pairs: Sequence[Pair]) -> str:
    return "".join(f"{json.dumps(_values(pair))}\n" for pair in pairs)


def _table(pairs: Sequence[Pair], separator: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(FIELDS)
    for pair in pairs:
        # Lists as JSON, so that an answer may hold whatever parts answers elsewhere.
        values = _values(pair).values()
        writer.writerow([json.dumps(v) if isinstance(v, list) else v for v in values])
    return out.getvalue()
