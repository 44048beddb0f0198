"""Task files: a task of one's own, in our own form or in that of another tool.

What a file holds is read in `prompts.files`: bytes to text, text to records, records to pairs by
the dialect that the columns speak. Here it is put together: what cannot be used is refused with the
first such pair and a count of the others, or left out and counted.

Texts are kept as they are, spaces included: " Mary" is another answer than "Mary".
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tasks import Pair, Task, TaskError, Tokenizer
from workbench.base.home import meant_path
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.metrics.catalogue import check_metric, find_metric
from workbench.prompts.checks import Finding, Needs, refusal
from workbench.prompts.encoding import Encoding
from workbench.prompts.files import hub, parquet, token_ids
from workbench.prompts.files.columns import ANSWERS, CLEAN, CORRUPTED, WRONG, Columns, known
from workbench.prompts.files.dialects import Dialect, Reading, dialect_of, read_record
from workbench.prompts.files.records import Record, Records, json_lines, json_value
from workbench.prompts.files.table import table
from workbench.prompts.files.text import text_of
from workbench.prompts.pair_json import FIELDS
from workbench.prompts.roles import without_unfit_roles
from workbench.prompts.task_catalogue import TASKS, find_task

DEFAULT_PAIRS = 32
# Far beyond any task; above it the file was surely meant for something else.
MAX_BYTES = 100 * 2**20
MAX_PAIRS = 200_000
# More labels than this make no curve; the answer space is then left empty.
MAX_ANSWER_SPACE = 200
# Characters of a path, and names of columns, that a message shows.
SHOWN_PATH = 200
SHOWN_COLUMNS = 12
# From this share on, token ids of another tokenizer are no accident of single pairs.
FOREIGN_SHARE = 0.1


@dataclass(frozen=True)
class ReadPair:
    """One record of a file.

    Attributes:
        where: it stands, for messages.
        pair: None if it is none.
        finding: why it is none.
    """

    where: str
    pair: Pair | None = None
    finding: Finding | None = None


@dataclass(frozen=True)
class TaskFile:
    """A task file as it was read.

    Attributes:
        name: of the file.
        source: its path.
        form: how it is written down: "JSON Lines", "a table parted by commas".
        dialect: what its columns mean.
        by_ids: its answers are token ids.
        confirmed: texts stand beside the token ids, and the tokenizer agrees with them.
        metric: that asked for, or that of the dialect.
        pairs: every record, in order.
        notes: what has to be said of it besides.
    """

    name: str
    source: str
    form: str
    dialect: Dialect
    by_ids: bool
    confirmed: bool
    metric: str
    pairs: tuple[ReadPair, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> tuple[Pair, ...]:
        """The pairs that could be made, in order."""
        return tuple(read.pair for read in self.pairs if read.pair is not None)

    @property
    def refused(self) -> list[tuple[str, Finding]]:
        """Where a record is no pair, and why."""
        return [(read.where, read.finding) for read in self.pairs if read.finding is not None]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be amiss with all of it, in sentences."""
        pairs = [pair for pair in self.usable if pair.answers and pair.wrong_answers]
        if not self.by_ids or self.confirmed or not pairs:
            return ()
        # Names that the prompt itself has, as in indirect object identification, are no accident.
        named = sum(pair.answers[0].strip() in pair.clean for pair in pairs)
        if named > len(pairs) / 2:
            return ()
        right, wrong = (printable(side[0]) for side in (pairs[0].answers, pairs[0].wrong_answers))
        return (
            f"The answers of {self.name} are token ids, and nothing in it says of which tokenizer: "
            f"see whether {right!r} against {wrong!r} is what was meant.",
        )

    @property
    def told(self) -> str:
        """What was read, in one line; what is left out of it is said besides."""
        usable = self.usable
        noun = "pair" if len(self.pairs) == 1 else "pairs"
        shown = ""
        if self.by_ids and usable and usable[0].answers and usable[0].wrong_answers:
            right, wrong = usable[0].answers[0], usable[0].wrong_answers[0]
            shown = f", the first {printable(right)!r} against {printable(wrong)!r}"
        read = f"{self.name}, {self.form}: {self.dialect.name}"
        return f"{len(self.pairs):,} {noun} in {read}{shown}."


# Names of tasks that a message lists.
NAMED_TASKS = 4


