"""Batch: tokens of a task's pairs; what cannot be patched or scored is refused."""

from dataclasses import replace

import pytest
import torch

from tasks import TASKS, Pair, Task, make_task
from tests.support.paths import REFERENCE
from tests.support.small_tokenizers import byte_level, sentence_piece
from tests.support.tiny_models import BOS, tiny_tokenizer
from workbench.base.text import printable
from workbench.errors import WorkbenchError
from workbench.prompts.batch import make_batch
from workbench.prompts.encoding import Encoding, default_prefix, last_words, shown
from workbench.prompts.task_file import read_task

PROMPTS = REFERENCE / "ioi_smollm2.jsonl"
TINY = tiny_tokenizer()
WITH_BOS = tiny_tokenizer(add_bos=True)
KEYS = Pair("The keys on the table", "The key on the table", (" are", " were"), (" is",))
MARY = Pair(
    "When Mary and John went to the store, John gave a drink to",
    "When Mary and John went to the store, Paul gave a drink to",
    (" Mary",),
    (" John",),
)


def task(*pairs: Pair, **fields: object) -> Task:
    return replace(Task("some", pairs, "logit_diff", "Some pairs."), **fields)  # type: ignore[arg-type]


def refused(*pairs: Pair, tokenizer: object = TINY, **options: object) -> str:
    with pytest.raises(WorkbenchError) as error:
        make_batch(task(*pairs), tokenizer, **options)  # type: ignore[arg-type]
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# --- tokens and groups ---------------------------------------------------------------------------


@pytest.mark.parametrize("digits", ["pairs", "single", "three"])
@pytest.mark.parametrize("name", list(TASKS)[:4])
def test_built_in_tasks_make_one_group_without_loss(name: str, digits: str) -> None:
    tokenizer = tiny_tokenizer(digits=digits)
    made = make_task(name, tokenizer, 20)
    batch = make_batch(made, tokenizer)
    assert (batch.n_pairs, batch.dropped, batch.task) == (20, 0, made)
    (group,) = batch.groups
    assert group.indices == tuple(range(20))
    assert group.clean.dtype == torch.long
    for index, pair in enumerate(made.pairs):
        clean, corrupted = batch.tokens(index)
        assert "".join(clean) == pair.clean
        assert "".join(corrupted) == pair.corrupted
        assert tokenizer.batch_decode([[a] for a in group.answers[index]]) == list(pair.answers)
        wrong = tokenizer.batch_decode([[a] for a in group.wrong_answers[index]])
        assert wrong == list(pair.wrong_answers)
    assert tuple(label for label, _ in batch.answer_tokens) == made.answer_space
    assert tokenizer.batch_decode([[token] for _, token in batch.answer_tokens]) == list(
        made.answer_space
    )


def test_equal_lengths_are_grouped_and_nothing_is_padded() -> None:
    longer = replace(KEYS, clean="The keys by the old table", corrupted="The key by the old table")
    tokenizer = byte_level([KEYS.clean, longer.clean, longer.corrupted, MARY.clean, " are were is"])
    batch = make_batch(task(longer, KEYS, replace(longer, answers=(" were",))), tokenizer)
    assert [group.indices for group in batch.groups] == [(1,), (0, 2)]
    assert [tuple(group.clean.shape) for group in batch.groups] == [(1, 5), (2, 6)]
    assert batch.locate(2) == (batch.groups[1], 1)
    assert "".join(batch.tokens(2)[0]) == longer.clean
    for group in batch.groups:
        for row, index in enumerate(group.indices):
            assert tokenizer.decode(group.clean[row]) == batch.task.pairs[index].clean


def test_first_difference_is_the_first_of_any_pair() -> None:
    late = Pair("The keys on the table", "The keys on the door", (" are",), (" is",))
    assert make_batch(task(late), TINY).groups[0].first_difference == 4
    assert make_batch(task(late, KEYS), TINY).groups[0].first_difference == 1
    assert make_batch(task(late, KEYS), WITH_BOS).groups[0].first_difference == 2


