"""The screen of effects: map, table and plot, what is computed when, and what the keys do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.effects.node_grid import NodeGrid
from screens.effects.repair_list import RepairList
from screens.effects.screen import EffectsScreen
from screens.readouts.ask_tokens import AskTokens
from screens.widgets.ask_path import AskPath
from screens.widgets.node_jump import Jump
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection
from workbench.effects.definitions import METRIC, REMOVAL
from workbench.effects.map_results import NodeMap
from workbench.effects.self_repair import self_repair
from workbench.session.session import Session

SIZES = [(80, 24), (160, 48)]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with tiny_session(tmp_path, heads=3) as made:
        yield made


async def opened(pilot: Any) -> EffectsScreen:
    await settled(pilot)
    await pilot.press("at")
    await until(pilot, lambda: isinstance(pilot.app.screen, EffectsScreen))
    screen = pilot.app.screen
    await rested(pilot, screen)
    return screen


async def rested(pilot: Any, screen: EffectsScreen) -> None:
    await until(pilot, lambda: screen.computing.under_way is None and screen.known is not None)


def detail(screen: EffectsScreen) -> str:
    return str(screen.query_one("#effects-detail Static").render())


def told(app: WorkbenchApp) -> str:
    return " ".join(notification.message for notification in app._notifications)


@pytest.mark.parametrize("size", SIZES)
async def test_the_map_shows_every_node_and_the_cursor_names_it(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        found = screen.grid.map
        assert isinstance(found, NodeMap) and found.complete
        assert found.estimates is not None
        largest = session.graph.sources[int(np.argmax(np.abs(found.estimates)))]
        assert screen.node == largest, "nobody has moved: on the largest estimate"
        assert largest in detail(screen) and "exact" in detail(screen)
        text = screen_text(app)
        assert all(name in text for name in ("h0", "h2", "mlp", "input", "on the metric"))
        assert "~" not in text, "all are exact"
        await pilot.press("home", *["left"] * len(found.columns))
        seen = {screen.grid.node}
        for _ in range(len(found.rows) - 1):
            for _ in found.columns[1:]:
                await pilot.press("right")
                seen.add(screen.node)
            for _ in found.columns[1:]:
                await pilot.press("left")
            await pilot.press("down")
            seen.add(screen.node)
        assert seen - {None} == set(session.graph.sources)
        # A click on a cell goes there.
        cell = screen.grid._cell(screen.grid.scrollable_content_region.width)
        await pilot.click(NodeGrid, offset=(7 + cell + 1, 2))
        assert screen.node == found.node_at(1, 1)


async def test_into_a_node_and_back_on_the_metric(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        screen.grid.go_to("a2.h1")
        await pilot.press("i")
        await rested(pilot, screen)
        assert screen.asked.into == "a2.h1" and "into a2.h1" in screen_text(app)
        found = screen.grid.map
        assert isinstance(found, NodeMap) and int(found.reaches.sum()) == session.graph.n_parents(
            session.graph.destination_index("a2.h1<q>")
        )
        assert screen.node == "a2.h1" and "writes after" in detail(screen)
        await pilot.press("i")
        await rested(pilot, screen)
        assert screen.asked.into == METRIC
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press(*"logits", "enter")
        await until(pilot, lambda: app.screen is screen)
        await rested(pilot, screen)
        assert screen.asked.into == "logits"


async def test_ablation_run_and_prompt_are_the_screens_own(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        before = session.status()
        await pilot.press("m", "equals_sign", "greater_than_sign", "2")
        await rested(pilot, screen)
        found = screen.table.found
        assert found is not None
        assert (found.ablation, found.run, found.pair) == ("zero", "corrupted", 0)
        wanted = self_repair(session._engine.experiment, ablation="zero", run="corrupted", pair=0)
        got = [row.total for row in found.rows]
        np.testing.assert_allclose(got, [row.total for row in wanted.rows], atol=1e-5)
        await pilot.press("0", "equals_sign", "percent_sign")
        await rested(pilot, screen)
        found = screen.table.found
        assert found is not None
        assert (found.run, found.pair, found.definition) == ("clean", None, REMOVAL)
        assert session.status() == before and session._engine.experiment.ablation == "patching"


async def test_any_token_can_be_asked_about(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, AskTokens))
        app.screen.query_one("#target", Input).value = "no such token"
        await pilot.press("enter")
        assert isinstance(app.screen, AskTokens), "it is told there, and nothing is asked"
        app.screen.query_one("#target", Input).value = "#7"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await rested(pilot, screen)
        found, target = screen.table.found, session.readouts.target(["#7"])
        assert found is not None and target is not None and screen.compared.target == target
        wanted = self_repair(session._engine.experiment, target=target)
        np.testing.assert_allclose(
            [(row.direct, row.total) for row in found.rows],
            [(row.direct, row.total) for row in wanted.rows],
            atol=1e-5,
        )
        assert target.words[:8] in screen_text(app) and target.words in found.target
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, AskTokens))
        assert app.screen.query_one("#target", Input).value == "#7"
        app.screen.query_one("#target", Input).value = ""
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen)
        await rested(pilot, screen)
        assert screen.compared.target is None


@pytest.mark.parametrize("size", SIZES)
async def test_the_table_sorts_by_key_and_by_click(session: Session, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await pilot.press("2")
        await rested(pilot, screen)
        sizes = [abs(row.direct) for row in screen.table.rows]
        assert sizes == sorted(sizes, reverse=True)
        assert all(word in screen_text(app) for word in ("direct", "total", "repaired"))
        await pilot.press("s")
        sizes = [abs(row.total) for row in screen.table.rows]
        assert sizes == sorted(sizes, reverse=True)
        await pilot.click(RepairList, offset=(2, 0))
        assert [row.node for row in screen.table.rows] == list(session.graph.sources)
        await pilot.press("end")
        assert screen.node == session.graph.sources[-1]
        assert "Direct" in detail(screen) and "norm" in detail(screen)
        await pilot.press("3")
        await pilot.pause()
        assert "total effect (up)" in screen_text(app)


async def test_a_node_is_dropped_with_its_repairers_in_one_step(session: Session) -> None:
    session.keep_all("logits")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("ampersand")
        await pilot.pause()
        assert "come first" in told(app)
        await pilot.press("2")
        await rested(pilot, screen)
        found = screen.table.found
        assert found is not None
        screen.table.move_to_key("a2.h0")
        await pilot.pause()
        nodes, before = found.together("a2.h0"), session.circuit
        await pilot.press("ampersand")
        await until(pilot, lambda: session.circuit != before)
        assert all(not session.circuit.has(f"{node}->logits") for node in nodes)
        session.undo()
        assert session.circuit == before


async def test_what_is_shown_is_written(session: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        for view, name in (("1", "map.svg"), ("2", "table.csv")):
            await pilot.press(view)
            await rested(pilot, screen)
            await pilot.press("o")
            await until(pilot, lambda: isinstance(app.screen, AskPath))
            app.screen.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            await until(pilot, partial((tmp_path / name).exists))
            await until(pilot, lambda: app.screen is screen)
        assert (tmp_path / "table.csv").read_text().count("\n") == 1 + session.graph.n_sources
        assert "<svg" in (tmp_path / "map.svg").read_text()
        copies = screen.copies()
        assert copies.tables and copies.plots


async def test_enter_goes_to_the_node_on_the_bench_and_help_explains(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not screen)
        assert "layer by layer" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("J")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press(*"a1.h2", "enter")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        bench = app.screen
        assert isinstance(bench, BenchScreen) and bench.view.node == "a1.h2"


async def test_the_bench_warns_of_a_hidden_direct_effect_and_drops_together(
    session: Session,
) -> None:
    found = self_repair(session._engine.experiment)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await pilot.press("2")
        bench = await settled(pilot)
        assert all(row.direct is not None for row in bench.table.rows)
        verdicts = {row.node: row.verdict for row in found.rows}
        seen = set()
        for row in list(bench.table.rows):
            bench.table.move_to_key(row.edge)
            await settled(pilot)
            warned, noticed = bench.panels.edges.warning, found.row(row.source)
            if abs(noticed.direct) >= noticed.noticed:
                assert bool(warned) == bool(verdicts[row.source]), row.source
                seen.add(verdicts[row.source])
                assert not warned or warned.startswith(row.source)
        assert len(seen) > 1, "some have something to say, and some nothing"
        node, before = bench.table.rows[0].source, session.circuit
        bench.table.move_to(0)
        await pilot.press("ampersand")
        await settled(pilot)
        await until(pilot, lambda: session.circuit != before)
        assert not session.circuit.has(f"{node}->logits")
        await pilot.press("u")
        await settled(pilot)
        assert session.circuit == before


async def test_methods_that_score_nodes_show_their_values(session: Session) -> None:
    held = session.discoveries.run("activation-patching", Options(), Selection(n=5))
    session.discoveries.show(held.number)
    scores = held.found.nodes
    assert scores is not None
    for candidate in session.candidates("logits"):
        value = scores[session.graph.source_index(candidate.source)]
        assert candidate.found == pytest.approx(float(value), abs=1e-6)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        assert bench.table.finder == held.name


async def test_where_numbers_have_no_room_shades_with_a_sign_stand(tmp_path: Path) -> None:
    with tiny_session(tmp_path, layers=2, heads=16) as wide:
        app = WorkbenchApp(session=wide)
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await opened(pilot)
            found = screen.grid.map
            assert isinstance(found, NodeMap)
            assert screen.grid._cell(screen.grid.scrollable_content_region.width) == 3
            text = screen_text(app)
            assert "█" in text and "h15" not in text and "15" in text
            largest = max(found.ranked(), key=lambda pair: abs(pair[1]))
            assert ("−█" in text) == any(
                value < -0.6 * abs(largest[1]) for _, value in found.ranked()
            )
