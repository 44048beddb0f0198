"""Task files broken at random: each is read rightly or refused in a sentence, within bounds.

The environment variable WORKBENCH_MUTATIONS says how many are tried; by default a few hundred.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from pathlib import Path

import pytest

from tasks import Pair
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.batch import make_batch
from workbench.prompts.task_file import TaskFile, read_file, read_task

MUTATIONS = int(os.environ.get("WORKBENCH_MUTATIONS", "320"))
SLOWEST = 5.0  # seconds; files are of a few hundred bytes
TINY = tiny_tokenizer()
NAMES = ("Mary", "John", "Paul", "Claire", "Emily", "Simon")
HEADER = ("clean", "corrupted", "answers", "wrong_answers")
ODD = (
    *(",", ";", "\t", "|", '"', '""', "'", "[", "]", "{", "}", ":", "\\", "\n", "\r\n", "\r"),
    *("\0", "\ufeff", "\u2028", "\\ud83d", "é", "🙂", "-1", "1e9", "null", "NaN", "99999999999"),
    *("sep=;", "correct_idx", "plural", "clean", "label", " ", "  ", "", "True"),
)


def rows() -> list[tuple[str, str, str, str]]:
    made = []
    for n in range(6):
        a, b, c = (NAMES[(n + k) % len(NAMES)] for k in range(3))
        store = f"When {a} and {b} went to the store, "
        made.append(
            (f"{store}{b} gave a drink to", f"{store}{c} gave a drink to", f" {a}", f" {b}")
        )
    return made


def of_table(by: str, header: tuple[str, ...] = HEADER, *, ids: bool = False) -> str:
    lines = [by.join(header)]
    for clean, corrupted, *answers in rows():
        cells = [f'"{clean}"', f'"{corrupted}"']
        cells += [str(TINY.convert_tokens_to_ids(text)) if ids else text for text in answers]
        lines.append(by.join(cells))
    return "\n".join(lines) + "\n"


def of_records() -> list[dict[str, object]]:
    return [dict(zip(HEADER, row, strict=True)) for row in rows()]


WAR = "The war lasted from the year 17{} to the year 17"
FILES = {
    "a.jsonl": "".join(json.dumps(record) + "\n" for record in of_records()),
    "a.json": json.dumps({"prompts": of_records()}, indent=1),
    "a.csv": of_table(","),
    "excel.csv": "sep=;\n" + of_table(";"),
    "a.tsv": of_table("\t"),
    "ids.csv": of_table(",", ("clean", "corrupted", "correct_idx", "incorrect_idx"), ids=True),
    "years.csv": "clean,corrupted,label\n"
    + "".join(f"{WAR.format(n)},{WAR.format('01')},{n}\n" for n in range(20, 80, 9)),
    "number.csv": "clean,corrupted,plural\nThe keys,The key,1\nThe key,The keys,0\n",
}


def mutated(text: str, chance: random.Random) -> bytes:
    """The text with one to three things done to it that editors, tools and disks do."""
    raw = text.encode("utf-16" if chance.random() < 0.1 else "utf-8")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((1, 1, 3, 20, 200)))
        odd = chance.choice(ODD).encode()
        lines = raw.split(b"\n")
        chance.shuffle(lines)
        raw = chance.choice(
            (
                raw[:at] + raw[end:],
                raw[:at] + odd + raw[at:],
                raw[:at] + odd + raw[end:],
                raw[:end] + raw[at:end] + raw[end:],
                raw[:at],
                raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :],
                b"\n".join(lines),
                raw.replace(chance.choice(ODD).encode() or b" ", odd),
            )
        )
    return raw


def source_of(file: TaskFile, number: int, text: str) -> str:
    """What stands in a table from the line of one record to that of the next."""
    starts = [
        int(found[1]) for read in file.pairs if (found := re.search(r"line (\d+)$", read.where))
    ]
    lines = re.split(r"\r\n|\n|\r", text)
    last = starts[number + 1] - 1 if number + 1 < len(starts) else len(lines)
    return "\n".join(lines[starts[number] - 1 : last])


def check_rightly_read(file: TaskFile, raw: bytes) -> None:
    """Every text of a pair stands in the record that it was read from, and nowhere else."""
    if not file.form.startswith("a table"):
        return
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    for number, read in enumerate(file.pairs):
        if read.pair is None:
            continue
        source = source_of(file, number, text).replace('""', '"')
        texts = [read.pair.clean, read.pair.corrupted]
        if file.dialect.name == "texts":
            texts += [text.strip() for text in read.pair.answers + read.pair.wrong_answers]
        for one in texts:
            if "\r" not in one and "\\" not in one:
                assert one.replace('""', '"') in source or one.isdecimal(), (one, source)
        if file.by_ids:
            for one in read.pair.answers + read.pair.wrong_answers:
                assert str(TINY.convert_tokens_to_ids(one)) in source


def is_sentence(error: WorkbenchError) -> None:
    message = str(error)
    assert message.endswith(".") and message.isprintable(), message
    assert len(message) < 2000


@pytest.mark.parametrize("name", FILES)
def test_broken_files(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    path = tmp_path / name
    outcomes = {"read": 0, "refused": 0}
    for _ in range(MUTATIONS // len(FILES)):
        raw = mutated(FILES[name], chance)
        path.write_bytes(raw)
        began = time.perf_counter()
        try:
            file = read_file(path, tokenizer=TINY)
            check_rightly_read(file, raw)
            task = read_task(path, tokenizer=TINY, drop_bad=chance.random() < 0.7)
            batch = make_batch(task, TINY, drop_bad=True)
            for pair in batch.task.pairs:
                assert isinstance(pair, Pair) and pair.clean != pair.corrupted
            outcomes["read"] += 1
        except WorkbenchError as error:
            is_sentence(error)
            outcomes["refused"] += 1
        assert time.perf_counter() - began < SLOWEST
    assert all(outcomes.values()), outcomes
