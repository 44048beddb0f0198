"""Prompts in tokens before the model is loaded: the session's own, and no torch for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import TASKS
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.batch import make_batch
from workbench.prompts.preview import preview_task
from workbench.prompts.task_file import resolve_task

DIGITS = ("pairs", "single", "three")


def model_folder(folder: Path, *, digits: str = "pairs", add_bos: bool = False) -> Path:
    tokenizer = tiny_tokenizer(digits=digits, add_bos=add_bos)
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    return folder


@pytest.mark.parametrize("add_bos", [False, True])
@pytest.mark.parametrize("digits", DIGITS)
@pytest.mark.parametrize("task", TASKS)
def test_tokens_are_those_of_the_batch(
    tmp_path: Path, task: str, digits: str, add_bos: bool
) -> None:
    folder = model_folder(tmp_path / "model", digits=digits, add_bos=add_bos)
    tokenizer = tiny_tokenizer(digits=digits, add_bos=add_bos)
    made = resolve_task(task, tokenizer, pairs=5, seed=3)
    for bos in (None, True, False):
        batch = make_batch(made, tokenizer, prepend_bos=bos)
        preview = preview_task(str(folder), task, pairs=5, seed=3, bos=bos)
        assert preview.tokenised
        assert (preview.n_pairs, preview.metric, preview.bad) == (5, made.metric, {})
        assert not preview.warnings
        assert preview.notes == made.notes
        for i, pair in enumerate(preview.pairs):
            clean, corrupted = batch.tokens(i)
            assert (pair.clean, pair.corrupted) == (list(clean), list(corrupted))
            assert pair.answers == made.pairs[i].answers


def test_unequal_pairs_are_counted(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    pairs = [("The war", "The keys"), ("The war", "The"), ("The", "The war to")]
    lines = [
        json.dumps({"clean": a, "corrupted": b, "answers": [" to"], "wrong_answers": [" and"]})
        for a, b in pairs
    ]
    (tmp_path / "task.jsonl").write_text("\n".join(lines))
    preview = preview_task(str(folder), str(tmp_path / "task.jsonl"), at_most=2)
    assert (preview.n_pairs, preview.bad, len(preview.pairs)) == (1, {"unequal": 2}, 2)
    assert preview.bad_told == (
        "2 of 3 pairs cannot be used (2 whose prompts differ in token length)"
    )
    assert preview.first_bad.startswith("Pair 2: the prompts differ in token length, 2 and 1")


@pytest.mark.parametrize("task", TASKS)
def test_a_model_that_is_not_here_gets_the_example_in_words(task: str) -> None:
    preview = preview_task("nobody/no-such-model", task)
    assert not preview.tokenised
    assert preview.n_pairs == 0, "how many there can be depends on the tokenizer"
    [pair] = preview.pairs
    assert "".join(pair.clean) == TASKS[task].example.clean
    assert "words" in preview.notes[-1]


def test_a_broken_tokenizer_and_an_unknown_task_are_sentences(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    with pytest.raises(WorkbenchError, match="no-such-task"):
        preview_task(str(folder), "no-such-task")
    with pytest.raises(WorkbenchError):
        preview_task("not a model!", "ioi")
    (folder / "tokenizer.json").write_text('{"version":')
    with pytest.raises(WorkbenchError, match="no tokenizer file"):
        preview_task(str(folder), "ioi")


def test_neither_torch_nor_transformers_is_loaded(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    code = (
        "import sys\nfrom workbench.prompts.preview import preview_task\n"
        f"assert preview_task({str(folder)!r}, 'ioi', pairs=3).tokenised\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'too heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
