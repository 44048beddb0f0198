"""The screen of heads, the readouts of one head, the marks beside heads and the names of groups."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.bench.candidates import Candidates
from screens.bench.screen import BenchScreen
from screens.graph.group_dialog import GroupDialog
from screens.heads.head_list import HeadList
from screens.heads.screen import HeadsScreen
from screens.readouts.ask_tokens import AskTokens
from screens.readouts.panel import Readouts
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.circuits.circuit import RoleGroup
from workbench.experiment.prepare import load_task
from workbench.models.model import load_model
from workbench.readouts.heads.columns import COLUMNS, KINDS
from workbench.readouts.heads.table import HeadTable
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session

pytestmark = pytest.mark.slow

SIZES = [(80, 24), (160, 48)]


@pytest.fixture(scope="module")
def known_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session on `known` whose heads are measured."""
    folder = tmp_path_factory.mktemp("known")
    session = known_session(folder)
    session.heads.run()
    session.close()
    return folder


def known_session(folder: Path) -> Session:
    model = load_model("known", device="cpu")
    task = load_task("induction", model, pairs=4)
    return build_session(model, task, journal=folder / "known.jsonl")


@pytest.fixture
def known(known_folder: Path, tmp_path: Path) -> Session:
    """The same measured heads in a session of its own."""
    session = known_session(tmp_path)
    kept = (known_folder / "known.heads").read_bytes()
    (tmp_path / "known.heads").write_bytes(kept)
    return session


async def opened(pilot: Any) -> HeadsScreen:
    await settled(pilot)
    await pilot.press("8")
    await until(pilot, lambda: isinstance(pilot.app.screen, HeadsScreen))
    screen = pilot.app.screen
    await until(pilot, lambda: not screen.running and bool(screen.heads.rows), 30)
    assert isinstance(screen, HeadsScreen)
    return screen


def about(screen: HeadsScreen) -> str:
    return str(screen.query_one("#about", Static).render())


@pytest.mark.parametrize("size", SIZES)
async def test_heads_are_measured_once_sorted_and_filtered(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        held = screen.session.heads.held
        assert held is not None
        table, rows = held.table, screen.heads
        assert tuple(rows.rows) == table.heads
        await pilot.press("s")
        assert rows.by == "previous" and tuple(rows.rows) == table.ordered("previous")
        assert rows.highlighted == rows.rows[0]
        assert COLUMNS["previous"].definition.split(":")[0] in " ".join(about(screen).split())
        await pilot.click(HeadList, offset=(4, 1))  # the heading over the names
        await until(pilot, lambda: rows.by == "head")
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"a1. size>2", "enter")
        assert isinstance(app.screen, Ask)
        assert "no column 'size'" in screen_text(app)
        app.screen.query_one(Input).value = "a1. entropy>0"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        assert rows.rows == ["a1.h0", "a1.h1"]
        copied = screen.copies().tables[0]
        assert [row[0] for row in copied.rows] == rows.rows and "direct" in copied.columns
        await pilot.press("escape", "8")
        await until(pilot, lambda: isinstance(app.screen, HeadsScreen))
        assert screen.session.heads.held is held and not app.screen.running  # type: ignore[attr-defined]


async def test_all_columns_can_be_seen_where_there_is_little_room(known: Session) -> None:
    app = WorkbenchApp(session=known)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert "carry" not in screen_text(app)
        await pilot.press(*["right"] * 20)
        assert "direct" in screen_text(app) and "prev    dup" not in screen_text(app)
        await pilot.press(*["h"] * 20)
        for _ in range(list(COLUMNS).index("carried") + 1):
            await pilot.press("s")
        assert screen.heads.by == "carried" and "carry▾" in screen_text(app)
        assert screen.heads.rows[:2] == ["a1.h0", "a1.h2"]
        assert "a1.h0 looks like an induction head: 0.6" in about(screen)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Keys: heads" in app.screen.query_one("#help-text", Static).render().plain  # type: ignore[union-attr]


async def test_a_head_is_read_by_its_weights_and_marked_beside_its_edges(known: Session) -> None:
    app = WorkbenchApp(session=known)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        screen.heads.move_to_key("a1.h2")
        await pilot.press("enter")
        await settled(pilot)
        bench = app.screen
        assert isinstance(bench, BenchScreen) and bench.view.node == "a1.h2"
        readouts = bench.query_one("#readouts", Readouts)
        await until(pilot, lambda: readouts.result is not None and readouts.node == "a1.h2")
        assert readouts.view.name == "ov" and "a1.h2 looking at each" in screen_text(app)
        await pilot.press("semicolon", "semicolon")
        await until(pilot, lambda: readouts.result is not None)
        assert "W_E + MLP_0, last MLP" in screen_text(app)
        for prompt in ("greater_than_sign", "comma"):
            await pilot.press(prompt)
        await until(pilot, lambda: readouts.result is not None)
        word = known.prompts(0).clean[-2]
        assert f"a1.h2 looking at {word!r}" in screen_text(app)
        title = getattr(readouts.result, "title", "")
        first = getattr(readouts.result, "values", ((("",)),))[0][0]
        assert word in title and first == word  # it copies what it looks at
        await pilot.press("7")
        await until(pilot, lambda: readouts.view.name == "qk" and readouts.result is not None)
        assert f"a1.h2 from {word!r} looks at" in screen_text(app)
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, AskTokens))
        assert "Which token the head is given" in screen_text(app)
        await pilot.press(*"gift", "enter")
        await until(pilot, lambda: "a1.h2 from ' gift' looks at" in screen_text(app))
        bench.shown.choose("m2")
        await pilot.press("2")
        await settled(pilot)
        table = bench.query_one(Candidates)
        row = next(row for row in table.rows if row.source == "a1.h0")
        assert "a1.h0   ind" in table.line(row, 70, False).plain
        assert "ind" not in table.line(row, 34, False).plain
        await pilot.press("6")
        await until(pilot, lambda: readouts.view.name == "ov")