def test_the_tokens_go_to_the_device() -> None:
    group = make_batch(task(KEYS), TINY, device="meta").groups[0]
    assert (group.clean.device.type, group.corrupted.device.type) == ("meta", "meta")
    assert group.first_difference == 1


def test_a_pair_that_is_not_there() -> None:
    with pytest.raises(WorkbenchError, match="no pair 1"):
        make_batch(task(KEYS), TINY).tokens(1)


def test_the_reference_pairs() -> None:
    """32 pairs of 15 tokens, the typed special token among them, that differ in one name."""
    batch = make_batch(read_task(PROMPTS), TINY)
    (group,) = batch.groups
    assert tuple(group.clean.shape) == (32, 15)
    assert set(group.clean[:, 0].tolist()) == {TINY.bos_token_id}
    assert (group.clean != group.corrupted).sum(dim=1).tolist() == [1] * 32
    assert group.first_difference == 10
    assert batch.prepend_bos is False
    assert batch.tokens(0)[0][:3] == [BOS, "When", " Brian"]
    assert group.answers[0] == (TINY.convert_tokens_to_ids(" Brian"),)


# --- the BOS token -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokenizer", "asked", "typed", "bos_tokens", "prepended"),
    [
        (TINY, None, False, 0, False),
        (TINY, True, False, 1, True),
        (TINY, False, False, 0, False),
        (TINY, None, True, 1, False),
        (TINY, True, True, 1, True),
        (TINY, False, True, 1, False),
        (WITH_BOS, None, False, 1, True),
        (WITH_BOS, True, False, 1, True),
        (WITH_BOS, False, False, 0, False),
        (WITH_BOS, None, True, 1, True),
        (WITH_BOS, True, True, 1, True),
        (WITH_BOS, False, True, 1, False),
    ],
)
def test_bos(
    tokenizer: object, asked: bool | None, typed: bool, bos_tokens: int, prepended: bool
) -> None:
    before = BOS if typed else ""
    pair = replace(KEYS, clean=before + KEYS.clean, corrupted=before + KEYS.corrupted)
    batch = make_batch(task(pair), tokenizer, prepend_bos=asked)
    assert batch.prepend_bos is prepended
    for tokens in batch.tokens(0):
        assert tokens.count(BOS) == bos_tokens
        assert tokens[:1] == [BOS] * bos_tokens or bos_tokens == 0
        assert len(tokens) == 5 + bos_tokens


def test_the_default_is_what_the_tokenizer_does() -> None:
    assert default_prefix(TINY) == ()
    assert default_prefix(WITH_BOS) == (WITH_BOS.bos_token_id,)
    ids = make_batch(task(KEYS), WITH_BOS).groups[0].clean[0].tolist()
    assert ids == WITH_BOS(KEYS.clean)["input_ids"]


def test_a_bos_that_the_tokenizer_does_not_have() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    assert "no BOS" in refused(KEYS, tokenizer=tokenizer, prepend_bos=True)
    assert make_batch(task(KEYS), tokenizer).prepend_bos is False


def test_a_special_token_in_the_middle_of_a_prompt() -> None:
    pair = Pair(f"The keys{BOS} on", f"The key{BOS} on", (" are",), (" is",))
    assert make_batch(task(pair), TINY).tokens(0)[0] == ["The", " keys", BOS, " on"]


# --- pairs that differ in length, or not at all --------------------------------------------------

LONGER = replace(KEYS, corrupted="The key on the big table")


def test_unequal_lengths_are_refused_with_both_tokenisations() -> None:
    tokenizer = byte_level([KEYS.clean, LONGER.corrupted, " are were is"])
    message = refused(KEYS, LONGER, tokenizer=tokenizer)
    assert message.startswith("Pair 2: ")
    assert "[The| keys| on| the| table]" in message
    assert "[The| key| on| the| big| table]" in message
    assert "5 and 6" in message


