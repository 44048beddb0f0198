"""A session killed at any moment goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.cases.session_cases import (
    expand_all,
    fresh_metric,
    new_session,
    ready,
    same,
    tiny,
)
from workbench.errors import WorkbenchError
from workbench.session.header import Header
from workbench.session.journal import KEY, read
from workbench.session.journals import list_sessions
from workbench.session.session import Session
from workbench.session.start import build_session, replayed, resume_session
from workbench.session.state import State


def busy(folder: Path) -> tuple[Session, list[State]]:
    """A session with a command of every sort, and the state after each line of its journal."""
    session = new_session(folder)
    states = [session._seen.state]
    steps = [
        lambda: session.expand("logits"),
        lambda: session.toggle("m1->logits"),
        lambda: session.set_threshold(0.01),
        lambda: session.set_threshold(0.02),
        lambda: session.undo(),
        lambda: session.keep_above("m2"),
        lambda: session.set_group("g", ["m2"], "röle"),
        lambda: session.note("m2", "line\nbreak"),
        lambda: session.toggle_node("m2"),
        lambda: session.toggle_node("m2"),
        lambda: session.undo(),
        lambda: session.redo(),
        lambda: session.expand("a2.h0", "q"),
        lambda: session.reopen("m2"),
        lambda: session.undo(),
        lambda: session.go_to(2),
        lambda: session.name_state(2, "before m2"),
        lambda: session.keep_all("m0"),
        lambda: session.go_to(13),
        lambda: session.redo(),
        lambda: session.undo(),
    ]
    for step in steps:
        size = session.path.stat().st_size
        step()
        assert session.path.stat().st_size > size
        states.append(session._seen.state)
    return session, states


def agree(one: State, other: State) -> bool:
    a, b = one.circuit, other.circuit
    return (
        a == b
        and a.groups == b.groups
        and a.notes == b.notes
        and (one.threshold, one.dropped_nodes) == (other.threshold, other.dropped_nodes)
    )


def test_killed_at_any_byte_nothing_is_lost_but_a_torn_last_line(tmp_path: Path) -> None:
    session, states = busy(tmp_path)
    session.close()
    data = session.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    entries = read(session.path).entries
    assert len(entries) == len(states) - 1
    for cut in range(len(data), ends[0] - 1, -1):
        os.truncate(session.path, cut)
        reading = read(session.path)
        whole = sum(end <= cut for end in ends) - 1
        assert reading.entries == entries[:whole]
        if cut in ends:  # the same entries give the same state for all bytes of the next line
            history = replayed(Header.from_json(reading.header), reading, session.path)
            assert agree(history.state, states[whole])
    assert whole == 0


def test_a_torn_journal_is_resumed_and_goes_on(tmp_path: Path) -> None:
    session, states = busy(tmp_path)
    session.close()
    data = session.path.read_bytes()
    session.path.write_bytes(data[:-10])
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert agree(resumed._seen.state, states[-2])
        assert "cut off" in resumed.status().message
        assert resumed.status().circuit_metric == pytest.approx(fresh_metric(resumed), abs=1e-5)
        resumed.undo()
        assert agree(resumed._seen.state, states[-1])
    with resume_session(session.path, model=tiny()[0]) as again:
        assert agree(again._seen.state, states[-1])
        assert "cut off" not in again.status().message


def test_a_resumed_session_is_where_it_was(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    expand_all(session)
    session.toggle(session.circuit.edges()[0])
    session.set_group("g", ["m0"])
    session.close()
    before = session.status()
    with resume_session(session.path, model=tiny()[0]) as resumed:
        after = resumed.status()
        assert same(session, resumed)
        assert after.change == before.change
        assert after.faithfulness == pytest.approx(before.faithfulness, abs=1e-4)
        for field in ("edges", "nodes", "closed", "can_undo", "can_redo", "open_destinations"):
            assert getattr(after, field) == getattr(before, field)
        assert resumed.task == session.task
        assert resumed.prompts(3) == session.prompts(3)
        assert [r.name for r in resumed.tree()] == [r.name for r in session.tree()]
        while resumed.status().can_undo:
            resumed.undo()
        assert resumed.status().edges == 0


def test_a_session_in_use_is_not_resumed(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    with pytest.raises(WorkbenchError, match="open in this process already"):
        resume_session(session.path, model=tiny()[0])
    session.close()
    resume_session(session.path, model=tiny()[0]).close()


def test_the_header_holds_all_that_the_session_began_with(tmp_path: Path) -> None:
    with new_session(tmp_path) as session:
        header = read(session.path).header
        assert header["settings"]["model"] == "tiny gpt2"
        assert [pair["clean"] for pair in header["task"]["pairs"]] == [
            pair.clean for pair in tiny()[1].pairs
        ]
        assert header["versions"]["torch"]
        assert Header.from_json(header).task == tiny()[1]
        assert Header.from_json(header).settings == ready().settings


def edited(path: Path, line: int, change: object) -> None:
    lines = path.read_text().splitlines()
    value = json.loads(lines[line])
    change(value)  # type: ignore[operator]
    lines[line] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("line", "change", "says"),
    [
        (2, lambda v: v.update(n=7), "Line 3 .* missing or doubled"),
        (2, lambda v: v["step"].update(command="dance"), "Line 3 .* newer version"),
        (2, lambda v: v["step"]["change"].update(added=["m1->logits", "m9->logits"]), "Line 3 "),
        (1, lambda v: v["step"]["change"].update(closed=["m0"]), "Line [23] "),
        (2, lambda v: v.pop("step"), "Line 3 "),
        (0, lambda v: v.pop("task"), "first line"),
        (0, lambda v: v["settings"].update(colour="red"), "first line"),
        (0, lambda v: v["graph"].update(n_layers=9), "another shape|cannot be replayed"),
        (0, lambda v: v.update({KEY: 99}), "update"),
    ],
)
def test_a_journal_that_does_not_fit_is_refused_and_let_go(
    tmp_path: Path, line: int, change: object, says: str
) -> None:
    session, _ = busy(tmp_path)
    session.close()
    sound = session.path.read_bytes()
    edited(session.path, line, change)
    with pytest.raises(WorkbenchError, match=says):
        resume_session(session.path, model=tiny()[0])
    session.path.write_bytes(sound)
    resume_session(session.path, model=tiny()[0]).close()


def test_other_weights_are_noticed(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    session.close()
    edited(session.path, 0, lambda v: v.update(model_metric=v["model_metric"] + 1))
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert "are not the same" in resumed.status().message


def test_another_model_is_refused(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    session.close()
    with pytest.raises(WorkbenchError, match="another shape"):
        resume_session(session.path, model=tiny("llama")[0])


def test_an_existing_file_is_not_made_a_journal(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    model, task = tiny()
    with pytest.raises(WorkbenchError, match="already"):
        build_session(model, task, journal=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_sessions_are_listed_latest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    assert list_sessions() == []
    model, task = tiny()
    first = build_session(model, task)
    status = first.expand("logits")
    second = build_session(model, task)
    folder = first.path.parent
    assert folder == tmp_path / "state" / "sessions" and second.path.parent == folder
    (folder / "broken.jsonl").write_text("no\n")
    (folder / "empty.jsonl").write_text("")
    edited(second.path, 0, lambda v: v.update(created="2999-01-01T00:00:00+00:00"))
    listed = list_sessions()
    assert [summary.path for summary in listed if not summary.damage] == [second.path, first.path]
    assert {s.path.name for s in listed if s.damage} == {"broken.jsonl", "empty.jsonl"}
    listed = [summary for summary in listed if not summary.damage]
    assert (listed[1].model, listed[1].task) == ("tiny gpt2", "ioi")
    assert (listed[1].edges, listed[1].n_commands) == (status.edges, 1)
    assert listed[1].faithfulness == status.faithfulness
    assert (listed[0].edges, listed[0].n_commands, listed[0].faithfulness) == (0, 0, None)
    assert os.environ["WORKBENCH_STATE"]
