"""Dialects: what the tables and files of other tools mean, as pairs.

Which dialect a file speaks is told by its columns. `DIALECTS` has them in the order in which they
are tried; docs/task-files.md is made of it, with an example of each that is read by a test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tasks.pair import Pair
from tasks.tokens import single_token
from tasks.words import VERBS
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.checks import Finding, Needs
from workbench.prompts.encoding import Encoding
from workbench.prompts.files.cells import (
    CellError,
    check_unicode,
    ids_of,
    shown_value,
    texts_of,
    whole_number,
)
from workbench.prompts.files.columns import YEARS, Columns, Side, columns_of
from workbench.prompts.files.records import Record, is_missing
from workbench.prompts.files.role_cells import spans_of_record
from workbench.prompts.files.token_ids import decoded
from workbench.prompts.files.years import CUTS, years_of
from workbench.prompts.pair_json import LONGEST_TASK, TASK

SUBJECT = "The man"
"""What a verb is looked at after; the built-in task does the same."""

COUNTERFACTUALS = ("s2_io_flip", "symbol", "random", "abc", "random_names")
"""MIB's counterfactuals, that which its evaluation takes first."""

Made = Pair | Finding


@dataclass(frozen=True)
class Reading:
    """How records are to be read.

    Attributes:
        columns: which fields mean what.
        needs: what of a pair is made use of.
        encoding: of the model's tokenizer; None where it is not known yet.
        table: the values are texts.
    """

    columns: Columns
    needs: Needs
    encoding: Encoding | None
    table: bool

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, or None."""
        return None if self.encoding is None else self.encoding.tokenizer

    @cached_property
    def verbs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The singular and the plural forms of the verbs that are single tokens."""
        forms = [
            both
            for both in VERBS
            if self.tokenizer is None
            or all(single_token(self.tokenizer, SUBJECT, f" {one}") is not None for one in both)
        ]
        return tuple(f" {one}" for one, _ in forms), tuple(f" {one}" for _, one in forms)


@dataclass(frozen=True)
class Dialect:
    """One way in which pairs are written down.

    Attributes:
        name: whose it is, or what it has.
        tells: from the columns and the names of all fields whether a file speaks it.
        read: a record's pair, or what is amiss with it.
        metric: that it is meant for.
        explained: what is made of it, in a sentence.
        example: a file, as text; token ids in it are those of the bundled model `pocket`.
        file: a name for that file.
        makes_answers: they are made of something else than columns of answers.
    """

    name: str
    tells: Callable[[Columns, Collection[str]], bool]
    read: Callable[[Record, Reading], Made]
    explained: str
    example: str
    file: str
    metric: str = "logit_diff"
    makes_answers: bool = False


def of_texts(record: Record, reading: Reading) -> Made:
    """A pair whose answers are texts or token ids."""
    clean, corrupted = _prompts(record, reading)
    sides = []
    for side, role, needed in (
        (reading.columns.right, "answers", reading.needs.answers),
        (reading.columns.wrong, "wrong_answers", reading.needs.wrong_answers),
    ):
        try:
            made = _answers(record, reading, side, role, clean)
        except CellError:
            # What no metric asks for may be missing or amiss, but where it is one side alone.
            name = side.ids or side.texts
            if needed or (reading.needs.answers and not _is_blank(record.fields.get(name))):
                raise
            made = ()
        if isinstance(made, Finding):
            if reading.needs.answers:
                return made
            made = ()
        sides.append(made)
    counts = Counter(sides[0] + sides[1])
    if counts and counts.most_common(1)[0][1] > 1 and reading.needs.answers:
        text = printable(counts.most_common(1)[0][0])
        return Finding("twice", f"the answer {text!r} is there twice")
    return Pair(clean, corrupted, sides[0], sides[1])


def _prompts(record: Record, reading: Reading) -> tuple[str, str]:
    clean = _prompt(record, reading.columns.clean, "clean")
    if not reading.needs.corrupted:
        name = reading.columns.corrupted
        value = record.fields.get(name) if name else None
        usable = isinstance(value, str) and bool(value)
        return clean, _prompt(record, name, "corrupted") if usable else clean
    try:
        return clean, _prompt(record, reading.columns.corrupted, "corrupted")
    except CellError as error:
        if str(error).endswith("is missing"):
            raise CellError(f"{error}, which --ablation zero does without") from None
        raise


def _prompt(record: Record, name: str, role: str) -> str:
    if not name or name not in record.fields:
        raise CellError(f"{record.spelt.get(name, name) or role} is missing")
    value, spelt = record.fields[name], record.spelt.get(name, name)
    if not isinstance(value, str) or not value:
        raise CellError(f"`{spelt}` has to be a text, and is {shown_value(value)}")
    return check_unicode(value, spelt)


