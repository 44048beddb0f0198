"""The screen of the flow between tokens: two maps, their settings, and what is said of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.flow.flow_map import ALL, FlowMap, map_rows
from screens.flow.screen import FlowScreen
from screens.help.screen import HelpScreen
from screens.widgets.choice import Choice
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import Host, tiny_session, until
from workbench.base.work import Work
from workbench.errors import WorkbenchError
from workbench.flow.results import AllForOne, KnockoutMap, Score
from workbench.flow.settings import AllForOneSettings, KnockoutSettings
from workbench.session.session import Session

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return tiny_session(tmp_path, pairs=8)


async def opened(pilot: Any) -> FlowScreen:
    await settled(pilot)
    await pilot.press("quotation_mark")
    await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen))
    screen = pilot.app.screen
    await until(pilot, lambda: screen._shown is not None)
    return screen


def said(screen: FlowScreen) -> str:
    return str(screen.query_one("#told Static").render())


@pytest.mark.parametrize("size", SIZES)
async def test_both_maps_are_computed_and_spelled_out(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert "Not asked yet" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "all-for-one" in session.flow.held and not screen.running)
        found = session.flow.held["all-for-one"].result
        assert isinstance(found, AllForOne)
        assert [row.values for row in screen.map.rows] == list(found.accuracy)
        assert found.headline[:20] in said(screen) and "2509.09650" in said(screen)
        screen.map.move_to_key("1")
        await pilot.pause()
        screen.redraw()
        assert "First layer 1" in said(screen)
        await pilot.press("V", "enter")
        await until(pilot, lambda: "knock-out" in session.flow.held and not screen.running)
        knocked = session.flow.held["knock-out"].result
        assert isinstance(knocked, KnockoutMap)
        assert [row.values for row in screen.map.rows] == [*knocked.effect, knocked.all_others]
        screen.map.move_to_key(ALL)
        await pilot.pause()
        screen.redraw()
        assert "All but the first" in said(screen)
        await pilot.press("V")
        assert [row.values for row in screen.map.rows] == list(found.accuracy)
        await pilot.press("tab")
        assert isinstance(app.focused, VerticalScroll)
        await pilot.press("tab")
        assert isinstance(app.focused, FlowMap)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "All for one" in str(app.screen.query_one("#help-text", Static).render())
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        await pilot.press("quotation_mark")
        await until(pilot, lambda: isinstance(app.screen, FlowScreen))
        assert app.screen.query_one(FlowMap).rows, "what was found is the session's"


async def test_settings_are_typed_and_make_what_was_found_old(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        session.flow.run("all-for-one")
        await pilot.press("t", "right")
        assert screen.query_one("#measure", Choice).value == "metric"
        screen.query_one("#level Input", Input).value = "2"
        await pilot.press("enter")
        await pilot.pause()
        assert session.flow.waiting == AllForOneSettings(), "what cannot be is refused"
        assert any("level" in n.message for n in app._notifications)
        screen.query_one("#level Input", Input).value = "0.5"
        screen.query_one("#prompts Input", Input).value = "12"
        screen.query_one("#others", Choice).choose("all")
        screen.query_one("#first", Choice).choose("hidden")
        await pilot.press("enter")
        asked = AllForOneSettings(0.5, "metric", "all", keep_first=False)
        await until(pilot, lambda: session.flow.waiting == asked and not screen.running)
        held = session.flow.held["all-for-one"]
        assert held.settings == (asked, 12)
        assert isinstance(held.result, AllForOne) and held.result.n_prompts == 12
        session.flow.waiting = AllForOneSettings()
        screen.redraw()
        assert "other settings" in said(screen)
        await pilot.press("V", "t")
        for name, text in (("#query", "-2"), ("#reach", "1"), ("#pair", "3")):
            screen.query_one(f"{name} Input", Input).value = text
        await pilot.press("enter")
        await until(pilot, lambda: "knock-out" in session.flow.held and not screen.running)
        assert session.flow.knocking == KnockoutSettings(1, -2, 2)
        screen.query_one("#pair Input", Input).value = "9"
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.failed))
        assert "no pair 9" in said(screen)
        screen.query_one("#pair Input", Input).value = "x"
        await pilot.press("enter")
        await pilot.pause()
        assert any("pair: type" in n.message for n in app._notifications)


async def test_every_setting_is_reached_by_keys_and_left_by_escape(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        await pilot.press("t", "tab", "end", "backspace", "7", "tab", "end", "backspace", "tab")
        screen._fields("all-for-one").read()
        assert session.flow.waiting.level == 0.7 and session.flow.prompts == 25
        await pilot.press("escape")
        assert app.screen is screen and screen.map.has_focus
        await pilot.press("V", "t", "tab", "3", "tab", "2")
        screen._fields("knock-out").read()
        assert session.flow.knocking.reach == 3 and session.flow.knocking.pair == 1
        await pilot.press("tab")
        assert screen.map.has_focus
        await pilot.press("tab")
        assert screen.search_pane().has_focus


async def test_the_map_can_be_copied_and_drawn(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[1]) as pilot:
        screen = await opened(pilot)
        assert not screen.copies().tables
        session.flow.run("all-for-one")
        screen._put()
        copies = screen.copies()
        n = session.model.layers
        cells = sum(n - first + 2 for first in range(n))
        assert len(copies.tables[0].rows) == cells
        ((_, draw),) = copies.plots
        assert draw().startswith("<svg")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The knock-out takes pieces until it is let go."""
    go = threading.Event()

    def asking(*_: object) -> Work[KnockoutMap]:
        while not go.is_set():
            go.wait(0.01)
            yield 0.37
        raise WorkbenchError("It was let go.")

    monkeypatch.setattr("workbench.flow.knockout_map.asking_knockout_map", asking)
    yield go
    go.set()


