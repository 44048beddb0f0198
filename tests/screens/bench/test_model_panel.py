"""The model panel: what it says, that all of it can be read, and how it opens and closes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.containers import VerticalScroll

from screens.app import WorkbenchApp
from screens.bench.keys import BY_NAME
from screens.bench.model_panel import LABEL, ModelPanel, draw_facts
from screens.bench.screen import BenchScreen
from screens.bench.status_bar import StatusBar
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session
from tests.support.toy_session import toy_session
from workbench.model_report.facts import facts, memory_facts


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
async def test_every_line_can_be_read(tmp_path: Path, size: tuple[int, int]) -> None:
    session, _ = toy_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("M")
        await pilot.pause()
        assert isinstance(app.screen, ModelPanel)
        body = app.screen.query_one(VerticalScroll)
        seen = screen_text(app)
        assert "enter or esc: close" in seen
        while body.scroll_offset.y < body.max_scroll_y:
            await pilot.press("j")
            await pilot.pause()
            seen += screen_text(app)
        words = "".join(seen.split())
        for label, said in [*facts(session.model), *memory_facts(session.footprint())]:
            assert label in seen
            if size[0] >= 80:  # else some are wrapped
                assert "".join(said.split()) in words
        if size == (160, 48):
            assert body.max_scroll_y == 0, "all at once where there is room"
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, BenchScreen)


async def test_the_batch_is_the_sessions_own(tmp_path: Path) -> None:
    session = tiny_session(tmp_path, pairs=4)
    footprint = session.footprint()
    assert sum(shape.pairs for shape in footprint.shapes) == 4
    group = session._engine.batch.groups[0]
    assert footprint.shapes[0].tokens == group.length
    assert footprint.shapes[0].start == group.first_difference
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("M", *"jjjjjjjjj")
        await pilot.pause()
        assert f"for 4 pairs of {group.length} tokens" in screen_text(app)
        assert f"differ from token {group.first_difference + 1} on" in screen_text(app)


async def test_a_click_on_the_models_name_opens_it(tmp_path: Path) -> None:
    app = WorkbenchApp(session=toy_session(tmp_path)[0])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.click(StatusBar, offset=(1, 0))
        await pilot.pause()
        assert isinstance(app.screen, ModelPanel)
        await pilot.press("M")
        await pilot.pause()
        await pilot.click(StatusBar, offset=(20, 0))
        await pilot.pause()
        assert isinstance(app.screen, BenchScreen)


def test_the_command_palette_and_the_help_name_it() -> None:
    action = BY_NAME["model"]
    assert action.in_palette == "The model and its self-check (M)"
    assert action.help.endswith(".")


def test_names_from_files_are_shown_harmlessly() -> None:
    drawn = draw_facts([("from", "a\x1b[31m/[b]folder"), ("", "word " * 30)], 40)
    assert "\x1b" not in drawn.plain and "[b]folder" in drawn.plain
    assert all(len(line) <= 40 for line in drawn.plain.splitlines())
    assert all(line.startswith(" " * LABEL) for line in drawn.plain.splitlines()[1:])
