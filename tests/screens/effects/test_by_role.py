"""The map by role on the screen of effects: what it shows, what its keys do, what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.effects.node_grid import _short
from screens.effects.role_grid import RoleGrid
from screens.widgets.ask_path import AskPath
from screens.widgets.node_jump import Jump
from tests.screens.bench.test_bench import screen_text
from tests.screens.effects.test_effects import SIZES, detail, opened, rested, told
from tests.support.tiny_sessions import tiny_session, until
from workbench.effects.role_map import role_map
from workbench.effects.role_map_results import RoleMap
from workbench.engine.patch_points import KINDS
from workbench.session.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with tiny_session(tmp_path, heads=3) as made:
        yield made


def shown(grid: RoleGrid) -> RoleMap:
    assert isinstance(grid.map, RoleMap)
    return grid.map


@pytest.mark.parametrize("size", SIZES)
async def test_it_shows_what_the_library_has_and_begins_on_the_largest(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await pilot.press("4")
        for kind in KINDS:
            await rested(pilot, screen)
            found, wanted = shown(screen.roles), role_map(session._engine.experiment, kind)
            assert found.complete and found.kind == kind
            np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
            cell = screen.roles.cell
            assert cell is not None and abs(found.grid()[cell]) == np.abs(found.values).max()
            point, role = found.rows[cell[0]], found.columns[cell[1]]
            assert f"{point} at {role}" in detail(screen) and "number 1 of" in detail(screen)
            assert "at the positions of one role alone" in detail(screen).replace("\n", " ")
            text = screen_text(app)
            assert f"· {session.task.metric} · {KINDS[kind][:24]}" in text.splitlines()[0]
            assert found.rows[0] in text and "END" in text and "[4 By role]" in text
            await pilot.press("semicolon")
        await rested(pilot, screen)
        assert screen.by_role.kind == next(iter(KINDS)), "after the last comes the first"
        await pilot.press("V")
        assert screen.view == "map"
        await pilot.press("V", "V", "V")
        assert screen.view == "roles"


@pytest.mark.parametrize("size", SIZES)
async def test_a_click_goes_to_a_cell_and_the_cursor_stays_when_something_else_is_asked(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await pilot.press("4")
        await rested(pilot, screen)
        width = screen.roles.scrollable_content_region.width
        x = screen.roles._label + 2 * screen.roles._cell(width) + 1
        await pilot.click(RoleGrid, offset=(x, 2))
        assert screen.roles.cell == (1, 2)
        await pilot.press("m")
        await rested(pilot, screen)
        assert screen.roles.cell == (1, 2) and shown(screen.roles).ablation == "zero"


async def test_ablation_run_and_prompt_are_heeded(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("4", "m", "equals_sign", "greater_than_sign")
        await rested(pilot, screen)
        found = shown(screen.roles)
        assert (found.ablation, found.run, found.pair) == ("zero", "corrupted", 0)
        wanted = role_map(session._engine.experiment, ablation="zero", run="corrupted", pair=0)
        np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
        await pilot.press("0", "equals_sign")
        await rested(pilot, screen)
        assert (shown(screen.roles).run, shown(screen.roles).pair) == ("clean", None)


async def test_enter_goes_to_a_head_and_a_residual_is_no_node(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("4")
        await rested(pilot, screen)
        await pilot.press("enter")
        await pilot.press("i")
        assert "No head or MLP is here" in told(app)
        await pilot.press("J")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press(*"a1.h2", "enter")
        await until(pilot, lambda: app.screen is screen)
        await rested(pilot, screen)
        assert screen.by_role.kind == "head" and screen.roles.node == "a1.h2"
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)
        assert "Activation patching by token role" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        bench = app.screen
        assert isinstance(bench, BenchScreen) and bench.view.node == "a1.h2"


async def test_it_is_written_and_copied(session: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("4")
        await rested(pilot, screen)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        app.screen.query_one(Input).value = str(tmp_path / "map.csv")
        await pilot.press("enter")
        await until(pilot, (tmp_path / "map.csv").exists)
        await until(pilot, lambda: app.screen is screen)
        found = shown(screen.roles)
        assert (tmp_path / "map.csv").read_text().count("\n") == 1 + len(found.points)
        copies, cell = screen.copies(), screen.roles.cell
        assert copies.plots and copies.row is not None and cell is not None
        assert copies.tables[0].rows[copies.row][0] == found.rows[cell[0]]


async def test_columns_without_room_come_when_the_cursor_goes_there(tmp_path: Path) -> None:
    with tiny_session(tmp_path, layers=1, heads=32) as wide:
        app = WorkbenchApp(session=wide)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(pilot)
            screen.grid.go_to("a0.h0")
            width = screen.grid.scrollable_content_region.width
            seen = set()
            for _ in range(32):
                assert screen.grid.column in screen.grid._shown(width)
                seen.add(screen.grid.node)
                assert len(screen.grid.heading(width)) <= width
                await pilot.press("right")
            assert seen == {f"a0.h{head}" for head in range(32)}
            # A click on the last column goes to the last that is shown.
            await pilot.click("#effects-map", offset=(7 + 3 * 20 + 1, 1))
            assert screen.grid.column == screen.grid._shown(width)[20]


def test_names_are_cut_in_the_middle() -> None:
    assert _short("h15", 2) == "15" and _short("mlp", 2) == "m"
    assert _short("IO..S1+1", 5) == "IO…+1" and _short("IO..S1", 5) == "IO…S1"
    assert _short("END", 2) == "E…" and _short("S2", 2) == "S2"