def test_unequal_lengths_are_dropped_with_a_count() -> None:
    made = task(LONGER, KEYS, LONGER, MARY)
    batch = make_batch(made, TINY, mismatch="drop")
    assert (batch.n_pairs, batch.dropped) == (2, 2)
    assert batch.task.pairs == (KEYS, MARY)
    assert sorted(index for group in batch.groups for index in group.indices) == [0, 1]
    assert "".join(batch.tokens(0)[0]) == KEYS.clean
    assert "".join(batch.tokens(1)[0]) == MARY.clean


def test_all_pairs_dropped_is_an_error() -> None:
    message = refused(LONGER, LONGER, mismatch="drop")
    assert "no pair is left" in message
    assert "1 other pair cannot be used either (1 whose prompts differ in token length)" in message


def test_equal_prompts_leave_nothing_to_patch() -> None:
    message = refused(MARY, replace(KEYS, corrupted=KEYS.clean), mismatch="drop")
    assert message.startswith("Pair 2: ")
    assert "nothing to patch" in message


def test_empty_and_overlong_prompts() -> None:
    assert "empty" in refused(replace(KEYS, clean="", corrupted=""))
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 4
    assert "5 tokens, more than the 4" in refused(KEYS, tokenizer=tokenizer)


def test_no_pairs_and_an_unknown_way_with_mismatches() -> None:
    assert "no pairs" in refused()
    assert "'pad'" in refused(KEYS, mismatch="pad")


def test_unknown_words_are_counted_and_known_ones_are_not() -> None:
    strange = replace(KEYS, clean="The zebras on the table")
    batch = make_batch(task(MARY, KEYS, strange), TINY)
    assert batch.warnings == (
        "Pairs with a word that the tokenizer does not know: 1 of 3; in pair 3 a word of it is "
        "read as <unk>.",
    )
    assert not make_batch(task(MARY, KEYS), TINY).warnings
    # GPT-2's unknown token is its end of text, which it reads when it is typed.
    whole = byte_level(["The keys on the table"])
    end = "<|endoftext|>"
    whole.add_special_tokens({"eos_token": end, "unk_token": end})
    typed = Pair("<|endoftext|>The keys", "<|endoftext|>The table", (" on",), (" the",))
    assert not make_batch(task(typed), whole).warnings


def test_half_a_surrogate_pair_is_refused_before_the_tokenizer_fails() -> None:
    assert "\\ud83d" in refused(replace(KEYS, clean="The \ud83d on the table"))
    assert "pair 1" in refused(replace(KEYS, answers=("\ud83d",))).lower()


# --- answers -------------------------------------------------------------------------------------


def test_an_answer_of_several_tokens_is_refused_with_its_tokens() -> None:
    message = refused(MARY, replace(KEYS, answers=(" are not",)))
    assert message.startswith("Pair 2: the answer ' are not' is 2 tokens [ are|")
    tokenizer = byte_level([KEYS.clean, KEYS.corrupted, " are is"])
    assert "the answer ' were' is" in refused(KEYS, tokenizer=tokenizer)


def test_an_answer_that_the_tokenizer_does_not_know() -> None:
    assert "unknown to the tokenizer" in refused(replace(KEYS, wrong_answers=(" zebras",)))


def test_answers_that_are_missing_or_there_twice() -> None:
    assert "no answers" in refused(replace(KEYS, answers=()))
    assert "no wrong answers" in refused(replace(KEYS, wrong_answers=()))
    assert "' are' is there twice" in refused(replace(KEYS, wrong_answers=(" is", " are")))


def test_an_answer_is_read_as_it_is_typed() -> None:
    spaced = make_batch(task(KEYS), TINY).groups[0].answers[0][0]
    joined = make_batch(task(replace(KEYS, answers=("are",))), TINY).groups[0].answers[0][0]
    assert TINY.convert_ids_to_tokens([spaced, joined]) == [" are", "are"]