def resolve_task(
    name_or_path: str | Path,
    tokenizer: Tokenizer | None,
    *,
    pairs: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    corrupted: bool = True,
    drop_bad: bool = False,
) -> Task:
    """A built-in task by its name, or a task of one's own from a file.

    Args:
        name_or_path: a name of `task_catalogue.TASKS` ("greater_than" does too), a task in a file
            of code, `FILE.py:NAME`, the path of a task file, or a file of a data set of the hub,
            `hf://datasets/OWNER/NAME/FILE`.
        tokenizer: which words are single tokens is asked of it, and what token ids mean; without
            one the ids of a file are shown as they are.
        pairs: how many; None for 32 of a built-in task and for all of a file.  Of a file that has
            more, these are the first; of one that has fewer, all.
        seed: of a built-in task.
        metric: another than the task's own.
        corrupted: whether corrupted prompts are made use of; a file may do without if not.
        drop_bad: leave out records of a file that cannot be used.

    Raises:
        WorkbenchError: neither a task nor a file, or one that cannot be used.
    """
    known_task = find_task(str(name_or_path))
    if known_task is None:
        task = read_task(
            name_or_path,
            metric=metric,
            tokenizer=tokenizer,
            corrupted=corrupted,
            drop_bad=drop_bad,
        )
        return _limited(task, pairs)
    try:
        task = known_task(
            cast(Tokenizer, tokenizer), DEFAULT_PAIRS if pairs is None else pairs, seed
        )
    except TaskError as error:
        raise WorkbenchError(str(error)) from error
    task = without_unfit_roles(task, Encoding(tokenizer, prepend_bos=False))
    return replace(task, metric=task.metric if metric is None else check_metric(metric))


def check_task(
    name: str, *, metric: str | None = None, corrupted: bool = True, drop_bad: bool = False
) -> None:
    """Refuse a task that does not exist, or a file that is none, before a model is loaded.

    Raises:
        WorkbenchError: there is no task of that name and no file, or the file cannot be used.
    """
    if find_task(name) is None:
        read_task(name, metric=metric, corrupted=corrupted, drop_bad=drop_bad)


def read_task(
    path: str | Path,
    *,
    metric: str | None = None,
    tokenizer: Any | None = None,
    corrupted: bool = True,
    drop_bad: bool = False,
) -> Task:
    """The task in a file, all of its pairs in order; its form is told by name and content.

    Args:
        path: of the file, or `hf://datasets/OWNER/NAME/FILE`.
        metric, tokenizer, corrupted, drop_bad: as `resolve_task` takes them.

    Raises:
        WorkbenchError: the file cannot be read, or a pair in it is not one and is not to be left
            out; names the line and the field.
    """
    file = read_file(path, metric=metric, tokenizer=tokenizer, corrupted=corrupted)
    usable, refused = file.usable, file.refused
    if not file.pairs:
        raise WorkbenchError(f"{file.name} has no pairs: a line needs {_listed(FIELDS)}.")
    foreign = [one for one in refused if one[1].kind == token_ids.KIND]
    too_foreign = len(foreign) > FOREIGN_SHARE * len(file.pairs)
    if refused and (not drop_bad or not usable or too_foreign):
        # Ids that fit by chance would be left, had one only those left out that do not.
        where, finding = (foreign if too_foreign else refused)[0]
        others = Counter(other.kind for place, other in refused if place != where)
        if too_foreign:
            finding = replace(finding, said=f"{finding.said}: the ids are of another tokenizer")
        raise WorkbenchError(
            refusal(where, finding, others, none_left=not usable, helps=not too_foreign)
        )
    return Task(
        name=file.name,
        pairs=usable,
        metric=file.metric,
        description=file.told,
        answer_space=_answer_space(usable),
        notes=file.notes,
        source=file.source,
        seed=None,
        left_out=tuple(finding.kind for _, finding in refused),
        warnings=file.warnings,
    )


def read_file(
    path: str | Path,
    *,
    metric: str | None = None,
    tokenizer: Any | None = None,
    corrupted: bool = True,
) -> TaskFile:
    """A task file with all that cannot be used in it.

    Raises:
        WorkbenchError: it cannot be read at all, or lacks a column.
    """
    if metric is not None:
        metric = check_metric(metric)
    place = meant_path(hub.local_file(str(path)) or path)
    source = str(path) if hub.is_address(str(path)) else str(place.absolute())
    records = _records(place, _raw(place))
    if len(records.records) > MAX_PAIRS:
        raise WorkbenchError(f"{_name(place)} has more than {MAX_PAIRS:,} pairs: split it.")
    try:
        dialect, columns = dialect_of(_usual_names(records.records))
    except WorkbenchError as error:
        raise WorkbenchError(f"{_name(place)}: {error}.") from error
    kind = find_metric(metric or dialect.metric)
    needs = Needs(corrupted, kind.answers, kind.wrong_answers)
    if records.table and records.records:
        _check_columns(_name(place), dialect, columns, needs, records.records)
    encoding = None if tokenizer is None else Encoding(tokenizer, prepend_bos=False)
    reading = Reading(columns, needs, encoding, records.table)
    pairs = []
    for record in records.records:
        made = read_record(dialect, record, reading)
        pair, finding = (None, made) if isinstance(made, Finding) else (made, None)
        pairs.append(ReadPair(record.where, pair, finding))
    return TaskFile(
        name=_name(place),
        source=source,
        form=records.form,
        dialect=dialect,
        by_ids=bool(columns.right.ids and columns.wrong),
        confirmed=encoding is None or _has_words(columns, records.records),
        metric=kind.name,
        pairs=tuple(pairs),
        notes=_notes(records, columns),
    )


