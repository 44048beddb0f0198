"""The overlay: every panel and control of a screen by one letter."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Static

from screens.app import WorkbenchApp
from screens.widgets.overlay import Overlay, _click, targets
from tests.screens.bench.test_bench import settled
from tests.support.tiny_sessions import tiny_session


@pytest.mark.parametrize("size", [(160, 48), (110, 30), (80, 24)])
async def test_every_panel_of_the_bench_is_reached(tmp_path: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        reached = set()
        for number in range(4):
            await pilot.press("1", "ctrl+g")
            await pilot.pause()
            overlay = app.screen
            assert isinstance(overlay, Overlay)
            # What can be clicked on has a letter too, but leads to no panel.
            panels = [
                letter
                for letter, (_, go) in overlay.places.items()
                if not (isinstance(go, partial) and go.func is _click)
            ]
            await pilot.press(panels[min(number, len(panels) - 1)])
            await pilot.pause()
            assert app.screen is bench
            reached.add(bench.panel)
        assert reached == {"circuit", "candidates", "readouts"} and len(panels) == 3


async def test_a_letter_does_what_a_click_on_the_word_does(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        [views] = [w for w in bench.query("#readout-head") if w.is_on_screen]
        at = [r for r, _ in targets(bench) if views.region.contains_point(r.offset)]
        assert bench.panels.readouts.view.name == "lens"
        await pilot.press("ctrl+g")
        await pilot.pause()
        overlay = app.screen
        assert isinstance(overlay, Overlay)
        [third] = [letter for letter, (r, _) in overlay.places.items() if r == at[2]]
        await pilot.press(third)
        await pilot.pause()
        assert app.screen is bench and bench.panels.readouts.view.name == "curve"


async def test_letters_stand_where_one_goes_and_no_two_alike(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("D")
        await pilot.pause()
        dialog = app.screen
        places = targets(dialog)
        assert len(places) >= 5
        await pilot.press("ctrl+g")
        await pilot.pause()
        labels = list(app.screen.query(Static))
        assert [(x.region.x, x.region.y) for x in labels] == [(r.x, r.y) for r, _ in places]
        assert len({str(x.content) for x in labels}) == len(labels)
        last = str(labels[-1].content)
        await pilot.press(last)
        await pilot.pause()
        assert app.screen is dialog and dialog.focused is not None
        assert dialog.focused.region == places[-1][0]


async def test_any_other_key_takes_them_away(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        for key in ("escape", "z", "ctrl+g"):
            await pilot.press("ctrl+g")
            await pilot.pause()
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is bench and bench.panel == "circuit", key
