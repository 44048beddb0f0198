"""The screen of interventions: typing, taking back, what it measures, sound and faulty ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.bench.circuit_tree import CircuitTree
from screens.bench.screen import BenchScreen
from screens.interventions.list import InterventionList
from screens.interventions.screen import VIEWS, InterventionsScreen
from screens.interventions.text import NO_EFFECT, curve_lines, effect_lines, reliability_lines
from screens.widgets.choice import Choice
from screens.widgets.copying import copies_of
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.cluster_cases import mixed_session
from tests.support.tiny_sessions import until
from workbench.reliability.results import ReliabilitySettings
from workbench.session.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.screens]

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return mixed_session(tmp_path, 4)


async def opened(pilot: Any, key: str = "exclamation_mark") -> InterventionsScreen:
    await settled(pilot)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, InterventionsScreen))
    screen = pilot.app.screen
    await until(pilot, lambda: screen._shown is not None)
    return screen


def complains(complaint: Static, words: str) -> bool:
    return words in str(complaint.render())


async def typed(pilot: Any, screen: InterventionsScreen, line: str) -> None:
    await pilot.press("t", "home", "ctrl+k")
    screen.query_one("#line", Input).value = line
    await pilot.press("enter")
    await until(pilot, lambda: screen.quiet, 30)


def width_of(screen: InterventionsScreen) -> int:
    return screen.query_one("#told").scrollable_content_region.width - 1


def said(screen: InterventionsScreen) -> str:
    return str(screen.query_one("#told Static").render())


@pytest.mark.parametrize("size", SIZES)
async def test_a_line_is_done_measured_and_taken_back(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert NO_EFFECT[:20] in said(screen)
        before = session.status().model_metric
        await typed(pilot, screen, "a3.h0 * 0")
        assert session.task.interventions == ("a3.h0 * 0",)
        assert session.status().model_metric != before
        effect = session.interventions.effect(0)
        words = said(screen).split()
        for line in effect_lines(effect, width_of(screen)):
            assert set(line.plain.split()) <= set(words)
        await typed(pilot, screen, "m1 * 2 at -1")
        rows = screen.query_one(InterventionList)
        assert [row.one.text for row in rows.rows] == ["a3.h0 * 0", "m1 * 2 at -1"]
        await pilot.press("end", "minus")
        await until(pilot, lambda: len(rows.rows) == 1 and screen.quiet, 30)
        await pilot.press("u")
        await until(pilot, lambda: len(rows.rows) == 2 and screen.quiet, 30)
        await pilot.press("X")
        await until(pilot, lambda: not rows.rows and screen.quiet, 30)
        assert session.status().model_metric == pytest.approx(before, abs=1e-6)


async def test_what_cannot_be_done_is_said_under_the_line(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        complaint = screen.query_one("#complaint", Static)
        for line, words in (
            ("nonsense", "no intervention"),
            ("a9.h9 * 2", "a9.h9"),
            ("m1 = token", "token"),
        ):
            screen.query_one("#line", Input).value = line
            screen.query_one("#line", Input).focus()
            await pilot.press("enter")
            await until(pilot, partial(complains, complaint, words))
        screen.query_one(InterventionList).focus()
        await typed(pilot, screen, "m0.n99999 * 2")  # only the model knows
        assert "no neuron" in str(complaint.render())
        assert session.task.interventions == ()
        await pilot.press("t", "escape")
        assert isinstance(app.screen, InterventionsScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


async def test_a_line_is_changed_in_its_place(session: Session) -> None:
    session.interventions.set(["a3.h0 * 0", "m1 * 2"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.quiet, 30)
        await pilot.press("colon")
        field = screen.query_one("#line", Input)
        assert field.value == "a3.h0 * 0"
        await pilot.press("backspace", "3", "enter")
        await until(pilot, lambda: session.task.interventions[0] == "a3.h0 * 3", 30)
        assert session.task.interventions == ("a3.h0 * 3", "m1 * 2")
        await until(pilot, lambda: screen.quiet, 30)


async def test_enter_does_what_the_line_proposes(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        screen.query_one("#line", Input).value = "m1 * 2"
        assert isinstance(app.focused, InterventionList)
        await pilot.press("enter")
        await until(pilot, lambda: session.task.interventions == ("m1 * 2",), 30)
        await until(pilot, lambda: screen.quiet, 30)
        await pilot.press("X")
        await until(pilot, lambda: not session.task.interventions and screen.quiet, 30)
        line = screen.query_one("#line", Input)
        line.value = ""
        await pilot.press("enter")
        assert screen.focused is line, "nothing is proposed: it can be typed"


@pytest.mark.parametrize("size", SIZES)
async def test_enter_draws_the_curve(session: Session, size: tuple[int, int]) -> None:
    session.interventions.add("a3.h0 * 0")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.quiet, 30)
        await pilot.press("enter")
        await until(pilot, lambda: screen._curve is not None and screen.quiet, 60)
        curve = session.interventions.curve(1)
        assert screen.view == "curve" and screen._plot is not None and screen._plot.display
        words = said(screen).split()
        for line in curve_lines(curve, width_of(screen)):
            assert set(line.plain.split()) <= set(words)
        tables = copies_of(screen.query_one(InterventionList)).tables
        assert tables[0].rows == ((1, "a3.h0 * 0"),)
        assert curve.table() in screen.copies().tables
        await pilot.press("1")
        assert screen.view == "effect" and not screen._plot.display


@pytest.mark.parametrize("size", SIZES)
async def test_sound_and_faulty_components_are_found_and_scaled(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, "dollar_sign")
        assert screen.view == "reliability"
        screen.query_one("#also", Input).value = "ioi"
        await pilot.press("enter")
        await until(pilot, lambda: session.reliability.held is not None and screen.quiet, 120)
        held = session.reliability.held
        assert held is not None and held.steering is not None and held.steering.also is not None
        words = said(screen).split()
        lines = list(reliability_lines(held, width_of(screen)))
        for line in lines:
            assert set(line.plain.split()) <= set(words)
            assert line.cell_len <= width_of(screen)
        beside = size[0] > 116
        assert ("Heads by layer" in lines[0].plain) is beside, "where heads are is seen at once"
        assert sum("Heads by layer" in line.plain for line in lines) == 1
        if not held.steering.intervention:
            await pilot.press("L")
            await until(pilot, lambda: screen.query_one("#complaint").display)
        assert held.map.table() in screen.copies().tables
        screen.query_one("#place", Choice).choose(session.roles[-2])
        screen.query_one("#own-run", Choice).choose("corrupted")
        await pilot.press("enter")
        await until(pilot, lambda: session.reliability.held is not held and screen.quiet, 120)
        there = session.reliability.held
        assert there is not None and there.map.settings.run == "corrupted"
        assert there.map.settings.position == session.roles[-2]
        assert f"the role {session.roles[-2]}, on the corrupted" in " ".join(said(screen).split())
        session.interventions.add("a3.h0 * 0")
        assert session.reliability.is_old


async def test_tree_and_header_say_what_is_done(session: Session) -> None:
    session.expand("logits", keep=["a3.h1->logits", "m3->logits"])
    session.interventions.set(["a3.h1 * 2", "m3.n2 * 0"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        assert "×2" in screen_text(app) and "n2×0" in screen_text(app)
        assert "2 interventions: !" in screen_text(app)
        assert app.screen.query_one(CircuitTree).changed == {"a3.h1": "×2", "m3": "n2×0"}


async def test_the_views_come_in_turn_and_help_is_there(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        seen = []
        for _ in VIEWS:
            seen.append(screen.view)
            await pilot.press("V")
        assert seen == list(VIEWS) and screen.view == VIEWS[0]
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)
        assert "corrupted" in screen_text(app)


def test_taking_needs_something_found(session: Session) -> None:
    from workbench.errors import WorkbenchError

    with pytest.raises(WorkbenchError, match="on trial"):
        session.reliability.take()
    found = session.reliability.find(ReliabilitySettings(sound=0.3, numbers=(1,), factors=(2.0,)))
    assert found.steering is not None
    if found.steering.intervention:
        session.reliability.take()
        assert session.task.interventions == (found.steering.intervention,)
    else:
        with pytest.raises(WorkbenchError, match="no better"):
            session.reliability.take()


async def test_all_is_read_at_80_columns_and_pages_move_what_is_told(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        graph = session.graph
        assert screen.query_one(InterventionList).example.startswith(f"a{graph.n_layers - 1}.h")
        await typed(pilot, screen, "a3.h0 * 0")
        await until(pilot, lambda: "without" in said(screen))
        assert all(
            word in said(screen).splitlines()[1]
            for word in (session.task.metric, "corrupted", "accuracy", "faithfulness")
        )
        title = str(screen.query_one("#interventions-title", Static).render())
        assert title.startswith("Interventions: 1") and len(title) <= 78
        assert not app._notifications  # a toast would lie over the numbers
        assert screen.query_one(InterventionList).has_focus
        pane = screen.search_pane()
        await until(pilot, lambda: pane.max_scroll_y > 0)
        await pilot.press("pagedown")
        await until(pilot, lambda: pane.scroll_y > 0)
        await pilot.press("pageup")
        await until(pilot, lambda: pane.scroll_y == 0)
        await pilot.press("t", *"a3.h1 * 3")
        assert screen.query_one("#line", Input).value == "a3.h1 * 3"  # in place of what stood there
