"""Task files of other tools: each is read as what it means there, or refused in a sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks import Pair
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.files.dialects import DIALECTS
from workbench.prompts.preview import find_tokenizer
from workbench.prompts.task_file import read_file, read_task

TINY = tiny_tokenizer()
CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Paul gave a drink to"
PAIR = Pair(CLEAN, CORRUPTED, (" Mary",), (" John",))
YEARS = tuple(f"{n:02d}" for n in range(100))
WAR = ("The war lasted from the year 1741 to the year 17",
       "The war lasted from the year 1701 to the year 17")  # fmt: skip


def token(text: str, tokenizer: Any = TINY) -> int:
    found: int = tokenizer.convert_tokens_to_ids(text)
    return found


MARY, JOHN = token(" Mary"), token(" John")


def written(folder: Path, text: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes, name: str = "mine.csv", **options: Any) -> Any:
    return read_task(written(folder, text, name), tokenizer=TINY, **options)


def refused(folder: Path, text: str | bytes, name: str = "mine.csv", **options: Any) -> str:
    with pytest.raises(WorkbenchError) as error:
        read(folder, text, name, **options)
    message = str(error.value)
    assert message.endswith(".") and "\n" not in message
    return message


def row(*cells: object, by: str = ",") -> str:
    texts = [str(cell) for cell in cells]
    quoted = [f'"{text}"' if by in text or "\n" in text else text for text in texts]
    return by.join(quoted) + "\n"


TEXTS = row("clean", "corrupted", "answers", "wrong_answers") + row(
    CLEAN, CORRUPTED, " Mary", " John"
)
HEADS = "clean,corrupted,"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.file)
def test_every_dialect_reads_its_own_example(tmp_path: Path, dialect: Any) -> None:
    path = written(tmp_path, dialect.example, dialect.file)
    file = read_file(path, tokenizer=find_tokenizer("pocket"))
    assert file.dialect is dialect and not file.refused and not file.warnings
    (pair,) = file.usable
    assert pair.answers and pair.wrong_answers and pair.clean != pair.corrupted
    if "Mary" in pair.clean:
        assert (pair.answers, pair.wrong_answers) == ((" Mary",), (" John",))


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (",clean,corrupted,corrupted_hard,correct_idx,incorrect_idx",
         (826, CLEAN, CORRUPTED, CORRUPTED, MARY, JOHN)),
        ("clean,capital,country,country_idx,corrupted,corrupted_country,corrupted_country_idx",
         (CLEAN, "x", "Maryland", MARY, CORRUPTED, "John", JOHN)),
        ("clean,corrupted,clean_answer_idx,corrupted_answer_idx,label",
         (CLEAN, CORRUPTED, MARY, JOHN, 0)),
        ("clean,h1,answers,answers_idx,corrupted,corrupted_answers,corrupted_answers_idx",
         (CLEAN, "x", "['Mary']", f"[{MARY}]", CORRUPTED, "['John']", f"[{JOHN}]")),
        ("clean,corrupted,correct_idx,incorrect_idx,label,corrupted_labels,prompt_type",
         (CLEAN, CORRUPTED, MARY, f"[{JOHN}]", "Mary", "['John']", "ABBA")),
        ("clean,corrupted,correct_idx,incorrect_idx", (CLEAN, CORRUPTED, f"{MARY}.0", JOHN)),
        ("Clean Prompt,Corrupted-Prompt,Answer IDs,Wrong Answer ID",
         (CLEAN, CORRUPTED, MARY, JOHN)),
        ("clean,corrupted,answers,wrong_answers", (CLEAN, CORRUPTED, MARY, JOHN)),
    ],
)  # fmt: skip
def test_answers_as_token_ids(tmp_path: Path, header: str, cells: tuple[object, ...]) -> None:
    task = read(tmp_path, header + "\n" + row(*cells))
    assert task.pairs == (PAIR,)
    if "answers,wrong" not in header:
        assert task.description.endswith(", the first ' Mary' against ' John'.")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ((10**6, JOHN), "`correct_idx` is 1000000, which is outside the vocabulary"),
        ((-1, JOHN), "outside the vocabulary"),
        ((10**30, JOHN), "`correct_idx` has to be a whole number"),
        ((1.5, JOHN), "has to be a whole number"),
        (("", JOHN), "`correct_idx`"),
        ((token("Mary"), JOHN), "is 'Mary' to this tokenizer, and no word after"),
        ((token("<|im_start|>"), JOHN), "no word after"),
        ((MARY, MARY), "the answer ' Mary' is there twice"),
    ],
)
def test_token_ids_of_another_tokenizer(
    tmp_path: Path, cells: tuple[object, ...], said: str
) -> None:
    text = row("clean", "corrupted", "correct_idx", "incorrect_idx")
    bad, good = row(CLEAN, CORRUPTED, *cells), row(CLEAN, CORRUPTED, MARY, JOHN)
    assert said in refused(tmp_path, text + good + bad)
    # One among many is left out; where they are many, what would be left would fit by chance.
    task = read(tmp_path, text + good * 30 + bad, drop_bad=True)
    assert (len(task.pairs), len(task.left_out)) == (30, 1)
    if "token" in said or "outside" in said or "word" in said:
        message = refused(tmp_path, text + good + bad, drop_bad=True)
        assert ("of another tokenizer" in message) == ("whole number" not in said)


def test_a_text_beside_a_token_id_has_to_agree(tmp_path: Path) -> None:
    text = "clean,corrupted,country,country_idx,corrupted_country,corrupted_country_idx\n"
    text += row(CLEAN, CORRUPTED, "France", MARY, "John", JOHN)
    assert "is ' Mary' to this tokenizer, and the file says 'France'" in refused(tmp_path, text)


def test_ids_that_nothing_confirms_are_warned_of(tmp_path: Path) -> None:
    """Two words of a tokenizer are two words of another one too."""
    header = "clean,corrupted,clean_answer_idx,corrupted_answer_idx\n"
    prompts = ("The keys on the table", "The key on the table")
    (warning,) = read(tmp_path, header + row(*prompts, MARY, JOHN)).warnings
    assert "see whether ' Mary' against ' John' is what was meant" in warning
    assert not read(tmp_path, header + row(CLEAN, CORRUPTED, MARY, JOHN)).warnings


@pytest.mark.parametrize("name", ["label", "correct_idx", "start_year"])
def test_greater_than(tmp_path: Path, name: str) -> None:
    label = 1741 if name == "start_year" else 41
    text = f"{HEADS}{name}\n" + row(*WAR, label)
    task = read(tmp_path, text)
    assert task.pairs == (Pair(*WAR, YEARS[42:], YEARS[:42]),)
    assert (task.metric, read(tmp_path, text, metric="logit_diff").metric) == (
        "prob_diff", "logit_diff"
    )  # fmt: skip
    assert task.answer_space == YEARS


def years_read(tmp_path: Path, digits: str, start: int, typed: str) -> Pair | str:
    """What a tokenizer that cuts years so makes of one row; what it is told if it is refused."""
    prompts = [f"The war lasted from the year {year} to the year {typed}" for year in (start, 1701)]
    path = written(tmp_path, f"{HEADS}start_year\n" + row(*prompts, start))
    try:
        (pair,) = read_task(path, tokenizer=tiny_tokenizer(digits=digits)).pairs
    except WorkbenchError as error:
        return str(error)
    return pair


@pytest.mark.parametrize("digits", ["pairs", "single", "three"])
@pytest.mark.parametrize("start", [1741, 1749, 1740, 1789, 1799])
@pytest.mark.parametrize("typed", ["", "1", "17", "174", "175", "1741", "18"])
def test_greater_than_however_a_tokenizer_cuts_years(
    tmp_path: Path, digits: str, start: int, typed: str
) -> None:
    """An answer is right exactly if all years that begin with it are above, wrong if none is."""
    pair = years_read(tmp_path, digits, start, typed)
    fits = {
        "pairs": typed == "17" and start != 1799,
        "single": (typed == "17" and start in (1749, 1789))
        or (typed == "174" and start in (1740, 1741)),
        "three": (typed == "" and start % 10 == 9) or (typed == "174" and start in (1740, 1741)),
    }[digits]
    assert isinstance(pair, Pair) == fits, pair
    if not isinstance(pair, Pair):
        assert "start year" in pair or "starts in" in pair or "above" in pair
        return
    for answers, right in ((pair.answers, True), (pair.wrong_answers, False)):
        for answer in answers:
            begun = typed + answer
            years = [year for year in range(1000, 2100) if str(year).startswith(begun)]
            assert years
            assert all((year > start) == right for year in years)
    width = len(pair.answers[0])
    assert len(pair.answers) + len(pair.wrong_answers) == (110 if width == 3 else 10**width)


def test_a_greater_than_file_says_what_would_do(tmp_path: Path) -> None:
    said = years_read(tmp_path, "single", 1741, "17")
    assert "reads Greater-Than's start year 1741 as 1|7|4|1" in str(said)
    assert "one that ends in 9; what would do is a prompt that ends in 174" in str(said)
    said = years_read(tmp_path, "three", 1741, "17")
    assert "as 174|1, so that no token is the rest of a year after 17" in str(said)
    assert "what would do is a prompt that ends in 174" in str(said)
    assert isinstance(years_read(tmp_path, "three", 1741, "174"), Pair)
    prompts = [text.replace("1741", "1749") for text in WAR]
    path = written(tmp_path, f"{HEADS}label\n" + row(*prompts, 49) + row(*WAR, 41))
    (pair,) = read_task(path, tokenizer=tiny_tokenizer(digits="single"), drop_bad=True).pairs
    assert (pair.answers, pair.wrong_answers) == (tuple("56789"), tuple("01234"))


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (40, "starts in 1740, which is not in it"),
        (99, "1799, which is not in it"),
        (1641, "start year 1641 is not of the century 17"),
        (341, "neither a year nor the last two digits"),
        ("many", "`label` has to be a whole number"),
    ],
)
def test_a_label_that_does_not_fit(tmp_path: Path, label: object, said: str) -> None:
    assert said in refused(tmp_path, f"{HEADS}label\n" + row(*WAR, label))


def test_agreement_by_number(tmp_path: Path) -> None:
    text = "clean,corrupted,group,plural\n" + row("The keys", "The key", "x", 1)
    first, second = read(tmp_path, text + row("The key", "The keys", "x", 0)).pairs
    assert (first.answers, first.wrong_answers) == (second.wrong_answers, second.answers)
    assert " are" in first.answers and " is" in first.wrong_answers


def test_choices_of_mib(tmp_path: Path) -> None:
    other = {"prompt": CORRUPTED, "choices": {"label": ["Paul", "John"]}, "answerKey": 1}
    record = {
        "prompt": CLEAN,
        "choices": {"label": ["Mary", "John"], "text": ["a", "b"]},
        "answerKey": 0,
        "random_counterfactual": None,
        "symbol_counterfactual": other,
    }
    assert read(tmp_path, json.dumps(record), "mine.jsonl").pairs == (PAIR,)
    other["answerKey"] = 5
    said = refused(tmp_path, json.dumps(record), "mine.jsonl")
    assert "`answerKey` is 5, and there are 2 choices" in said


# --- forms ---------------------------------------------------------------------------------------

EXCEL = row("clean", "corrupted", "answers", "wrong_answers", by=";") + row(
    CLEAN, CORRUPTED, " Mary", " John", by=";"
)
RECORD = {"clean": CLEAN, "corrupted": CORRUPTED, "answers": [" Mary"], "wrong_answers": [" John"]}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (EXCEL, "a.csv"),
        ("\ufeff" + EXCEL.replace("\n", "\r\n"), "a.csv"),
        ("sep=;\r\n" + EXCEL.replace("\n", "\r\n"), "a.csv"),
        (EXCEL.replace(";", "\t"), "a.csv"),
        (EXCEL.replace(";", "\t").encode("utf-16"), "unicode.txt"),
        (EXCEL.encode("utf-32"), "a.csv"),
        (TEXTS + ",,,\n,,,\n\n", "a.csv"),
        (TEXTS.replace("wrong_answers\n", "wrong_answers,,\n").replace(" John\n", " John,,\n"),
         "a.csv"),
        (TEXTS.replace("clean,corrupted", "Clean , CORRUPTED"), "a.csv"),
        (TEXTS.replace("clean,", ",clean,").replace('"When Mary', '0,"When Mary', 1), "a.csv"),
        (TEXTS.replace(" Mary,", "[' Mary'],"), "a.csv"),
        (TEXTS.replace(" Mary,", "[' Mary' ],").replace(" John\n", '"["" John""]"\n'), "a.csv"),
        (TEXTS.replace("answers", "answer").replace("wrong_answer", "incorrect"), "a.csv"),
        (json.dumps({**RECORD, "note": None}), "a.jsonl"),
        (json.dumps([RECORD]), "a.json"),
        (json.dumps({"prompts": [{"corrupt": CORRUPTED, **RECORD}]}), "a.json"),
        (json.dumps({"data": [RECORD]}), "a.json"),
        (json.dumps({"rows": [{"row_idx": 0, "row": RECORD}]}), "a.json"),
        (json.dumps({name: [value] for name, value in RECORD.items()}), "a.json"),
        (json.dumps({name: {"0": value} for name, value in RECORD.items()}), "a.json"),
        (json.dumps({"clean": CLEAN, "corrupt": CORRUPTED, "target": " Mary", "wrong": " John"}),
         "a.jsonl"),
        (json.dumps({**RECORD, "answers": [MARY], "wrong_answers": JOHN}), "a.jsonl"),
    ],
)  # fmt: skip
def test_forms(tmp_path: Path, text: str | bytes, name: str) -> None:
    assert read(tmp_path, text, name).pairs == (PAIR,)


def test_parquet_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    said = refused(tmp_path, b"PAR1 and more", "train.parquet")
    assert said == (
        "train.parquet is Parquet, which takes the extra `parquet`: install it with `pip install "
        "'.[parquet]'` (that is pyarrow), or save the file as JSON Lines."
    )


@pytest.mark.dependencies
def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([RECORD]), tmp_path / "train.parquet")
    assert read_task(tmp_path / "train.parquet").pairs == (PAIR,)
    whole = (tmp_path / "train.parquet").read_bytes()
    assert "is broken Parquet" in refused(tmp_path, whole[:-20], "a.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"PK\x03\x04rest", "an Excel workbook: save the sheet as CSV"),
        (b"\x1f\x8brest", "compressed"),
        (b"version https://git-lfs.github.com/spec/v1\noid x", "Git LFS"),
        ("country,capital\nFrance,Paris\n", "its columns are country, capital"),
        ("clean,corrupted,answers,wrong_answers\na,b,['x' 'y,c\n", "begins like a list"),
        ("clean,corrupt_prompt,corrupt,answers,wrong\na,b,c,d,e\n", "could each be `corrupted`"),
        ("clean,corrupted,country_idx,capital_idx,wrong\na,b,1,2,e\n", "could each be the answers"),
    ],
)
def test_what_is_no_task(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_numbers_among_answers_are_texts_where_the_prompt_has_digits(tmp_path: Path) -> None:
    sums = {"clean": "1 2", "corrupted": "1 3", "answers": [5], "wrong_answers": ["6"]}
    assert "`answers` has to hold texts, and holds 5" in refused(
        tmp_path, json.dumps(sums), "a.json"
    )
    text = row("clean", "corrupted", "answers", "wrong_answers") + row("1 2", "1 3", 5, 6)
    assert read(tmp_path, text).pairs == (Pair("1 2", "1 3", ("5",), ("6",)),)


# --- what is not made use of ---------------------------------------------------------------------


def test_what_metric_and_ablation_make_no_use_of_is_not_demanded(tmp_path: Path) -> None:
    clean = json.dumps({"clean": CLEAN})
    both = json.dumps({"clean": CLEAN, "corrupted": CORRUPTED})
    right = json.dumps({"clean": CLEAN, "corrupted": CORRUPTED, "answers": " Mary"})
    assert read(tmp_path, clean, "a.jsonl", metric="kl", corrupted=False).pairs == (
        Pair(CLEAN, CLEAN, (), ()),
    )
    assert read(tmp_path, both, "a.jsonl", metric="kl").pairs == (Pair(CLEAN, CORRUPTED, (), ()),)
    assert read(tmp_path, right, "a.jsonl", metric="accuracy").pairs[0].answers == (" Mary",)
    assert "corrupted is missing" in refused(tmp_path, clean, "a.jsonl", metric="kl")
    assert "answers is missing" in refused(tmp_path, both, "a.jsonl")
    assert "wrong_answers is missing" in refused(tmp_path, right, "a.jsonl")
    table = f'clean,answers,wrong_answers\n"{CLEAN}", Mary, John\n'
    assert read(tmp_path, table, corrupted=False).pairs == (
        Pair(CLEAN, CLEAN, (" Mary",), (" John",)),
    )
    assert "--ablation zero needs none" in refused(tmp_path, table)
    # A metric that would be another one without them is not given wrong ones that are amiss.
    odd = json.dumps({**RECORD, "wrong_answers": [7.5]})
    assert "`wrong_answers`" in refused(tmp_path, odd, "a.jsonl", metric="accuracy")


def test_records_that_cannot_be_used_are_left_out_and_counted(tmp_path: Path) -> None:
    bad = [{**RECORD, "clean": ""}, {**RECORD, "answers": [" John"]}, {"clean": CLEAN}]
    text = "".join(json.dumps(record) + "\n" for record in [RECORD, *bad, RECORD])
    message = refused(tmp_path, text, "a.jsonl")
    assert message.startswith("a.jsonl, line 2: `clean` has to be a text")
    assert "2 other pairs cannot be used either (1 with a field that is missing" in message
    task = read(tmp_path, text, "a.jsonl", drop_bad=True)
    assert task.pairs == (PAIR, PAIR)
    assert task.left_out == ("record", "twice", "record")
    assert task.description == "5 pairs in a.jsonl, JSON Lines: texts."