async def test_it_shows_how_far_it_is_and_can_be_stopped(
    session: Session, slow: threading.Event
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        await pilot.press("V", "enter")
        await until(pilot, lambda: screen.done == 0.37)
        screen.redraw()
        await pilot.pause()
        assert "Computing" in screen_text(app) and "Not asked yet" not in screen_text(app)
        assert "37%" in str(screen.query_one("#flow-title", Static).render())
        await pilot.press("enter")
        assert any("being computed" in n.message for n in app._notifications)
        await pilot.press("V")
        assert "attention knock-out 37%" in str(screen.query_one("#flow-title", Static).render())
        session.toggle("m0->logits")  # the session goes on meanwhile
        await pilot.press("c")
        await until(pilot, lambda: screen.running is None)
        assert not session.flow.held and not screen.failed


def a_map(n_layers: int) -> AllForOne:
    """Every cell another value."""
    rows = tuple(
        tuple((first + n) / (2 * n_layers) if first + n <= n_layers else None
              for n in range(n_layers + 1))
        for first in range(n_layers)
    )  # fmt: skip
    score = Score(1.0, 3.0)
    return AllForOne(
        n_layers, 4, 4, "logit_diff", score, (score,) * n_layers, rows, rows, 0.9, "accuracy",
        2, (2, 3), (2,), score, (), 8, 0.0, "Definition.",
    )  # fmt: skip


@pytest.mark.parametrize(("n_layers", "width"), [(4, 60), (12, 76), (30, 78), (80, 78), (3, 24)])
async def test_the_map_of_any_model_fits(n_layers: int, width: int) -> None:
    async with Host(FlowMap).run_test(size=(width, 30)) as pilot:
        shown = pilot.app.query_one(FlowMap)
        shown.put(a_map(n_layers))
        await pilot.pause()
        room = shown.scrollable_content_region.width
        for row in shown.rows:
            assert shown.line(row, room, False).cell_len <= room
        assert shown.heading(room).cell_len <= room
        here = shown.highlighted
        assert here is not None and here.key == "2" and here.marked == {2}


def test_values_below_zero_and_above_one_are_told_apart() -> None:
    effect = ((-10.0, 0.0, 4.0), (0.01, None, -2.0))
    found = KnockoutMap(
        -1, (-3, -2), ("a", "b"), (2, 1), 0, effect, effect, (-9.0, 1.0, 2.0), "logit_diff",
        Score(1.0, 10.0), None, "Definition.",
    )  # fmt: skip
    rows = map_rows(found)
    shown = FlowMap()
    shown.rows = rows
    wide, narrow = (shown.line(rows[0], width, False).plain for width in (80, 28))
    assert "█−10.0" in wide and "▒  4.0" in wide
    assert "−█" in narrow and "▒▒" in narrow
    assert [row.key for row in rows] == ["-3", "-2", ALL]
