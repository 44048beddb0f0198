"""Task files: what is read, and what is said of what cannot be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import Pair, Task
from tests.support.paths import REFERENCE
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts import task_file
from workbench.prompts.files import records
from workbench.prompts.pair_json import pair_from_json, pair_to_json
from workbench.prompts.task_file import read_task, resolve_task
from workbench.prompts.write_task import write_task

PROMPTS = REFERENCE / "ioi_smollm2.jsonl"
TINY = tiny_tokenizer()
KEYS = {
    "clean": "The keys, on the table",
    "corrupted": "The key, on the table",
    "answers": [" are", " were"],
    "wrong_answers": [" is"],
}
KEYS_PAIR = Pair(KEYS["clean"], KEYS["corrupted"], (" are", " were"), (" is",))  # type: ignore[arg-type]
MARY = {"clean": "  Mary ", "corrupted": "\tPaul\n", "answers": ["x "], "wrong_answers": ["y", "|"]}
MARY_PAIR = Pair("  Mary ", "\tPaul\n", ("x ",), ("y", "|"))


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def written(folder: Path, text: str | bytes, name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path | str, **options: Any) -> str:
    with pytest.raises(WorkbenchError) as error:
        read_task(path, **options)
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 400
    return message


# --- what is read --------------------------------------------------------------------------------


def test_json_lines_keep_order_and_spaces(tmp_path: Path) -> None:
    path = written(tmp_path, lines(KEYS, MARY))
    task = read_task(path)
    assert task.pairs == (KEYS_PAIR, MARY_PAIR)
    assert task.metric == "logit_diff"
    assert (task.name, task.source, task.seed) == ("mine.jsonl", str(path), None)
    assert task.answer_space == (" are", " is", " were", "x ", "y", "|")


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.txt", "mine", "mine.ndjson"])
def test_json_lines_under_any_name(tmp_path: Path, name: str) -> None:
    assert read_task(written(tmp_path, lines(KEYS, MARY), name)).pairs == (KEYS_PAIR, MARY_PAIR)
    assert read_task(written(tmp_path, lines(KEYS), name)).pairs == (KEYS_PAIR,)


def test_other_keys_blank_lines_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff\n" + lines({**KEYS, "id": 7}).replace("\n", "\r\n") + "  \r\n" + lines(MARY)
    assert read_task(written(tmp_path, text)).pairs == (KEYS_PAIR, MARY_PAIR)


def test_a_line_separator_within_a_text_is_no_end_of_line(tmp_path: Path) -> None:
    record = {**KEYS, "clean": "The keys\u2028on\x85the table"}
    (pair,) = read_task(written(tmp_path, json.dumps(record, ensure_ascii=False))).pairs
    assert pair.clean == record["clean"]


def test_one_answer_needs_no_list(tmp_path: Path) -> None:
    (pair,) = read_task(written(tmp_path, lines({**KEYS, "wrong_answers": " is"}))).pairs
    assert pair == KEYS_PAIR


def test_a_list_in_json(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps([KEYS, MARY], indent=2), "mine.json")
    assert read_task(path).pairs == (KEYS_PAIR, MARY_PAIR)


def test_autocircuit_s_dataset(tmp_path: Path) -> None:
    prompts = [
        {("corrupt" if name == "corrupted" else name): value for name, value in record.items()}
        for record in (KEYS, MARY)
    ]
    whole = {"seq_labels": ["The"], "word_idxs": {"end": 4}, "prompts": prompts}
    for indent in (None, 4):
        task = read_task(written(tmp_path, json.dumps(whole, indent=indent), "ioi.json"))
        assert task.pairs == (KEYS_PAIR, MARY_PAIR)
        assert task.notes == ("seq_labels, word_idxs of the file: not used.",)
    task = read_task(written(tmp_path, json.dumps({"prompts": prompts}), "ioi.json"))
    assert task.notes == ()


def test_csv(tmp_path: Path) -> None:
    text = (
        "wrong_answers,clean,note,corrupted,answers\r\n"
        ' is,"The keys, on the table",x,"The key, on the table", are| were\r\n'
        "\r\n"
        '"[""y"", ""|""]",  Mary ,,"\tPaul\n",x \r\n'
    )
    assert read_task(written(tmp_path, text, "mine.csv")).pairs == (KEYS_PAIR, MARY_PAIR)
    assert read_task(written(tmp_path, text, "mine.txt")).pairs == (KEYS_PAIR, MARY_PAIR)


def test_tab_separated(tmp_path: Path) -> None:
    text = "clean\tcorrupted\tanswers\twrong_answers\nThe keys, on the table\t"
    text += "The key, on the table\t are| were\t is\n"
    assert read_task(written(tmp_path, text, "mine.tsv")).pairs == (KEYS_PAIR,)


def test_numbers_are_ordered_by_size_in_the_answer_space(tmp_path: Path) -> None:
    record = {**KEYS, "answers": ["10", "9"], "wrong_answers": [" 2", "05"]}
    assert read_task(written(tmp_path, lines(record))).answer_space == (" 2", "05", "9", "10")


def test_too_many_answers_are_no_answer_space(tmp_path: Path) -> None:
    record = {**KEYS, "answers": [f"w{n}" for n in range(task_file.MAX_ANSWER_SPACE)]}
    assert read_task(written(tmp_path, lines(record))).answer_space == ()


def test_the_reference_pairs() -> None:
    task = read_task(PROMPTS)
    assert len(task.pairs) == 32
    assert task.pairs[0].clean.startswith("<|im_start|>When Brian and Rachel")
    assert task.pairs[0].answers == (" Brian",)


def test_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, lines(KEYS))
    assert read_task("~/mine.jsonl").pairs == (KEYS_PAIR,)
    assert "no task or task file ~nobody-of-this-name" in refused("~nobody-of-this-name/a.jsonl")


# --- lines that are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["clean", "corrupted", "answers", "wrong_answers"])
def test_a_missing_field_is_named_with_its_line(tmp_path: Path, missing: str) -> None:
    record = {name: value for name, value in KEYS.items() if name != missing}
    message = refused(written(tmp_path, lines(KEYS) + "\n" + lines(record)))
    assert message.startswith(f"mine.jsonl, line 3: {missing} is missing")
    assert message.endswith(": mend it, or have such pairs left out (--drop-bad).")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("clean", 7, "`clean` has to be a text, and is 7"),
        ("clean", "", "`clean` has to be a text"),
        ("corrupted", None, "`corrupted` has to be a text, and is null"),
        ("answers", [], "`answers` has to be a list"),
        ("answers", {"a": 1}, "`answers` has to be a list"),
        ("answers", "", "`answers` has to hold texts"),
        ("wrong_answers", [" is", 3], "`wrong_answers` has to hold texts, and holds 3"),
        ("wrong_answers", [""], "`wrong_answers` has to hold texts"),
        ("wrong_answers", [" are"], "the answer ' are' is there twice"),
        ("answers", [" are", " are"], "the answer ' are' is there twice"),
        ("clean", "\ud83d", "`clean` is not valid Unicode"),
        ("answers", ["\ud83d"], "`answers` is not valid Unicode"),
        ("clean", ["x" * 10_000], "`clean` has to be a text"),
    ],
)
def test_a_wrong_value_is_shown_with_line_and_field(
    tmp_path: Path, field: str, value: Any, said: str
) -> None:
    message = refused(written(tmp_path, lines(KEYS, {**KEYS, field: value})))
    assert message.startswith("mine.jsonl, line 2: ")
    assert said in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"clean": "a', "line 2: it is not JSON: Unterminated string starting at (column 11)"),
        ("[1, 2]", "line 2: it is not an object"),
        ("null", "line 2: it is not an object"),
        ("hello", "line 2: it is not JSON"),
        ("[" * 100_000, "line 2: it is not JSON: it is nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "line 2: it is not JSON: a number is too long"),
        ('"' + "x" * (records.MAX_LINE + 1) + '"', "line 2: 1,048,579 characters are too many"),
    ],
)
def test_a_line_that_is_no_pair(tmp_path: Path, line: str, said: str) -> None:
    assert said in refused(written(tmp_path, lines(KEYS) + line + "\n" + lines(MARY)))


def test_json_that_is_broken_in_the_middle(tmp_path: Path) -> None:
    text = json.dumps({"prompts": [KEYS]}, indent=2)[:-10]
    message = refused(written(tmp_path, text, "ioi.json"))
    assert "ioi.json, line " in message
    assert "is not JSON" in message
    assert "line 1," not in message


def test_a_prompt_of_autocircuit_s_dataset_is_numbered(tmp_path: Path) -> None:
    right = {"clean": "a", "corrupt": "b", "answers": ["x"], "wrong_answers": ["y"]}
    path = written(tmp_path, json.dumps({"prompts": [right, KEYS]}), "ioi.json")
    assert refused(path).startswith("ioi.json, prompt 2: corrupt is missing")
    assert "`prompts` has to be a list" in refused(written(tmp_path, '{"prompts": 3}', "a.json"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,b,c", "line 3: it has 3 columns and the header 4: put texts that hold commas"),
        ("a,b,c,d,e", "line 3: it has 5 columns"),
        ("a,b,,d", "line 3: `answers` has to be a list"),
        ("a,b,x|,d", "line 3: `answers` has to hold texts"),
        ("a,b,[x,d", "line 3: `answers` begins like a list and is none"),
        (",b,c,d", "line 3: `clean` has to be a text"),
        ('"a,b,c,d', "line 3 is not CSV"),
        ("a,b,c," + "x" * 200_000, "line 3 is not CSV: field larger than field limit"),
    ],
)
def test_a_wrong_row_of_csv(tmp_path: Path, row: str, said: str) -> None:
    text = f"clean,corrupted,answers,wrong_answers\na,b,c,d\n{row}\n"
    assert said in refused(written(tmp_path, text, "mine.csv"))


def test_a_header_without_the_columns_names_those_that_are_there(tmp_path: Path) -> None:
    path = written(tmp_path, "Clean,Corrupted,answers\na,b,c\n", "mine.csv")
    assert refused(path).startswith(
        "mine.csv has no column wrong_answers, nor one that is called so elsewhere: its columns "
        "are Clean, Corrupted, answers"
    )
    path = written(tmp_path, "clean,clean,corrupted,answers\na,b,c,d\n", "mine.csv")
    assert "has the column clean twice" in refused(path)


# --- files that are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json", "mine.csv", "mine"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file(tmp_path: Path, name: str, text: str) -> None:
    assert "no pairs" in refused(written(tmp_path, text, name))


def test_empty_lists(tmp_path: Path) -> None:
    assert "no pairs" in refused(written(tmp_path, "[]", "mine.json"))
    assert "no pairs" in refused(written(tmp_path, '{"prompts": []}', "mine.json"))
    header = "clean,corrupted,answers,wrong_answers\n"
    assert "no pairs" in refused(written(tmp_path, header, "mine.csv"))


def test_not_utf_8(tmp_path: Path) -> None:
    path = written(tmp_path, lines(KEYS).encode() + b'{"clean": "\xff\xfe"}')
    assert "mine.jsonl is not UTF-8 text (line 2)" in refused(path)
    assert "not UTF-8" in refused(written(tmp_path, "é".encode("cp1252"), "mine.csv"))
    assert "says that it is utf-16" in refused(written(tmp_path, b"\xff\xfe\x00\xd8x"))


def test_a_binary_file(tmp_path: Path) -> None:
    assert refused(written(tmp_path, bytes(range(128)) * 10, "model.bin"))


def test_a_folder_a_missing_file_and_a_name_that_cannot_be(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)
    assert "no task or task file" in refused(tmp_path / "nowhere.jsonl")
    assert "a\\x00b" in refused("a\0b")
    assert "\x1b" not in refused("\x1b[31m.jsonl")
    assert "cannot be read: File name too long" in refused("x" * 5000)


def test_a_file_that_is_not_ordinary() -> None:
    assert "not an ordinary file" in refused("/dev/null")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_file, "MAX_BYTES", 2**20)
    path = written(tmp_path, lines(KEYS) * 10_000)
    assert "larger than 1 MiB" in refused(path)
    monkeypatch.setattr(task_file, "MAX_PAIRS", 3)
    assert "more than 3 pairs" in refused(written(tmp_path, lines(KEYS) * 4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(KEYS),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*KEYS, "prompts", "corrupt"]), inner, max_size=5)
        ),
    ).map(lambda value: json.dumps(value).encode()),
    suffix=st.sampled_from(["json", "jsonl", "csv", "txt"]),
)
def test_any_content_is_a_task_or_one_sentence(tmp_path: Path, content: bytes, suffix: str) -> None:
    try:
        task = read_task(written(tmp_path, content, f"any.{suffix}"))
    except WorkbenchError as error:
        assert str(error).endswith(".")
    else:
        assert task.pairs


# --- names, numbers and metrics ------------------------------------------------------------------


def test_a_built_in_task_by_name() -> None:
    task = resolve_task("ioi", TINY, pairs=5, seed=2)
    assert (task.name, len(task.pairs), task.seed, task.source) == ("ioi", 5, 2, "built in")
    assert len(resolve_task("ioi", TINY).pairs) == task_file.DEFAULT_PAIRS
    assert resolve_task(" Greater_Than", TINY, pairs=1).name == "greater-than"


def test_a_file_is_taken_whole_or_from_its_beginning(tmp_path: Path) -> None:
    path = written(tmp_path, lines(KEYS, MARY))
    assert len(resolve_task(path, TINY).pairs) == 2
    assert resolve_task(str(path), TINY, pairs=50).pairs == (KEYS_PAIR, MARY_PAIR)
    first: Task = resolve_task(path, TINY, pairs=1)
    assert first.pairs == (KEYS_PAIR,)
    assert "first 1 of the 2" in first.notes[-1]
    with pytest.raises(WorkbenchError, match="at least one pair"):
        resolve_task(path, TINY, pairs=0)


def test_a_metric_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, lines(KEYS))
    assert read_task(path, metric="prob_diff").metric == "prob_diff"
    assert resolve_task("ioi", TINY, metric="kl").metric == "kl"
    assert resolve_task("ioi", TINY).metric == "logit_diff"
    for name in ("ioi", str(path)):
        with pytest.raises(WorkbenchError, match="no metric"):
            resolve_task(name, TINY, metric="loss")


def test_a_task_that_cannot_be_made_is_an_error_of_the_workbench() -> None:
    with pytest.raises(WorkbenchError, match="at least one"):
        resolve_task("ioi", TINY, pairs=0)


def test_a_name_that_is_nothing_is_answered_with_the_nearest_task() -> None:
    with pytest.raises(WorkbenchError, match="did you mean greater-than"):
        resolve_task("greatr-than", TINY)
    with pytest.raises(WorkbenchError, match="greater-than, subject-verb-agreement, ioi"):
        resolve_task("colours", TINY)


def test_reading_a_file_does_not_load_torch() -> None:
    code = (
        "import sys; from workbench.prompts.task_file import read_task; "
        f"read_task({str(PROMPTS)!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["mixed.jsonl", "mixed.csv"])
def test_what_a_pair_of_a_mixture_is_an_example_of(tmp_path: Path, name: str) -> None:
    pairs = [
        Pair(f"clean {task}", f"other {task}", (" a",), (" b",), task=task)
        for task in ("ioi", "", "induction")
    ]
    write_task(tmp_path / name, pairs)
    read = read_task(tmp_path / name).pairs
    assert [pair.task for pair in read] == ["ioi", "", "induction"]
    assert [pair_from_json(pair_to_json(pair)).task for pair in read] == ["ioi", "", "induction"]
    assert "task" not in pair_to_json(pairs[1])
    wide = [{**pair_to_json(pairs[0]), "task": odd} for odd in (3, None, "x" * 61)]
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(one) + "\n" for one in wide))
    assert [pair.task for pair in read_task(tmp_path / "odd.jsonl").pairs] == ["", "", ""]
