"""The screen of the history: what it lists, where its keys lead, and that nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.history.keys import ACTIONS, BY_NAME, FOOTER
from screens.history.preview import preview
from screens.history.screen import HistoryScreen
from screens.history.strip import BLOCKS, strip
from screens.palette.entries import entries
from screens.side_by_side.screen import SideBySideScreen
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import toy_session
from tests.workbench.session.test_state_graph import rows as made_rows
from workbench.session.session import Session
from workbench.session.side_by_side import OWN
from workbench.session.state import Change
from workbench.session.state_rows import StateRow

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """States 0, 1, 2, and 4 beside 2; it is at 4."""
    session, _ = toy_session(tmp_path, layers=3, heads=2)
    session.expand("logits", keep=["m2->logits"])
    session.drop_all("logits")
    session.undo()
    session.keep_all("logits")
    return session


async def opened(pilot: Pilot[Any]) -> HistoryScreen:
    bench = await settled(pilot)
    bench.action_history()
    await until(pilot, lambda: isinstance(pilot.app.screen, HistoryScreen))
    return await rested(pilot)


async def rested(pilot: Pilot[Any]) -> HistoryScreen:
    screen = next(s for s in pilot.app.screen_stack if isinstance(s, HistoryScreen))
    await until(pilot, lambda: bool(screen.rows) and screen.quiet)
    return screen


def said(screen: HistoryScreen, part: str) -> str:
    content = screen.query_one(part, Static).content
    return content.plain if isinstance(content, Text) else str(content)


def numbers(screen: HistoryScreen) -> list[int]:
    return [drawn.row.n for drawn in screen.states.rows]


@pytest.mark.parametrize("size", SIZES)
async def test_it_lists_the_tree_with_the_cursor_on_the_present_state(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert numbers(screen) == [4, 2, 1, 0]
        assert screen.highlighted is not None and screen.highlighted.n == 4
        assert "4 states · 2 branches · at state 4" in said(screen, "#history-title")
        text = screen_text(app)
        assert "◉" in text and "├─○" in text
        assert "Dropped all edges into logits." in text
        faithful = f"{session.status().faithfulness:.3f}"
        row = next(line for line in text.splitlines() if "◉" in line)
        assert faithful in row and "Kept all edges into logits." in row
        assert ("when" in text) == (size[0] == 160)
        for action in (BY_NAME[name] for name in FOOTER[:4]):
            assert action.label in text


@pytest.mark.parametrize("size", SIZES)
async def test_the_preview_says_what_going_there_would_change(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert "you are here" in said(screen, "#state")
        await pilot.press("j", "j")
        await rested(pilot)
        change = session.differences(4, 1)
        assert change.removed and not change.added
        told = " ".join(said(screen, "#state").split())
        assert f"0 edges added, {len(change.removed)} removed" in told
        assert change.removed[0] in told
        assert "on the way here" in told


async def test_enter_goes_there_and_the_other_state_stays(session: Session) -> None:
    left = session.circuit
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j", "enter")
        await rested(pilot)
        assert session.circuit.edges() == []
        assert "state 4 stays on its branch" in session.status().message
        assert any("stays on its branch" in n.message for n in app._notifications)
        assert "at state 2" in said(screen, "#history-title")
        assert numbers(screen) == [4, 2, 1, 0] and session.state_at(4) == left
        await pilot.press("u")
        await rested(pilot)
        assert screen.highlighted is not None and screen.highlighted.n == 1
        await pilot.press("U")
        await rested(pilot)
        assert "at state 2" in said(screen, "#history-title")
        await pilot.press("escape")
        bench = await settled(pilot)
        assert app.screen is bench
        assert "0 edges" in screen_text(app)
        bench.command(lambda: session.toggle("m1->logits"))
        await settled(pilot)
        bench.action_history()
        screen = await rested(pilot)
        assert numbers(screen)[0] == session.n_entries, "a branch from where one went"
        parents = {row.n: row.parent for row in screen.rows}
        assert parents[session.n_entries] == 2


async def test_a_state_is_named_found_and_shown_alone(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("j", "W")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"[b]x", "enter")
        await rested(pilot)
        assert [row.name for row in session.history()] == ["", "", "[b]x", ""]
        assert screen.highlighted is not None and screen.highlighted.n == 2
        text = screen_text(app)
        assert "◆" in text and "[b]x" in text
        await pilot.press("f")
        await rested(pilot)
        assert numbers(screen) == [4, 1, 0]
        await pilot.press("f")
        await rested(pilot)
        assert numbers(screen) == [4, 2, 0]
        assert "with a name" in said(screen, "#history-title")
        await pilot.press("f", "s")
        await rested(pilot)
        found = {entry.title: entry for entry in entries(app, screen)}
        assert "state 2 '[b]x'" in found
        by_loss = [drawn.row.change or 0.0 for drawn in screen.states.rows]
        assert by_loss == sorted(by_loss)


async def test_marked_states_come_side_by_side(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits")
    session.drop_all("logits")
    session.undo()
    session.keep_all("logits")
    session.name_state(2, "nothing")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("B")
        await rested(pilot)
        assert app.screen is screen, "the present state alone is compared with nothing"
        await pilot.press("j", "space", "j", "space")
        assert "2 marked" in said(screen, "#history-title")
        await pilot.press("escape")
        assert app.screen is screen and not screen.marked
        await pilot.press("space", "k", "space", "enter")
        await until(pilot, lambda: isinstance(app.screen, SideBySideScreen))
        places = session.side_by_side.places
        assert [place.name for place in places] == [OWN, "state 1", "state 2 'nothing'"]
        assert places[2].circuit == session.state_at(2)
        await until(pilot, lambda: all(p.scores for p in session.side_by_side.places))
        for place, n in zip(session.side_by_side.places[1:], (1, 2), strict=True):
            assert place.scores is not None
            row = next(row for row in session.history() if row.n == n)
            assert place.scores.faithfulness == pytest.approx(row.faithfulness, abs=1e-5)
        await pilot.press("escape")
        screen = await rested(pilot)
        assert not screen.marked
        await pilot.press("B")
        await until(pilot, lambda: isinstance(app.screen, SideBySideScreen))
        assert len(session.side_by_side.places) == 3, "it stands there already"


async def test_a_command_that_was_under_way_comes_into_the_tree(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        session.toggle("m1->logits")
        await until(pilot, lambda: len(numbers(screen)) == 5)


async def test_every_action_is_there_and_in_the_palette(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        for action in ACTIONS:
            owner = app if action.name.startswith("app.") else screen
            assert hasattr(owner, f"action_{action.name.removeprefix('app.')}")
        found = [entry.title for entry in entries(app, screen)]
        assert all(action.in_palette in found for action in ACTIONS)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "A run of threshold steps" in " ".join(screen_text(app).split())


# What is drawn, without an app.


def numbered(values: list[float | None]) -> list[StateRow]:
    rows = made_rows(list(range(len(values) - 1)), len(values) - 1)
    return [replace(row, faithfulness=v) for row, v in zip(rows, values, strict=True)]


@pytest.mark.parametrize("width", [30, 78, 158])
@pytest.mark.parametrize("steps", [1, 2, 7, 60, 500])
def test_the_strip_fits_ends_with_the_present_state_and_points(steps: int, width: int) -> None:
    values: list[float | None] = [1 - i / steps for i in range(steps)]
    rows = numbered(values)
    for at in {0, steps // 2, steps - 1}:
        above, below = strip(rows, at, width).plain.split("\n")
        assert len(above) <= width and len(below) <= width
        blocks = [sign for sign in above if sign in BLOCKS]
        assert [BLOCKS.index(b) for b in blocks] == sorted(
            (BLOCKS.index(b) for b in blocks), reverse=True
        )
        assert f"step {at} of {steps - 1}" in below
        cell = below.index("▲") - above.index(blocks[0])
        shown = min(steps - 1, cell * steps // len(blocks))
        assert abs(shown - at) <= max(1, steps // len(blocks))
    if steps > 1:
        assert blocks[-1] == BLOCKS[0]


def test_without_a_faithfulness_the_strip_says_so() -> None:
    assert "undefined" in strip(numbered([None, None]), 1, 80).plain
    assert "·" in strip(numbered([1.0, None, 0.5]), 1, 80).plain


@pytest.mark.parametrize("width", [20, 42, 78])
@pytest.mark.parametrize("height", [4, 7, 40])
def test_the_preview_fits_and_counts_what_has_no_room(width: int, height: int) -> None:
    row = numbered([1.0, 0.5])[1]
    names = tuple(f"a{i}.h{i}->logits" for i in range(40))
    lines = preview(row, Change(added=names), width, height).plain.split("\n")
    assert all(len(line) <= width for line in lines)
    text = " ".join(lines)
    listed = sum(f"+ {name}" in text for name in names)
    if "more" in text:
        assert f"{40 - listed} more" in text
    elif height == 40:
        assert listed == 40


async def test_the_session_is_written_as_a_page(session: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("o")
        await pilot.pause()
        entry = app.screen.query_one(Input)
        entry.value = str(tmp_path / "page.txt")
        await pilot.press("enter")
        await until(pilot, lambda: "Markdown or HTML" in screen_text(app))
        entry.value = str(tmp_path / "page.md")
        await pilot.press("enter")
        await until(pilot, lambda: any("page.md" in n.message for n in app._notifications))
        assert (tmp_path / "page_files" / "circuit.svg").exists()


async def test_a_click_on_the_strip_goes_to_the_step_there(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        line = said(screen, "#strip").splitlines()[0]
        first = next(i for i, sign in enumerate(line) if sign in BLOCKS)
        for x, n in ((first, 0), (first + 3, 1), (len(line) - 1, 4), (0, 4)):
            await pilot.click("#strip", offset=(x + screen.query_one("#strip").gutter.left, 0))
            await rested(pilot)
            assert screen.highlighted is not None and screen.highlighted.n == n
