"""What every built-in task promises, whatever the tokenizer."""

import subprocess
import sys

import pytest

from tasks import TASKS, Task, TaskError, make_task
from tests.support.small_tokenizers import byte_level
from tests.support.tiny_models import DIGITS, tiny_tokenizer

TOKENIZERS = {digits: tiny_tokenizer(digits=digits) for digits in DIGITS}
CLASSIC = ("greater-than", "subject-verb-agreement", "ioi", "induction")
"""Of the words of `tasks.words` alone; `test_answers.py` has what all tasks promise."""
EVERY = pytest.mark.parametrize("name", CLASSIC)


def texts(task: Task) -> list[str]:
    return [text for pair in task.pairs for text in (pair.clean, pair.corrupted)]


def test_the_names_are_those_of_the_command_line() -> None:
    assert tuple(TASKS)[:4] == CLASSIC
    assert all(name == task.name for name, task in TASKS.items())


@EVERY
@pytest.mark.parametrize("digits", DIGITS)
def test_pairs_have_one_length_and_known_words(name: str, digits: str) -> None:
    tokenizer = TOKENIZERS[digits]
    task = make_task(name, tokenizer, 60, 0)
    encoded = [tokenizer.encode(text, add_special_tokens=False) for text in texts(task)]
    assert len({len(ids) for ids in encoded}) == 1
    assert tokenizer.unk_token_id not in {token for ids in encoded for token in ids}


@EVERY
@pytest.mark.parametrize("digits", DIGITS)
def test_answers_are_single_tokens_in_the_answer_space(name: str, digits: str) -> None:
    task = make_task(name, TOKENIZERS[digits], 40, 0)
    for pair in task.pairs:
        assert pair.answers
        assert pair.wrong_answers
        assert not set(pair.answers) & set(pair.wrong_answers)
        for text in pair.answers + pair.wrong_answers:
            assert text in task.answer_space
            ids = TOKENIZERS[digits].encode(text, add_special_tokens=False)
            assert len(ids) == 1
            assert ids[0] != TOKENIZERS[digits].unk_token_id


@EVERY
def test_a_seed_gives_the_same_distinct_pairs_and_more_of_them(name: str) -> None:
    tokenizer = TOKENIZERS["pairs"]
    task = make_task(name, tokenizer, 200, 3)
    assert len(set(task.pairs)) == 200
    assert make_task(name, tokenizer, 50, 3).pairs == task.pairs[:50]
    assert len(set(make_task(name, tokenizer, 200, 4).pairs) & set(task.pairs)) < 100
    assert task.seed == 3


@EVERY
def test_clean_and_corrupted_differ(name: str) -> None:
    assert all(pair.clean != pair.corrupted for pair in make_task(name, TOKENIZERS["single"]).pairs)


@EVERY
def test_the_example_is_of_the_kind_that_is_made(name: str) -> None:
    """The example has the shape of a made pair: one length, answers right and wrong."""
    example, tokenizer = TASKS[name].example, TOKENIZERS["pairs"]
    made = make_task(name, tokenizer, 1).pairs[0]
    lengths = {
        len(tokenizer.encode(text, add_special_tokens=False))
        for text in (example.clean, example.corrupted, made.clean, made.corrupted)
    }
    assert len(lengths) == 1
    assert TASKS[name].metric == make_task(name, tokenizer, 1).metric


@pytest.mark.parametrize("name", ["greater-than", "subject-verb-agreement"])  # others: billions
def test_all_pairs_there_are_can_be_had_but_not_one_more(name: str) -> None:
    tokenizer = TOKENIZERS["single"]
    with pytest.raises(TaskError, match="distinct pairs") as refused:
        make_task(name, tokenizer, 10**9)
    total = int(str(refused.value).split(" has ")[1].split(" ")[0].replace(",", ""))
    assert len(set(make_task(name, tokenizer, total).pairs)) == total
    with pytest.raises(TaskError, match=f"not {total + 1:,}"):
        make_task(name, tokenizer, total + 1)


@EVERY
def test_a_tokenizer_without_the_words_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(TaskError) as refused:
        make_task(name, byte_level(["nothing of use here"]), 4)
    assert str(refused.value).endswith(".")
    assert name in str(refused.value)


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    with pytest.raises(TaskError, match="greater-than, subject-verb-agreement, ioi, induction"):
        make_task("colours", TOKENIZERS["pairs"])


def test_tasks_loads_nothing_of_ours_and_nothing_heavy() -> None:
    code = (
        "import sys, tasks; "
        "print([m for m in ('torch', 'transformers', 'numpy', 'workbench', 'screens', 'textual') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_slip_of_the_finger_does_not_fill_the_memory() -> None:
    with pytest.raises(TaskError, match="at most 100,000 pairs"):
        make_task("ioi", tiny_tokenizer(), 10**7)
