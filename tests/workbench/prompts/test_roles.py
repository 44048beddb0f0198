"""Roles: a name for every position, from spans, from differences, for any tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import TASKS, Pair, Task, TaskError, make_task
from tasks.pair import RoleSpan
from tasks.roles import CLOSE, OPEN, marked_pair, role, spans_of, unmarked
from tests.support.small_tokenizers import sentence_piece
from tests.support.task_tokenizers import bytes_tokenizer, task_words, words_tokenizer
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.prompts.batch import Batch, make_batch
from workbench.prompts.encoding import Encoding
from workbench.prompts.moved_roles import moved
from workbench.prompts.pair_json import pair_from_json, pair_to_json
from workbench.prompts.task_file import read_task
from workbench.prompts.template import fill
from workbench.prompts.write_task import write_task

TINY = tiny_tokenizer()
WITH_BOS = tiny_tokenizer(add_bos=True)
CLEAN = "When Mary and John went to the store, John gave a drink to"
OTHER = "When Mary and John went to the store, Paul gave a drink to"
S2 = (38, 42)


def pair(*spans: RoleSpan, clean: str = CLEAN, corrupted: str = OTHER) -> Pair:
    return Pair(clean, corrupted, (" Mary",), (" John",), spans)


def batch(*pairs: Pair, tokenizer: object = TINY, **options: object) -> Batch:
    task = Task("some", pairs, "logit_diff", "Some pairs.", source="a file")
    return make_batch(task, tokenizer, **options)  # type: ignore[arg-type]


def refused(*spans: RoleSpan) -> str:
    with pytest.raises(WorkbenchError) as error:
        batch(pair(*spans))
    message = str(error.value)
    assert message.endswith(".") and "\n" not in message
    return message


def test_marks_are_taken_out_and_kept_as_spans() -> None:
    text = f"When {role('IO', 'Mary')} and {role('S1', 'John')} went"
    assert unmarked(text) == "When Mary and John went"
    assert spans_of(text) == (RoleSpan("IO", 5, 9), RoleSpan("S1", 14, 18))
    made = marked_pair(text, f"When {role('S1', 'Paul')} left", ("x",), ())
    assert (made.corrupted, made.roles) == ("When Paul left", spans_of(text))


def test_what_no_role_covers_is_named_by_its_neighbors() -> None:
    made = batch(pair(RoleSpan("IO", 5, 9), RoleSpan("S1", 14, 18), RoleSpan("S2", *S2)))
    clean, _ = made.tokens(0)
    roles = made.roles.at(0)
    assert made.roles.by_task
    assert len(roles) == len(clean)
    assert dict(zip(roles, clean, strict=True))["S2"] == " John"
    assert roles[:4] == ("..IO", "IO", "IO..S1", "S1")
    assert roles[-1] == "END" and roles[-2] == "S2..END"
    assert "".join(t for t, r in zip(clean, roles, strict=True) if r == "S1..S2") == (
        " went to the store,"
    )


def test_the_space_before_a_word_may_be_in_the_span_or_not() -> None:
    start, stop = S2
    for span in (
        RoleSpan("S2", start, stop),
        RoleSpan("S2", start - 1, stop),
        RoleSpan("S2", start, stop + 1),
    ):
        made = batch(pair(span))
        assert [made.tokens(0)[0][at] for at in made.roles.positions("S2", 0)] == [" John"]


def test_a_bos_has_a_role_of_its_own_and_tokens_are_counted_without_it() -> None:
    made = batch(pair(RoleSpan("IO", 1, 2, tokens=True)), tokenizer=WITH_BOS)
    assert made.roles.at(0)[:4] == ("BOS", "..IO", "IO", "IO..END")
    assert made.tokens(0)[0][2] == " Mary"


def test_pairs_of_unequal_length_share_their_roles() -> None:
    longer = CLEAN.replace("store", "big store"), OTHER.replace("store", "big store")
    made = batch(
        pair(RoleSpan("S2", *S2)),
        pair(RoleSpan("S2", 42, 46), clean=longer[0], corrupted=longer[1]),
    )
    assert len(made.groups) == 2
    assert made.roles.names == ("..S2", "S2", "S2..END", "END")
    for index in range(2):
        (at,) = made.roles.positions("S2", index)
        assert made.tokens(index)[0][at] == " John"


def test_without_roles_they_are_by_what_differs() -> None:
    made = batch(pair())
    assert not made.roles.by_task
    (at,) = made.roles.positions("diff1", 0)
    clean, corrupted = made.tokens(0)
    assert (clean[at], corrupted[at]) == (" John", " Paul")
    assert made.roles.names == ("..diff1", "diff1", "diff1..END", "END")


def test_the_last_position_is_the_end_even_where_it_differs() -> None:
    made = batch(Pair("The keys on the table", "The keys on the tables", (" are",), (" is",)))
    assert made.roles.at(0)[-1] == "END" and set(made.roles.at(0)[:-1]) == {"..END"}


def test_what_does_not_fit_is_one_sentence() -> None:
    assert "overlap at the token ' Mary'" in refused(RoleSpan("IO", 5, 9), RoleSpan("A", 5, 9))
    assert "cuts through the token ' Mary'" in refused(RoleSpan("IO", 5, 7))
    assert "cuts through the token ' Mary'" in refused(RoleSpan("IO", 6, 13))
    assert "and the prompt has 0 to 57" in refused(RoleSpan("IO", 5, 900))
    assert "and the prompt has 0 to" in refused(RoleSpan("IO", -3, 2))
    assert "ends where it begins" in refused(RoleSpan("IO", 4, 4))
    assert "covers no token" in refused(RoleSpan("IO", 4, 5))
    assert "tokens 90 to 90" in refused(RoleSpan("IO", 90, 91, tokens=True))
    assert "is no name of a role" in refused(RoleSpan("I O", 5, 9))
    assert "is no name of a role" in refused(RoleSpan("a..b", 5, 9))
    assert "more than 200" in refused(*(RoleSpan("IO", 5, 9),) * 201)
    with pytest.raises(WorkbenchError, match="No pair has a role 'S9'"):
        batch(pair()).roles.positions("S9", 0)


def test_pairs_with_unfit_roles_are_left_out_if_asked() -> None:
    made = batch(pair(RoleSpan("IO", 5, 9)), pair(RoleSpan("IO", 5, 7)), drop_bad=True)
    assert (made.n_pairs, made.left_out) == (1, {"role": 1})


@pytest.mark.parametrize(
    ("tokenizer", "least"),
    [(words_tokenizer(), 20), (bytes_tokenizer(), 25), (sentence_piece(task_words()), 8)],
    ids=["words", "bytes", "sentencepiece"],
)
def test_every_built_in_task_names_each_position_once(tokenizer: Any, least: int) -> None:
    made_of = 0
    for name in TASKS:
        try:
            task = make_task(name, tokenizer, 6)
        except TaskError:
            continue
        made_of += 1
        texts = [text for one in task.pairs for text in (one.clean, one.corrupted)]
        assert not any(OPEN in text or CLOSE in text for text in texts)
        made = make_batch(task, tokenizer)
        assert made.roles.by_task, name
        for index, one in enumerate(made.task.pairs):
            clean, _ = made.tokens(index)
            assert len(made.roles.at(index)) == len(clean)
            for span in one.roles:
                places = made.roles.positions(span.role, index)
                covered = "".join(clean[at] for at in places)
                assert one.clean[span.start : span.stop].strip() in covered
    assert made_of >= least


@given(data=st.data())
def test_any_spans_either_fit_or_are_refused(data: st.DataObject) -> None:
    number = st.integers(-2, len(CLEAN) + 2)
    spans = data.draw(
        st.lists(
            st.builds(RoleSpan, st.sampled_from(["A", "B", ""]), number, number, st.booleans())
        )
    )
    try:
        made = batch(pair(*spans))
    except WorkbenchError as error:
        assert str(error).endswith(".")
        return
    clean, _ = made.tokens(0)
    roles = made.roles.at(0)
    assert len(roles) == len(clean) and set(roles) <= set(made.roles.names)
    for span in spans:
        places = made.roles.positions(span.role, 0)
        assert places
        if not span.tokens:
            said = "".join(clean[at] for at in places).split()
            assert set(CLEAN[span.start : span.stop].split()) <= set(said)


def test_a_generated_task_goes_without_roles_where_they_do_not_fit() -> None:
    task = make_task("ioi", TINY, 4)
    cut = replace(task, pairs=tuple(replace(p, roles=(RoleSpan("IO", 0, 1),)) for p in task.pairs))
    made = make_batch(cut, TINY)
    assert not made.roles.by_task
    assert "cuts through the token" in made.task.notes[-1]


# --- in files -----------------------------------------------------------------------------------


def read(folder: Path, name: str, text: str) -> Pair:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    (made,) = read_task(file).pairs
    return made


IO, S_2 = RoleSpan("IO", 5, 9), RoleSpan("S2", *S2)
LINE: dict[str, object] = {
    "clean": CLEAN,
    "corrupted": OTHER,
    "answers": [" Mary"],
    "wrong_answers": [" John"],
}


def test_a_line_gives_characters_or_tokens(tmp_path: Path) -> None:
    line = LINE | {"roles": {"S2": [*S2], "name": [[5, 9], [14, 18]]}, "role_tokens": {"END": [13]}}
    made = read(tmp_path, "a.jsonl", json.dumps(line))
    assert made.roles == (
        S_2, RoleSpan("name", 5, 9), RoleSpan("name", 14, 18), RoleSpan("END", 13, 14, tokens=True),
    )  # fmt: skip


@pytest.mark.parametrize("said", ["38-42", "38:42", "[38, 42]"])
def test_a_column_gives_a_range_or_a_text(tmp_path: Path, said: str) -> None:
    header = "clean;corrupted;answers;wrong_answers;role:S2;role:IO"
    row = f"{CLEAN};{OTHER}; Mary; John;{said};Mary"
    assert read(tmp_path, "a.csv", f"{header}\n{row}\n").roles == (S_2, IO)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    pairs = [pair(IO, S_2, RoleSpan("x", 2, 4, tokens=True)), pair()]
    write_task(tmp_path / name, pairs)
    # Tokens of a role are written one by one, which names the same positions.
    tokens = (RoleSpan("x", 2, 3, tokens=True), RoleSpan("x", 3, 4, tokens=True))
    made = read_task(tmp_path / name).pairs
    assert list(made) == pairs
    assert [one.roles for one in made] == [(IO, S_2, *tokens), ()]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"roles": {"S2": [38]}}, "has to be [first character"),
        ({"roles": {"S2": "here"}}, "an object with a list for each role"),
        ({"roles": [1, 2]}, "an object with a list for each role"),
        ({"roles": {"S2": [[38, "x"]]}}, "has to be [first character"),
        ({"roles": {"S2": [1.5, 2]}}, "has to be [first character"),
        ({"role_tokens": {"S2": [[1]]}}, "list of token numbers"),
        ({"role:S2": "John"}, "2 times: give its characters"),
        ({"role:S2": "Peter"}, "0 times: give its characters"),
        ({"role:S2": True}, "has to be a range or a text"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    with pytest.raises(WorkbenchError) as error:
        read(tmp_path, "a.jsonl", json.dumps(LINE | fields))
    assert said in str(error.value) and "line 1" in str(error.value)


def test_the_slots_of_a_template_are_roles() -> None:
    template = Pair(
        "When [NAME1] and [NAME2] went, [NAME2] gave a drink to",
        "When [NAME1] and [NAME2] went, [NAME3] gave a drink to",
        (" [NAME1]",),
        (" [NAME2]",),
    )
    made = fill(template, {"NAME": ["Mary", "John", "Paul"]}, Encoding(TINY), n=1)
    (one,) = made.pairs
    assert [span.role for span in one.roles] == ["NAME1", "NAME2", "NAME2-2"]
    words = [one.clean[span.start : span.stop] for span in one.roles]
    assert words[1] == words[2] and one.answers == (f" {words[0]}",)


# --- while one types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (CLEAN, ["Mary", "John"]),
        (CLEAN.replace("Mary", "Anna"), ["Anna", "John"]),
        (f"Then, {CLEAN}", ["Mary", "John"]),
        (CLEAN.replace("Mary", "Anna Maria"), ["Anna Maria", "John"]),
        (CLEAN.replace(" Mary and", ""), ["John"]),
        (CLEAN.replace("drink", "book"), ["Mary", "John"]),
        ("", []),
    ],
)
def test_roles_move_with_their_words(new: str, words: list[str]) -> None:
    spans = moved([IO, S_2], CLEAN, new)
    assert [new[span.start : span.stop] for span in spans] == words


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 30), st.integers(1, 30))
def test_moved_roles_lie_in_the_new_text(old: str, new: str, start: int, size: int) -> None:
    spans = [RoleSpan("A", start, start + size)] if start + size <= len(old) else []
    for span in moved(spans, old, new):
        assert 0 <= span.start < span.stop <= len(new)


@given(
    st.lists(st.builds(RoleSpan, st.text(), st.integers(0, 99), st.integers(0, 99), st.booleans()))
)
def test_plain_values_are_the_same_positions(spans: list[RoleSpan]) -> None:
    def places(spans: Iterable[RoleSpan]) -> set[tuple[str, int, bool]]:
        return {
            (span.role, at, span.tokens) for span in spans for at in range(span.start, span.stop)
        }

    made = pair_from_json(json.loads(json.dumps(pair_to_json(pair(*spans)))))
    assert places(made.roles) == places(spans)