def test_an_answer_that_grows_together_with_the_prompt() -> None:
    """` 17` and `76` are tokens, and so is ` 1776`: the answer is still `76`."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([" 1776"])
    pair = Pair("from the year 1741 to the year 17", "from the year 1701 to the year 17",
                ("76", "42"), ("01",))  # fmt: skip
    batch = make_batch(task(pair), tokenizer)
    assert tokenizer.convert_ids_to_tokens(batch.groups[0].answers[0]) == ["76", "42"]


def test_sentence_piece_answers_are_tokens_after_the_prompt() -> None:
    """Alone, `Mary` is ` Mary` to such a tokenizer, and ` Mary` two tokens; after a prompt not."""
    tokenizer = sentence_piece(["The", "keys", "key", "on", "are", "is", "Mary"])
    assert len(tokenizer.encode(" Mary", add_special_tokens=False)) == 2
    pair = Pair("The keys on", "The key on", (" are", "Mary"), (" is",))
    batch = make_batch(task(pair, answer_space=(" is", " are", " nothing")), tokenizer)
    ids = batch.groups[0].answers[0]
    assert tokenizer.convert_ids_to_tokens(ids) == ["▁are", "Mary"]
    assert [label for label, _ in batch.answer_tokens] == [" is", " are"]
    assert batch.tokens(0)[0] == [" The", " keys", " on"]


def test_answers_seen_before_are_not_asked_again() -> None:
    encoding = Encoding(TINY)
    assert encoding.answers("John gave a drink to", [" Mary", " Jo hn"])[1] is None
    first = encoding.answers("Paul gave a drink to", [" Mary", " John"])
    assert first == encoding.answers("to", [" Mary", " John"])
    assert first[0] != encoding.answers("to", ["Mary"])[0]


@pytest.mark.parametrize(
    ("prompt", "tail"),
    [("a b c", " b c"), ("a b c ", " b c "), ("b c", "b c"), ("", ""), ("  x", "  x"), ("\n", "\n"),
     (" a  b\nc", "  b\nc")],
)  # fmt: skip
def test_last_words(prompt: str, tail: str) -> None:
    assert last_words(prompt) == tail


# --- showing -------------------------------------------------------------------------------------


def test_tokens_of_any_text_add_up_to_it() -> None:
    tokenizer = byte_level(["the cat"])
    encoding = Encoding(tokenizer)
    for text in ("[b]the cat[/b]", "שלום", "\x1b[31m", "a\nb"):
        pieces = encoding.alone(text)
        assert len(pieces) == len(tokenizer.encode(text))
    assert "".join(encoding.alone("[b]the cat[/b]\n")) == "[b]the cat[/b]\n"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\nb\x1b[31m\u202eé שלום") == "a\\nb\\x1b[31m\\u202eé שלום"
    assert shown(["The", " keys"]) == "The| keys"
    long = shown(["x"] * 1000)
    assert len(long) < 200
    assert "1000 tokens" in long
    pair = Pair("The\nkeys on", "The\nkey on the", (" are",), (" is",))
    assert "\\n" in refused(pair)


def test_a_part_is_a_batch_of_some_of_the_pairs() -> None:
    whole = make_batch(task(MARY, KEYS, replace(MARY, answers=(" Mary", " Jane")), KEYS), TINY)
    part = whole.part([2, 1])
    assert part.n_pairs == 2 and part.task.pairs == (whole.task.pairs[2], whole.task.pairs[1])
    for place, index in enumerate((2, 1)):
        assert part.tokens(place) == whole.tokens(index)
        assert part.roles.at(place) == whole.roles.at(index)
        (mine, row), (theirs, other) = part.locate(place), whole.locate(index)
        assert mine.answers[row] == theirs.answers[other]
        assert mine.wrong_answers[row] == theirs.wrong_answers[other]
    alone = whole.part([3])
    assert [group.indices for group in alone.groups] == [(0,)]
    assert alone.groups[0].first_difference == whole.locate(3)[0].first_difference
    for wrong in ([4], [-1, 0], []):
        with pytest.raises(WorkbenchError, match="There is n"):
            whole.part(wrong)


def test_a_part_begins_to_differ_where_its_own_pairs_do() -> None:
    early = replace(MARY, corrupted=MARY.clean.replace("Mary", "Paul", 1))
    whole = make_batch(task(MARY, early), TINY)
    (group,) = whole.groups
    (late,), (first,) = whole.part([0]).groups, whole.part([1]).groups
    assert group.first_difference == first.first_difference < late.first_difference