def _has_words(columns: Columns, records: list[Record]) -> bool:
    """Whether texts stand beside the token ids of the answers, not numbers of classes."""
    values = [record.fields.get(columns.right.texts) for record in records if not record.broken]
    return any(isinstance(value, str) and not value.strip().isdecimal() for value in values)


def _usual_names(records: list[Record]) -> tuple[str, ...]:
    """The names of the fields that most records have; of two that are as many the first."""
    counts = Counter(tuple(record.fields) for record in records if not record.broken)
    return counts.most_common(1)[0][0] if counts else ()


def _notes(records: Records, columns: Columns) -> tuple[str, ...]:
    used = {columns.clean, columns.corrupted}
    for side in (columns.right, columns.wrong):
        used |= {side.texts, side.ids}
    names = _usual_names(records.records)
    also = (*CLEAN, *CORRUPTED, *ANSWERS, *WRONG, "corrupted_hard")
    unused = (*records.unused, *(name for name in names if name in also and name not in used))
    return (f"{_listed(unused)} of the file: not used.",) if unused else ()


def _check_columns(
    name: str, dialect: Dialect, columns: Columns, needs: Needs, records: list[Record]
) -> None:
    """Refuse a table that has no column for what is needed; says which columns it has."""
    whole = next((record for record in records if not record.broken), None)
    if whole is None:
        return
    missing = [
        role
        for role, has, needed in (
            ("clean", columns.clean, True),
            ("corrupted", columns.corrupted, needs.corrupted),
            ("answers", columns.right or dialect.makes_answers, needs.answers),
            ("wrong_answers", columns.wrong or dialect.makes_answers, needs.wrong_answers),
        )
        if needed and not has
    ]
    if not missing:
        return
    names = [printable(whole.spelt.get(column, column)) for column in whole.fields]
    shown = _listed(tuple(names[:SHOWN_COLUMNS])) + (" …" if len(names) > SHOWN_COLUMNS else "")
    noun = "column" if len(missing) == 1 else "columns"
    less = "; --ablation zero needs none" if missing == ["corrupted"] else ""
    raise WorkbenchError(
        f"{name} has no {noun} {_listed(tuple(missing))}, nor one that is called so elsewhere: "
        f"its columns are {shown or 'without names'} (docs/task-files.md has what is read){less}."
    )


def _limited(task: Task, pairs: int | None) -> Task:
    if pairs is None or pairs >= len(task.pairs):
        return task
    if pairs < 1:
        raise WorkbenchError(f"{task.name} needs at least one pair, not {pairs}.")
    note = f"The first {pairs} of the {len(task.pairs)} pairs in the file."
    return replace(task, pairs=task.pairs[:pairs], notes=(*task.notes, note))


def _raw(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise WorkbenchError(f"{_place(path)} is a folder: name a task file in it.")
        if not path.exists():
            raise WorkbenchError(_no_such(path))
        if not path.is_file():
            raise WorkbenchError(f"{_place(path)} is not an ordinary file.")
        if path.stat().st_size > MAX_BYTES:
            raise WorkbenchError(f"{_name(path)} is larger than {MAX_BYTES >> 20} MiB: split it.")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise WorkbenchError(f"{_place(path)} cannot be read: {_reason(error)}.") from error


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


def _records(path: Path, raw: bytes) -> Records:
    """The records of a file, whose form is told by its name and its content."""
    name, suffix = _name(path), path.suffix.lower()
    if raw.startswith(parquet.MAGIC):
        return parquet.records(name, raw)
    text = text_of(name, raw)
    is_json = text.lstrip()[:1] in ("{", "[")
    if not is_json and suffix not in (".json", ".jsonl", ".ndjson"):
        return table(name, text, suffix, known)
    whole = None if suffix in (".jsonl", ".ndjson") else json_value(name, text)
    return json_lines(name, text) if whole is None else whole


def _name(path: Path) -> str:
    return printable(path.name)


def _place(path: Path) -> str:
    """A path for a message; of a very long one the end."""
    text = printable(str(path))
    return text if len(text) <= SHOWN_PATH else f"…{text[-SHOWN_PATH:]}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _answer_space(pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    """All answers of the file, numbers by size and words by the alphabet; empty if too many."""
    labels = {text for pair in pairs for text in pair.answers + pair.wrong_answers}
    if len(labels) > MAX_ANSWER_SPACE:
        return ()
    if all(label.strip().isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels, key=lambda label: (label.strip().casefold(), label)))
