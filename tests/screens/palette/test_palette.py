"""The palette finds everything, and goes there."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.assessment.screen import AssessmentScreen
from screens.bench.screen import BenchScreen
from screens.graph.screen import GraphScreen
from screens.help.screen import HelpScreen
from screens.palette.entries import OTHER_SCREENS, entries
from screens.palette.entry import Entry, fitting
from screens.palette.screen import EntryList, Palette
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import settled
from tests.support.key_bursts import calm
from tests.support.paths import ROOT
from tests.support.tiny_sessions import tiny_session, until
from workbench.readouts.catalogue import READOUTS


def entry(title: str, about: str = "", kind: str = "key") -> Entry:
    return Entry(kind, title, about, lambda: None)


def test_words_in_the_title_come_before_words_in_the_sentence() -> None:
    listed = [entry("Undo"), entry("Redo", "brings back what undo took"), entry("Sort")]
    assert [e.title for e in fitting("undo", listed)] == ["Undo", "Redo"]
    assert [e.title for e in fitting("UNDO back", listed)] == ["Redo"]
    assert fitting("", listed) == listed
    assert fitting("zebra", listed) == []


def test_the_whole_title_comes_first_then_beginnings_of_words() -> None:
    listed = [entry("a11.h1"), entry("m1->a1.h1"), entry("a1.h1"), entry("xa1.h1")]
    assert [e.title for e in fitting("a1.h1", listed)] == [
        "a1.h1", "m1->a1.h1", "xa1.h1"
    ]  # fmt: skip


APART = {
    "bench", "discovery", "jobs", "prompt_bench", "readouts", "setup", "sweep", "tutorial",
    "widgets",
}  # fmt: skip
"""Folders whose keys are the bench's own, or act only where they are shown."""


async def opened(app: WorkbenchApp, pilot: object, typed: str) -> Palette:
    from textual.pilot import Pilot

    assert isinstance(pilot, Pilot)
    await pilot.press("ctrl+p")
    await pilot.pause()
    palette = app.screen
    assert isinstance(palette, Palette)
    palette.query_one(Input).value = typed
    await calm(pilot, 0.05)
    return palette


async def test_it_knows_every_action_of_every_screen(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        titles = {e.title for e in entries(app, bench)}
        assert {action.in_palette for action in bench.ACTIONS} <= titles
        for name, _ in OTHER_SCREENS.values():
            assert any(title.endswith(f", in {name}") for title in titles), name
        assert {readout.names[0] for readout in READOUTS.values()} <= titles
        assert any("Jacobian lens (~), in the readouts" in title for title in titles)
        opened_there = {path.parent.name for path in (ROOT / "screens").glob("*/keys.py")}
        named = {module.split(".")[1] for _, module in OTHER_SCREENS.values()}
        assert opened_there - named == APART
        assert {"Theme", "Screenshot", "Quit"} <= titles


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
async def test_it_goes_to_nodes_edges_notes_prompts_and_terms(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    session = tiny_session(tmp_path)
    session.note("m1", "writes the year")
    session.expand("logits")
    kept = session.circuit.edges()[0]
    dropped = "m0->m1"
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)

        async def go(typed: str) -> None:
            await opened(app, pilot, typed)
            await pilot.press("enter")
            await calm(pilot, 0.05)

        await go("a0.h1")
        assert bench.view.node == "a0.h1"
        await go(kept)
        assert bench.table.highlighted is not None and bench.table.highlighted.edge == kept
        await go(dropped)
        assert bench.table.highlighted is not None and bench.table.highlighted.edge == dropped
        await go("logits")
        await go("writes the year")
        assert bench.view.node == "m1"
        prompt = "".join(session.prompts(2).clean)
        await go("prompt 3: " + " ".join(prompt.split()[:3]))
        assert bench.panels.readouts.pair == 2 and bench.panel == "readouts"
        await go("help kullback")
        assert isinstance(app.screen, HelpScreen)
        body = app.screen.query_one("#help-body")
        shown = app.screen.search_lines()[body.scroll_offset.y :][:3]
        assert any(line.startswith("KL") for line in shown)


async def test_what_is_done_on_another_screen_is_done_there(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await opened(app, pilot, "groups in the graph")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, GraphScreen))
        graph = app.screen
        assert isinstance(graph, GraphScreen)
        await until(pilot, lambda: graph.by_group)
        await opened(app, pilot, "Undo the last command")
        await pilot.press("enter")
        await calm(pilot, 0.05)
        await opened(app, pilot, "bench candidate edges panel")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is bench)
        await calm(pilot, 0.05)
        assert bench.panel == "candidates"
        await opened(app, pilot, "assess the circuit")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AssessmentScreen))


async def test_a_burst_of_keys_finds_and_runs(tmp_path: Path) -> None:
    from tests.support.key_bursts import send

    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app._driver.send_message  # type: ignore[union-attr]  # noqa: B018
        await pilot.press("ctrl+p")
        await send(app, "expandthenode"[:6] + " the⏎", 0)
        await calm(pilot)
        assert isinstance(app.screen, BenchScreen)
        assert session.commands() and session.commands()[0].startswith("Expanded logits")


async def test_at_80_columns_titles_and_the_sentence_stand_whole(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        palette = await opened(app, pilot, "sort the")
        rows = palette.query_one(EntryList)
        for row in rows.rows[:3]:
            assert row.title in str(rows.line(row, rows.size.width, False))
        told = palette.query_one("#about", Static)
        for row in rows.rows[:3]:
            assert str(told.content) == row.about
            await pilot.press("down")
        for id in ("#about", "#count"):
            place = palette.query_one(id)
            assert place.region.bottom < palette.query_one("Vertical").region.bottom <= 24
            assert place.region.height == (2 if id == "#about" else 1)


async def test_nothing_that_fits_is_said(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        palette = await opened(app, pilot, "zebra crossing")
        assert palette.query_one(EntryList).rows == []
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is palette
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, BenchScreen)


async def test_readouts_and_their_keys_are_reached_from_the_circuit(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        await opened(app, pilot, "residual lens")
        await pilot.press("enter")
        await until(pilot, lambda: bench.panels.readouts.view.name == "residual")
        assert bench.panel == "readouts"
        bench.action_panel("circuit")
        await opened(app, pilot, "which direction")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Ask))