def _answers(
    record: Record, reading: Reading, side: Side, role: str, clean: str
) -> tuple[str, ...] | Finding:
    name = side.ids or side.texts
    if not name or name not in record.fields:
        raise CellError(f"{record.spelt.get(name, name) or role} is missing")
    value = record.fields[name]
    spelt = record.spelt.get(name, name)
    if side.ids:
        ids = ids_of(value, spelt, table=reading.table)
        beside = record.fields.get(side.texts) if side.texts else None
        return decoded(ids, spelt, clean, reading.encoding, _words(beside, reading))
    if _are_ids(value, clean, reading):
        return decoded(ids_of(value, spelt, table=reading.table), spelt, clean, reading.encoding)
    return texts_of(value, spelt, table=reading.table)


def _are_ids(value: Any, clean: str, reading: Reading) -> bool:
    """Whether numbers in a field of texts are token ids.

    Where the prompt is about numbers they may be its answers: then they have to be texts, or stand
    in a field that is named after ids.
    """
    if any(character.isdigit() for character in clean):
        return False
    try:
        ids = ids_of(value, "", table=reading.table)
    except CellError:
        return False
    if not reading.table:
        values = value if isinstance(value, list) else [value]
        return all(isinstance(item, int) for item in values)
    # In a table all values are texts: what can be meant as one is.
    texts = [str(token) for token in ids]
    return reading.encoding is not None and None in reading.encoding.answers(clean, texts)


def _is_blank(value: Any) -> bool:
    return is_missing(value) or value in ("", [])


def _words(value: Any, reading: Reading) -> tuple[str, ...]:
    """The texts that stand beside token ids; empty where they are no texts."""
    try:
        return texts_of(value, "", table=reading.table)
    except CellError:
        return ()


def of_years(record: Record, reading: Reading) -> Made:
    """A pair of Greater-Than, whose answers are the years above the start year."""
    clean, corrupted = _prompts(record, reading)
    name = next(name for name in YEARS if name in record.fields)
    label = whole_number(record.fields[name], record.spelt.get(name, name))
    made = years_of(clean, label, reading.tokenizer)
    if isinstance(made, Finding):
        return made if reading.needs.answers else Pair(clean, corrupted, (), ())
    return Pair(clean, corrupted, *made)


def of_number(record: Record, reading: Reading) -> Made:
    """A pair of subject-verb agreement, whose answers are the verbs of its number."""
    clean, corrupted = _prompts(record, reading)
    value = record.fields.get("plural")
    plural = {"0": False, "1": True, "false": False, "true": True}.get(
        str(value).strip().lower().removesuffix(".0")
    )
    if plural is None:
        raise CellError(f"`plural` has to be 0 or 1, and is {shown_value(value)}")
    singular, plurals = reading.verbs
    if not singular:
        return Finding("label", "none of the verbs that are known here is one token")
    return Pair(clean, corrupted, *((plurals, singular) if plural else (singular, plurals)))


def of_choices(record: Record, reading: Reading) -> Made:
    """A pair of MIB: a prompt with choices, and its counterfactuals."""
    clean = _prompt(record, "prompt", "prompt")
    names = [n for n in record.fields if n.endswith("counterfactual") and record.fields[n]]
    order = [f"{kind}_counterfactual" for kind in COUNTERFACTUALS]
    chosen = next((n for n in (*order, *names) if n in names), None)
    if chosen is None:
        raise CellError("it has no counterfactual")
    other = record.fields[chosen]
    prompt = other.get("prompt") if isinstance(other, dict) else None
    if not isinstance(prompt, str) or not prompt:
        raise CellError(f"`{chosen}` has no prompt")
    answer = _choice(record.fields, clean, reading)
    wrong = _choice(other, clean, reading)
    if answer == wrong:
        return Finding("twice", f"its counterfactual has the same answer {printable(answer)!r}")
    return Pair(clean, check_unicode(prompt, chosen), (answer,), (wrong,))


def _choice(fields: dict[str, Any], clean: str, reading: Reading) -> str:
    """The choice that is right, with the space that the tokenizer puts before it."""
    key = fields.get("answerkey", fields.get("answerKey"))
    choices = fields.get("choices")
    if isinstance(choices, dict):
        choices = choices.get("label")
    if not isinstance(choices, list) or is_missing(key):
        raise CellError("`choices` and `answerKey` do not say which answer is right")
    place = whole_number(key, "answerKey")
    if not 0 <= place < len(choices):
        raise CellError(f"`answerKey` is {place}, and there are {len(choices)} choices")
    text = check_unicode(str(choices[place]), "choices")
    if not text.strip():
        raise CellError("`choices` has to hold texts, and one is empty")
    if clean[-1].isspace() or text.startswith(" "):
        return text
    encoding = reading.encoding
    if encoding is not None and not encoding.joins(clean, f" {text}"):
        # A tokenizer that knows the text only without a space, digits for one.
        return text if encoding.answers(clean, [text])[0] is not None else f" {text}"
    return f" {text}"


