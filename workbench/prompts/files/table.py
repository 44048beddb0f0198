"""Tables: rows of texts under a header, as pandas, Excel and their kind write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator

from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.files.records import Record, Records, plain_name

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What parts columns, with the word for it; a comma where nothing speaks for another."""


def table(name: str, text: str, suffix: str, known: Callable[[str], bool]) -> Records:
    """The rows of a table as records.

    Args:
        name: of the file, for messages.
        suffix: of the file, in small letters.
        known: tells whether a plain name of a column means something; what parts the columns is
            found by it.

    Raises:
        WorkbenchError: it is no table.
    """
    told = re.match(r"sep=(.)\r?(\n|$)", text)  # Excel's own way to say it
    delimiter = told[1] if told else _delimiter(text, suffix, known)
    rows = _rows(name, text, delimiter, skip=1 if told else 0)
    first = next(rows, None)
    word = DELIMITERS.get(delimiter, repr(printable(delimiter)))
    form = f"a table parted by {word}"
    if first is None:
        return Records(form, [], table=True)
    where, header = first
    while header and not header[-1].strip():  # empty columns at the end, as of a spreadsheet
        header = header[:-1]
    names = [plain_name(column) for column in header]
    spelt = {plain: column.strip() for plain, column in zip(names, header, strict=True)}
    twice = sorted({column for column in names if column and names.count(column) > 1})
    if twice:
        raise WorkbenchError(
            f"{where}: the header has the column {printable(', '.join(twice))} twice."
        )
    records = [_record(where, row, names, spelt, word) for where, row in rows]
    return Records(form, records, table=True)


def _record(
    where: str, row: list[str], names: list[str], spelt: dict[str, str], word: str
) -> Record:
    extra = row[len(names) :]
    if len(row) < len(names) or any(cell.strip() for cell in extra):
        return Record(
            where,
            {},
            broken=f"it has {len(row)} columns and the header {len(names)}: put texts that hold "
            f"{word} in double quotes",
        )
    pairs = zip(names, row, strict=False)
    return Record(where, {name: cell for name, cell in pairs if name}, spelt)


def _delimiter(text: str, suffix: str, known: Callable[[str], bool]) -> str:
    """What parts the columns: that by which the header has the most names that are known."""
    lines = text.lstrip("\r\n").split("\n", 1)
    header = lines[0].rstrip("\r")
    usual = "\t" if suffix == ".tsv" else ","

    def found(delimiter: str) -> tuple[int, bool]:
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            names = []
        return sum(known(plain_name(name)) for name in names), delimiter == usual

    return max(DELIMITERS, key=found)


def _rows(name: str, text: str, delimiter: str, skip: int) -> Iterator[tuple[str, list[str]]]:
    """Rows that are not blank, each with its place."""
    lines = io.StringIO(text, newline="")
    for _ in range(skip):
        lines.readline()
    try:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    except (TypeError, ValueError) as error:
        raise WorkbenchError(f"{name}: `sep=` names nothing that could part columns.") from error
    while True:
        where = f"{name}, line {reader.line_num + 1 + skip}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise WorkbenchError(f"{where} is not CSV: {printable(str(error))}.") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield where, row
