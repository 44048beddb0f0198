"""Task files: a task of one's own, as JSON Lines, AutoCircuit's dataset JSON, or CSV.

JSON Lines: one pair a line, an object with `clean`, `corrupted`, `answers`, `wrong_answers`; the
two prompts are texts, the answers lists of texts (or one text).  A JSON list of such objects too.
AutoCircuit's dataset: one object, `{"prompts": [...]}`, whose pairs say `corrupt` for `corrupted`.
CSV: a header with the same four names as in JSON Lines, in any order; several answers are parted
by `|`, or written as a JSON list.

Texts are kept as they are, spaces included: " Mary" is another answer than "Mary".
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks import Pair, Task, TaskError, Tokenizer
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.task_catalogue import TASKS, find_task

DEFAULT_METRIC = "logit_diff"
DEFAULT_PAIRS = 32
FIELDS = ("clean", "corrupted", "answers", "wrong_answers")
# AutoCircuit's name for `corrupted`.
AUTOCIRCUIT_FIELDS = ("clean", "corrupt", "answers", "wrong_answers")
# Far beyond any task; above it the file was surely meant for something else.
MAX_BYTES = 100 * 2**20
MAX_LINE = 2**20
# More labels than this make no curve; the answer space is then left empty.
MAX_ANSWER_SPACE = 200
# Characters of a value and of a path that a message shows.
SHOWN_VALUE = 60
SHOWN_PATH = 200
# Names of tasks that a message lists.
NAMED_TASKS = 4


def resolve_task(
    name_or_path: str | Path,
    tokenizer: Tokenizer,
    *,
    pairs: int | None = None,
    seed: int = 0,
    metric: str | None = None,
) -> Task:
    """A built-in task by its name, or a task of one's own from a file.

    Args:
        name_or_path: a name of `task_catalogue.TASKS` ("greater_than" does too), a task in a file
            of code, `FILE.py:NAME`, or the path of a task file.
        tokenizer: which words are single tokens is asked of it; not needed for a file.
        pairs: how many; None for 32 of a built-in task and for all of a file.  Of a file that has
            more, these are the first; of one that has fewer, all.
        seed: of a built-in task.
        metric: another than the task's own.

    Raises:
        WorkbenchError: neither a task nor a file, or one that cannot be used.
    """
    known = find_task(str(name_or_path))
    if known is None:
        return _limited(read_task(name_or_path, metric=metric), pairs)
    try:
        task = known(tokenizer, DEFAULT_PAIRS if pairs is None else pairs, seed)
    except TaskError as error:
        raise WorkbenchError(str(error)) from error
    return replace(task, metric=_checked(metric) or task.metric)


def check_task(name: str) -> None:
    """Refuse a task that does not exist, or a file that is none, before a model is loaded.

    Raises:
        WorkbenchError: there is no task of that name and no file, or the file cannot be used.
    """
    if find_task(name) is None:
        read_task(name)


def read_task(path: str | Path, *, metric: str | None = None) -> Task:
    """The task in a file, all of its pairs in order; its format is told by name and content.

    Raises:
        WorkbenchError: the file cannot be read, or a pair in it is not one; names the line (of
            AutoCircuit's dataset the prompt) and the field.
    """
    path = Path(path)
    with contextlib.suppress(RuntimeError):  # ~nobody: then there is no such file either
        path = path.expanduser()
    text = _text(path)
    pairs, notes = _parse(path, text)
    if not pairs:
        raise WorkbenchError(f"{_name(path)} has no pairs: a line needs {_listed(FIELDS)}.")
    return Task(
        name=_name(path),
        pairs=tuple(pairs),
        metric=_checked(metric) or DEFAULT_METRIC,
        description=f"{len(pairs)} pairs from {_name(path)}.",
        answer_space=_answer_space(pairs),
        notes=notes,
        source=str(path.absolute()),
        seed=None,
    )


def _checked(metric: str | None) -> str | None:
    if metric is None:
        return None
    from workbench.metrics.catalogue import check_metric

    return check_metric(metric)


def _limited(task: Task, pairs: int | None) -> Task:
    if pairs is None or pairs >= len(task.pairs):
        return task
    if pairs < 1:
        raise WorkbenchError(f"{task.name} needs at least one pair, not {pairs}.")
    note = f"The first {pairs} of the {len(task.pairs)} pairs in the file."
    return replace(task, pairs=task.pairs[:pairs], notes=(*task.notes, note))


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise WorkbenchError(f"{_place(path)} is a folder: name a task file in it.")
        if not path.exists():
            raise WorkbenchError(_no_such(path))
        if not path.is_file():
            raise WorkbenchError(f"{_place(path)} is not an ordinary file.")
        if path.stat().st_size > MAX_BYTES:
            raise WorkbenchError(f"{_name(path)} is larger than {MAX_BYTES >> 20} MiB: split it.")
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise WorkbenchError(f"{_place(path)} cannot be read: {_reason(error)}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WorkbenchError(
            f"{_name(path)} is not UTF-8 text (line {line}): save it in that encoding."
        ) from error


def _no_such(path: Path) -> str:
    close = difflib.get_close_matches(str(path), TASKS, n=1)
    hint = f", did you mean {close[0]}" if close else ""
    first = tuple(TASKS)[:NAMED_TASKS]
    rest = len(TASKS) - len(first)
    return (
        f"There is no task or task file {_place(path)}{hint}: the tasks are {', '.join(first)} and "
        f"{rest} more, which `workbench tasks` lists."
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _parse(path: Path, text: str) -> tuple[list[Pair], tuple[str, ...]]:
    """The pairs, and what has to be said of them."""
    suffix = path.suffix.lower()
    is_json = text.lstrip()[:1] in ("{", "[")
    if suffix in (".csv", ".tsv") or (not is_json and suffix not in (".json", ".jsonl", ".ndjson")):
        return list(_csv(path, text, "\t" if suffix == ".tsv" else ",")), ()
    whole = None if suffix in (".jsonl", ".ndjson") else _whole_json(path, text)
    if isinstance(whole, dict) and "prompts" in whole:
        return _autocircuit(path, whole)
    if whole is None:
        return list(_json_lines(path, text)), ()
    records = whole if isinstance(whole, list) else [whole]
    return [_pair(record, FIELDS, f"{_name(path)}, pair {n}") for n, record in _count(records)], ()


def _count(records: list[Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(records, start=1)


def _name(path: Path) -> str:
    return printable(path.name)


def _place(path: Path) -> str:
    """A path for a message; of a very long one the end."""
    text = printable(str(path))
    return text if len(text) <= SHOWN_PATH else f"…{text[-SHOWN_PATH:]}"


def _whole_json(path: Path, text: str) -> Any:
    """The text as one JSON value; None if it is one value a line, or nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        first = text.lstrip().split("\n", 1)[0]
        with contextlib.suppress(ValueError, RecursionError):
            json.loads(first)
            return None
        if not first:
            return None
        line = f", line {error.lineno}," if isinstance(error, json.JSONDecodeError) else ""
        raise WorkbenchError(f"{_name(path)}{line} is not JSON: {_json_reason(error)}.") from error


def _json_lines(path: Path, text: str) -> Iterator[Pair]:
    # Not splitlines: a text in JSON may hold other line separators as they are.
    for number, line in _count(text.split("\n")):
        if not line.strip():
            continue
        where = f"{_name(path)}, line {number}"
        if len(line) > MAX_LINE:
            raise WorkbenchError(f"{where}: {len(line):,} characters are too many for a pair.")
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise WorkbenchError(f"{where} is not JSON: {_json_reason(error)}.") from error
        yield _pair(record, FIELDS, where)


def _json_reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return (
        "it is nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
    )


def _autocircuit(path: Path, whole: dict[str, Any]) -> tuple[list[Pair], tuple[str, ...]]:
    prompts = whole["prompts"]
    if not isinstance(prompts, list):
        raise WorkbenchError(f"{_name(path)}: `prompts` has to be a list of pairs.")
    unused = [name for name in ("seq_labels", "word_idxs") if whole.get(name)]
    notes = (f"{_listed(tuple(unused))} of the file: not used.",) if unused else ()
    pairs = [
        _pair(record, AUTOCIRCUIT_FIELDS, f"{_name(path)}, prompt {number}")
        for number, record in _count(prompts)
    ]
    return pairs, notes


def _csv(path: Path, text: str, delimiter: str) -> Iterator[Pair]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        where = f"{_name(path)}, line {reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise WorkbenchError(f"{where} is not CSV: {error}.") from error
        if row is None:
            return
        if len(row) < 2 and not "".join(row).strip():
            continue
        if header is None:
            header = [name.strip() for name in row]
            _check_header(header, where)
            continue
        if len(row) != len(header):
            raise WorkbenchError(
                f"{where} has {len(row)} columns and the header {len(header)}: put texts that hold "
                f"a {'tab' if delimiter == chr(9) else 'comma'} in double quotes."
            )
        record: dict[str, Any] = dict(zip(header, row, strict=True))
        for name in ("answers", "wrong_answers"):
            record[name] = _cell(record[name], name, where)
        yield _pair(record, FIELDS, where)


def _check_header(header: list[str], where: str) -> None:
    missing = [name for name in FIELDS if header.count(name) != 1]
    if missing:
        raise WorkbenchError(
            f"{where}: a task file is JSON Lines, AutoCircuit's JSON, or CSV with a header, and "
            f"this header has not exactly one column {_listed(tuple(missing))}."
        )


def _cell(text: str, name: str, where: str) -> Any:
    """The answers in a cell of a CSV file: parted by bars, or a JSON list."""
    if not text.startswith("["):
        return text.split("|") if text else []
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WorkbenchError(
            f"{where}: `{name}` begins like a JSON list and is none: {_json_reason(error)}."
        ) from error


def _pair(record: Any, fields: tuple[str, ...], where: str) -> Pair:
    """The pair that a record is; `fields`: its names for those of `FIELDS`."""
    if not isinstance(record, dict):
        raise WorkbenchError(f"{where} is not an object with {_listed(fields)}.")
    missing = [name for name in fields if name not in record]
    if missing:
        raise WorkbenchError(f"{where}: {_listed(tuple(missing))} is missing.")
    clean, corrupted = (_prompt(record[name], name, where) for name in fields[:2])
    answers, wrong = (_answers(record[name], name, where) for name in fields[2:])
    counts = Counter(answers + wrong)
    if len(counts) < len(answers) + len(wrong):
        text = printable(counts.most_common(1)[0][0])
        raise WorkbenchError(f"{where}: the answer {text!r} is there twice.")
    return Pair(clean, corrupted, answers, wrong)


def _prompt(value: Any, name: str, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise WorkbenchError(f"{where}: `{name}` has to be a text, and is {_value(value)}.")
    return _unicode(value, name, where)


def _answers(value: Any, name: str, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise WorkbenchError(
            f"{where}: `{name}` has to be a list of texts, at least one, and is {_value(value)}."
        )
    for text in values:
        if not isinstance(text, str) or not text:
            raise WorkbenchError(f"{where}: `{name}` has to hold texts, and holds {_value(text)}.")
    return tuple(_unicode(text, name, where) for text in values)


def _unicode(text: str, name: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair
        raise WorkbenchError(f"{where}: `{name}` is not valid Unicode: {_value(text)}.") from None
    return text


def _value(value: Any) -> str:
    """A value for a message, as JSON, cut short."""
    text = printable(json.dumps(value, ensure_ascii=True))
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}…"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _answer_space(pairs: list[Pair]) -> tuple[str, ...]:
    """All answers of the file, numbers by size and words by the alphabet; empty if too many."""
    labels = {text for pair in pairs for text in pair.answers + pair.wrong_answers}
    if len(labels) > MAX_ANSWER_SPACE:
        return ()
    if all(label.strip().isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels, key=lambda label: (label.strip().casefold(), label)))