def _task(record: Record) -> str:
    """What a record says it is of, where that is a name: other tools keep anything there."""
    name = record.fields.get(TASK)
    return name if isinstance(name, str) and len(name) <= LONGEST_TASK else ""


def _has_ids(columns: Columns) -> bool:
    return bool(columns.right.ids and columns.wrong)


def _has_year(columns: Columns, names: Collection[str]) -> bool:
    right = columns.right
    lone = right.ids in ("", "correct_idx") and right.texts in ("", "label") and not columns.wrong
    return lone and any(name in names for name in YEARS)


IOI = (
    '"When Mary and John went to the store, John gave a drink to"',
    '"When Mary and John went to the store, Paul gave a drink to"',
)

DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        "MIB's choices",
        lambda columns, names: {"prompt", "choices", "answerkey"} <= set(names),
        of_choices,
        "The answer is the choice that `answerKey` counts to, the wrong one that of the "
        "counterfactual: `s2_io_flip_counterfactual`, `symbol_counterfactual`, "
        "`random_counterfactual`, or the first there is.",
        '{"prompt": "When Mary and John went to the store, John gave a drink to", "choices": '
        '["Mary", "John"], "answerKey": 0, "s2_io_flip_counterfactual": {"prompt": "When Mary and '
        'John went to the store, Mary gave a drink to", "choices": ["Mary", "John"], '
        '"answerKey": 1}}\n',
        "mib.jsonl",
    ),
    Dialect(
        "Greater-Than's start years (EAP-IG)",
        _has_year,
        of_years,
        "`label`, `start_year`, or `correct_idx` without an `incorrect_idx`, is the start year or "
        "its last two digits; the answers are the years above it, the wrong ones all others. "
        + CUTS,
        "clean,corrupted,label\n"
        "The war lasted from the year 1749 to the year 17,"
        "The war lasted from the year 1701 to the year 17,49\n",
        "greater_than.csv",
        metric="prob_diff",
        makes_answers=True,
    ),
    Dialect(
        "subject-verb agreement (EAP-IG)",
        lambda columns, names: "plural" in names and not columns.right and not columns.wrong,
        of_number,
        "`plural` says whether the subject is; the answers are the verbs of that number, from the "
        "list of the built-in task, the wrong ones those of the other.",
        "clean,corrupted,group,plural\nThe keys on the cabinet,The key on the cabinet,simple,1\n",
        "sva.csv",
        metric="prob_diff",
        makes_answers=True,
    ),
    Dialect(
        "data-driven circuit discovery's token ids",
        lambda columns, names: _has_ids(columns) and "corrupted_labels" in names,
        of_texts,
        "As those of EAP-IG; `label` and `corrupted_labels` are compared with the tokens.",
        "clean,corrupted,correct_idx,incorrect_idx,label,corrupted_labels,prompt_type\n"
        f"{','.join(IOI)},313,[314],Mary,John,ABBA\n",
        "dcd.csv",
    ),
    Dialect(
        "token ids (EAP-IG, MIB)",
        lambda columns, names: _has_ids(columns),
        of_texts,
        "A column whose name ends in `_idx` or `_id` holds ids of the model's tokenizer: "
        "`correct_idx` against `incorrect_idx`, `country_idx` against `corrupted_country_idx`, "
        "`clean_answer_idx` against `corrupted_answer_idx`, `answers_idx` against "
        "`corrupted_answers_idx`. Texts beside them (`country`, `answers`) are compared.",
        ",clean,corrupted,corrupted_hard,correct_idx,incorrect_idx\n"
        f"826,{','.join(IOI)},{IOI[1]},313,314\n",
        "ioi.csv",
    ),
    Dialect(
        "texts",
        lambda columns, names: True,
        of_texts,
        "The fields are `clean`, `corrupted`, `answers` and `wrong_answers`, or what peers call "
        "them.",
        '{"clean": "When Mary and John went to the store, John gave a drink to", "corrupted": '
        '"When Mary and John went to the store, Paul gave a drink to", "answers": [" Mary"], '
        '"wrong_answers": [" John"]}\n',
        "pairs.jsonl",
    ),
)


def dialect_of(names: Collection[str]) -> tuple[Dialect, Columns]:
    """The dialect of a file whose records have these fields, and what they mean.

    Args:
        names: plain names.

    Raises:
        WorkbenchError: two fields could mean the same; the message is a clause.
    """
    columns = columns_of(names)
    return next(dialect for dialect in DIALECTS if dialect.tells(columns, names)), columns


def read_record(dialect: Dialect, record: Record, reading: Reading) -> Made:
    """The pair of a record, or what is amiss with it."""
    if record.broken:
        return Finding("record", record.broken)
    try:
        made = dialect.read(record, reading)
        if isinstance(made, Pair):
            roles = spans_of_record(record, made.clean)
            made = replace(made, roles=roles, task=_task(record))
        return made
    except (CellError, WorkbenchError) as error:
        return Finding("record", str(error))