async def test_measuring_can_be_stopped_and_fails_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tiny_session(tmp_path)
    gate = threading.Event()
    real = session.heads.run

    def slow(source: str, *, cancel: Any, on_piece: Any) -> Any:
        on_piece(0.25)
        assert gate.wait(20)
        return real(source, cancel=cancel, on_piece=on_piece)

    monkeypatch.setattr(session.heads, "run", slow)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("8")
        await until(pilot, lambda: "measuring 25%" in screen_text(app))
        await pilot.press("c")
        gate.set()
        screen = app.screen
        assert isinstance(screen, HeadsScreen)
        await until(pilot, lambda: not screen.running)
        assert session.heads.held is None and "A measures them" in screen_text(app)
        monkeypatch.setattr(session.heads, "run", broken)
        await pilot.press("A")
        await until(pilot, lambda: bool(screen.failed))
        assert "made to fail" in screen_text(app)
        monkeypatch.setattr(session.heads, "run", real)
        await pilot.press("A")
        await until(pilot, lambda: bool(screen.heads.rows), 30)
        await pilot.press("semicolon")
        await until(pilot, lambda: session.heads.of("embedding") is not None, 30)
        await until(pilot, lambda: "given W_E ·" in screen_text(app))


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("made to fail")


def test_what_was_measured_comes_back_and_damage_does_not(known: Session, tmp_path: Path) -> None:
    held = known.heads.held
    assert held is not None and held.table.marks()["a1.h0"] == "ind" and not known.heads.is_old
    path = tmp_path / "known.jsonl"
    known.close()
    with resume_session(path) as again:
        assert again.heads.held == held
    for damaged in (b"", b"{", b'{"effective": 3}', b"[]", b'{"effective": {"table": {}}}'):
        (tmp_path / "known.heads").write_bytes(damaged)
        with resume_session(path) as again:
            assert again.heads.held is None and again.heads.marks() == {}


async def test_a_groups_name_is_suggested() -> None:
    kinds = (("induction heads", 0.62),)
    groups = (RoleGroup("others", "", ("a9.h9",)),)
    app = WorkbenchApp()
    async with app.run_test(size=(80, 24)) as pilot:
        answers: list[Any] = []
        app.push_screen(GroupDialog(("a1.h0", "a1.h2"), groups, kinds), answers.append)
        await pilot.pause()
        assert "They look like induction heads: 0.62" in screen_text(app)
        assert app.screen.query_one("#name", Input).value == "induction heads"
        await pilot.press("enter")
        await pilot.pause()
        assert answers == [("induction heads", "")]
        app.push_screen(GroupDialog(("a1.h0",), groups), answers.append)
        await pilot.pause()
        assert "ook like" not in screen_text(app)
        assert app.screen.query_one("#name", Input).value == ""


def test_the_help_tells_every_column_and_kind() -> None:
    assert all(column.definition in HeadList.HELP for column in COLUMNS.values())
    assert all(kind.name in HeadList.HELP for kind in KINDS)
    table = HeadTable(1, 1, {"direct": (None,)}, "effective", 0)
    rows = HeadList()
    rows.measured = table
    assert rows.line("a0.h0", 60, False).plain.rstrip().endswith("·")


@pytest.mark.parametrize("size", SIZES)
async def test_heads_are_read_on_the_prompts_by_role(known: Session, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=known)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        random = screen.heads.measured
        await pilot.press("V")
        await until(pilot, lambda: screen.heads.measured is not random)
        table = screen.heads.measured
        assert table is not None and table.at is not None
        assert table.at.position == known.roles[-1] and table == known.heads.at(known.roles[-1])
        assert random is not None and table.values["copying"] == random.values["copying"]
        text = screen_text(app)
        role, share = table.most(screen.heads.rows[0])[0]
        assert "looks at" in text and f"mean at {known.roles[-1]}" in text
        assert role in text and f"{share:.2f}" in text
        await pilot.press("comma")
        await until(pilot, lambda: f"at {known.roles[-2]}" in screen_text(app))
        await pilot.press("greater_than_sign", "equals_sign")
        wanted = known.heads.at(known.roles[-2], pair=0, run="corrupted")
        await until(pilot, lambda: screen.heads.measured == wanted)
        assert "prompt 1 at" in screen_text(app) and "corrupted" in screen_text(app)
        await pilot.press("vertical_line")
        await until(
            pilot, lambda: screen.heads.measured == known.heads.at(-1, pair=0, run="corrupted")
        )
        await pilot.press("V")
        await until(pilot, lambda: screen.heads.measured == random)
        assert "looks at" not in screen_text(app)


async def test_hidden_columns_are_told_of(known: Session) -> None:
    app = WorkbenchApp(session=known)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        every = len(screen.heads.measured.columns) if screen.heads.measured else 0
        heading = screen.heads.heading(80).plain
        assert heading.endswith("›") and "‹" not in heading
        assert f"of {every} (← →)" in screen._title(known.heads.held)
        await pilot.press(*["right"] * every)
        heading = screen.heads.heading(80).plain
        assert "‹" in heading and not heading.endswith("›")
