"""Checks of a pair: what is found, what is not, and what is left out of a batch for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from tasks import TASKS, Pair, Task, make_task
from tests.support.small_tokenizers import byte_level, sentence_piece
from tests.support.task_tokenizers import bytes_tokenizer
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.batch import make_batch
from workbench.prompts.checks import KINDS, Needs, check_pair
from workbench.prompts.encoding import Encoding

TINY = Encoding(tiny_tokenizer())
BYTES = Encoding(byte_level(["The keys on the table key are is to the", "Mary"]))
SENTENCE_PIECE = Encoding(sentence_piece(["The", "keys", "key", "on", "are", "is"]))
KEYS = Pair("The keys on the table", "The key on the table", (" are",), (" is",))
CLEAN_ALONE = Needs(corrupted=False)
NO_ANSWERS = Needs(answers=False, wrong_answers=False)

BAD = {
    "text": replace(KEYS, clean="\ud83d"),
    "empty": replace(KEYS, clean=""),
    "unequal": replace(KEYS, corrupted="The key"),
    "same": replace(KEYS, corrupted=KEYS.clean),
    "no answer": replace(KEYS, wrong_answers=()),
    "several tokens": replace(KEYS, answers=(" are not",)),
    "twice": replace(KEYS, answers=(" are", " are")),
}


def kinds(pair: Pair, encoding: Encoding = TINY, needs: Needs | None = None) -> list[str]:
    found = check_pair(pair, encoding, needs or Needs())
    for finding in found:
        assert finding.kind in KINDS
        assert finding.sentence.endswith(".")
        assert "\n" not in finding.sentence
    return [finding.kind for finding in found]


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used(kind: str) -> None:
    assert kinds(BAD[kind]) == [kind]
    assert not kinds(KEYS)


def test_all_reasons_are_told_not_only_the_first() -> None:
    pair = Pair("The keys", "The key on", (" are not", " are"), (" are",))
    assert kinds(pair) == ["unequal", "several tokens", "twice"]


def test_more_tokens_than_the_model_has_positions() -> None:
    (finding,) = check_pair(KEYS, TINY, Needs(positions=4))
    assert finding.sentence == "A prompt has 5 tokens, more than the 4 positions of the model."
    assert not check_pair(KEYS, TINY, Needs(positions=5))


def test_what_is_not_made_use_of_is_not_demanded() -> None:
    for kind in ("unequal", "same"):
        assert not kinds(BAD[kind], needs=CLEAN_ALONE)
    assert not kinds(replace(KEYS, corrupted=""), needs=CLEAN_ALONE)
    assert not kinds(replace(KEYS, answers=(), wrong_answers=()), needs=NO_ANSWERS)
    assert not kinds(BAD["several tokens"], needs=NO_ANSWERS)
    assert kinds(BAD["no answer"], needs=Needs(wrong_answers=False)) == []


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"clean": KEYS.clean + " ", "corrupted": KEYS.corrupted + " "}, "space at the end"),
        (
            {
                "clean": KEYS.clean + " ",
                "corrupted": KEYS.corrupted + " ",
                "answers": ("are",),
                "wrong_answers": ("is",),
            },
            "space at the end",
        ),
        ({"answers": ("are",)}, "no space"),
        ({"clean": KEYS.clean + ",", "corrupted": KEYS.corrupted + ",", "answers": ("are",)},
         "no space"),
        ({"clean": "The zebras on the table"}, "unknown word"),
    ],
)  # fmt: skip
def test_what_is_warned_of(changed: dict[str, object], kind: str) -> None:
    assert kinds(replace(KEYS, **changed)) == [kind]  # type: ignore[arg-type]
    assert not KINDS[kind].fatal


def test_spaces_as_tokenizers_of_other_kinds_see_them() -> None:
    spaced = replace(KEYS, clean=KEYS.clean + " ", corrupted=KEYS.corrupted + " ")
    assert kinds(spaced, BYTES) == ["space at the end"]
    assert not kinds(replace(KEYS, answers=("Mary",)), BYTES), "it has no token for ` Mary`"
    pair = Pair("The keys on", "The key on", ("are",), (" is",))
    assert kinds(pair, SENTENCE_PIECE) == ["no space"]
    # Where digits follow a space of their own, or a sign, nothing is amiss.
    sum_ = Pair("1 + 2 = ", "2 + 2 = ", ("3",), ("4",))
    assert kinds(sum_, Encoding(byte_level(["1 + 2 = 3"]))) == ["space at the end"]
    assert not kinds(sum_, Encoding(byte_level(["1 + 2"])))
    assert not kinds(Pair("1+2=", "2+2=", ("3",), ("4",)), Encoding(byte_level(["1"])))
    # A prompt may end in a space where no answer is known and no token begins with one.
    assert not kinds(Pair("a ", "b ", ("c",), ("d",)), Encoding(byte_level([])))


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_amiss_with_built_in_tasks(name: str) -> None:
    tokenizer = bytes_tokenizer()
    for pair in make_task(name, tokenizer, 4).pairs:
        assert not check_pair(pair, Encoding(tokenizer))


def test_every_pair_that_cannot_be_used_is_left_out_and_counted() -> None:
    task = Task("mixed", (KEYS, *BAD.values(), BAD["same"]), "logit_diff", "Mixed.")
    task = replace(task, left_out=("record",))
    with pytest.raises(WorkbenchError, match=r"Pair 2: .*; 7 other pairs .*--drop-bad"):
        make_batch(task, TINY.tokenizer)
    batch = make_batch(task, TINY.tokenizer, drop_bad=True)
    assert batch.task.pairs == (KEYS,)
    assert batch.dropped == 9
    assert batch.left_out == {**dict.fromkeys(BAD, 1), "same": 2, "record": 1}
    with pytest.raises(WorkbenchError, match="no pair is left"):
        make_batch(replace(task, pairs=(BAD["same"],)), TINY.tokenizer, drop_bad=True)


def test_a_corrupted_prompt_that_is_not_needed_need_not_fit() -> None:
    pairs = (BAD["unequal"], replace(KEYS, corrupted=""), KEYS)
    task = Task("clean", pairs, "logit_diff", "Clean alone.")
    batch = make_batch(task, TINY.tokenizer, needs=CLEAN_ALONE)
    (group,) = batch.groups
    assert (batch.n_pairs, batch.dropped, group.first_difference) == (3, 0, 0)
    assert torch.equal(group.corrupted[0], group.clean[0])


def test_checking_loads_no_torch() -> None:
    code = "import sys, workbench.prompts.checks; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
