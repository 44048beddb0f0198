"""The bench on a session: what the keys and the mouse do, and its promises about computing."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.base.marks import NOTED
from screens.bench.circuit_tree import CircuitTree
from screens.bench.keys import ACTIONS, BY_NAME, FOOTERS
from screens.bench.screen import BenchScreen
from screens.bench.status_bar import StatusBar
from screens.graph.screen import GraphScreen
from screens.palette.entries import entries
from screens.readouts.panel import Readouts
from screens.widgets.dialogs import Ask, Confirm, Export
from screens.widgets.node_jump import Jump
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import ToyEngine, toy_session
from workbench.circuits.circuit import Circuit
from workbench.formats import load_circuit, save_circuit
from workbench.session.session import Session

pytestmark = pytest.mark.dependencies

WIDE = (160, 48)
NARROW = (80, 24)


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Session, ToyEngine]:
    return toy_session(tmp_path)


def bench_of(app: WorkbenchApp) -> BenchScreen:
    return next(screen for screen in app.screen_stack if isinstance(screen, BenchScreen))


async def settled(pilot: Pilot[Any]) -> BenchScreen:
    """Wait until nothing is computed or waited for."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    await until(pilot, lambda: any(isinstance(screen, BenchScreen) for screen in app.screen_stack))
    bench = bench_of(app)
    await until(pilot, lambda: bench.quiet)
    return bench


def screen_text(app: Any) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def row_text(bench: BenchScreen, edge: str) -> str:
    table = bench.table
    index = next(i for i, row in enumerate(table.rows) if row.edge == edge)
    return str(table.line(table.rows[index], 70, False))


async def test_estimates_come_first_and_exact_values_follow(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    engine.gate.clear()
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: bool(app.query(BenchScreen) or app.screen.query("#edges")))
        bench = bench_of(app)
        await until(pilot, lambda: bench.table.sweeping)
        rows = bench.table.rows
        assert [abs(row.eap) for row in rows] == sorted((abs(r.eap) for r in rows), reverse=True)
        assert all(row.exact is None for row in rows)
        assert "…" in row_text(bench, rows[0].edge)
        assert "exact 0/157…" in screen_text(app)
        assert "▒" in row_text(bench, rows[0].edge), "an estimate has a shaded bar"

        engine.gate.set()
        await settled(pilot)
        rows = bench.table.rows
        exact = {row.edge: row.exact for row in session.candidates("logits")}
        assert {row.edge: row.exact for row in rows} == exact
        assert None not in exact.values()
        sizes = [abs(row.score) for row in rows]
        assert sizes == sorted(sizes, reverse=True)
        assert "█" in row_text(bench, rows[0].edge)
        assert "exact: all 157" in screen_text(app)


async def test_each_key_is_its_command(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        above = session.preview("logits")
        await pilot.press("e")
        await settled(pilot)
        assert session.status().edges == above > 3
        assert len(bench.panels.tree_rows.rows) == above + 1
        assert session.tree()[0].state == "expanded"

        await pilot.press("2", "space")
        await settled(pilot)
        first = bench.table.rows[0].edge
        assert first not in session.circuit.edges()
        assert session.status().edges == above - 1
        await pilot.press("u")
        await settled(pilot)
        assert first in session.circuit.edges()
        await pilot.press("U")
        await settled(pilot)
        assert first not in session.circuit.edges()
        await pilot.press("u", "ctrl+r", "u")
        await settled(pilot)
        assert first in session.circuit.edges()

        await pilot.press("x")
        await settled(pilot)
        assert session.status().edges == 0
        await pilot.press("A")
        await settled(pilot)
        assert session.status().edges == 157
        await pilot.press("a")
        await settled(pilot)
        assert session.status().edges == above

        source = bench.table.highlighted
        assert source is not None
        await pilot.press("minus")
        await settled(pilot)
        assert source.edge not in session.circuit.edges()
        await pilot.press("minus")
        await settled(pilot)
        assert source.edge in session.circuit.edges()

        await pilot.press("r")
        await settled(pilot)
        assert session.status().edges == 0
        assert session.tree()[0].state == "open"


async def test_the_threshold_moves_with_its_preview(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        before, above = session.threshold, session.preview("logits")
        await pilot.press(*["right_square_bracket"] * 4)
        await settled(pilot)
        assert session.threshold == pytest.approx(before * 10**0.5, rel=0.01)
        fewer = session.preview("logits")
        assert fewer < above
        assert f": {fewer} of 157 pass" in screen_text(app)
        assert sum("◌" in str(bench.table.line(r, 70, False)) for r in bench.table.rows) == fewer
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = "minus one"
        await pilot.press("enter")
        assert "no number" in str(app.screen.query_one(".error", Static).content)
        app.screen.query_one(Input).value = "0.3"
        await pilot.press("enter")
        await settled(pilot)
        assert session.threshold == 0.3
        assert "threshold 0.3: " in screen_text(app)


async def test_rapid_keys_are_queued_in_order_and_none_is_lost(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e", "2")
        await settled(pilot)
        kept = set(session.circuit.edges())
        rows = [row.edge for row in bench.table.rows]
        engine.gate.clear()
        for _ in range(12):
            await pilot.press("space", "j")
        await pilot.press("u")
        # Nothing was computed, yet every mark shows what it will be, and the numbers look so.
        assert session.status().edges == len(kept)
        assert "○…" in row_text(bench, rows[0])
        assert "faithfulness 1" not in screen_text(app) or "…" in screen_text(app)
        assert app.screen.query_one(StatusBar).pending
        engine.gate.set()
        await settled(pilot)
        toggled = set(rows[:11])  # the twelfth was undone
        assert set(session.circuit.edges()) == kept ^ toggled
        assert "…" not in row_text(bench, rows[0])
        assert not app.screen.query_one(StatusBar).pending
        assert len(session.commands()) == 12


async def test_the_metric_does_not_wait_for_accuracy_and_kl(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        engine.agreement_gate.clear()
        await pilot.press("e", "2")
        bar = app.screen.query_one(StatusBar)
        await until(pilot, lambda: session.status().edges > 0 and not bar.pending)
        shown = f"faithfulness {session.status().faithfulness:.4g}"
        await until(pilot, lambda: shown in screen_text(app))
        # Those of the circuit before, and they look so.
        text = screen_text(app)
        assert "accuracy 100.0%…" in text and "KL 0.0000…" in text
        await pilot.press("space")  # nor does the next edit
        await until(pilot, lambda: len(session.commands()) == 2 and not bar.pending)
        engine.agreement_gate.set()
        await settled(pilot)
        kl = session.status().kl
        assert kl > 0
        await until(pilot, lambda: f"KL {kl:.4f}".rstrip("0") in screen_text(app))
        assert "%…" not in screen_text(app)


async def test_the_same_edge_toggled_thrice_ends_where_it_should(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e", "2")
        await settled(pilot)
        edge = bench.table.rows[0].edge
        engine.gate.clear()
        await pilot.press("space", "space", "space")
        await until(pilot, lambda: "○…" in row_text(bench, edge))
        engine.gate.set()
        await settled(pilot)
        assert edge not in session.circuit.edges()
        assert "◌ " in row_text(bench, edge), "dropped, and above the threshold"


async def test_a_sweep_of_a_node_that_was_left_shows_nothing(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        engine.gate.clear()
        await pilot.press("j")
        await until(pilot, lambda: bench.view.node != "logits" and bench.runner.sweep is not None)
        left = bench.view.node
        sweep = bench.runner.sweep
        assert sweep is not None and left != "logits"
        await pilot.press("j")
        await until(pilot, lambda: bench.view.node != left)
        assert sweep.cancel.is_set()
        engine.gate.set()
        await settled(pilot)
        node = bench.view.node
        assert {row.edge for row in bench.table.all} == {
            row.edge for row in session.candidates(node)
        }
        assert all(row.exact is not None for row in bench.table.all)
        assert any(row.exact is None for row in session.candidates(left))


async def test_a_sweep_can_be_cancelled_and_taken_up_again(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    engine.gate.clear()  # before the app begins a sweep, which may be over at once
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        bench = bench_of(app)
        await until(pilot, lambda: bench.table.sweeping)
        await pilot.press("c")
        engine.gate.set()
        await settled(pilot)
        assert any(row.exact is None for row in bench.table.rows)
        assert "(c goes on)" in screen_text(app)
        await pilot.press("j", "j")
        await settled(pilot)
        assert any(row.exact is None for row in bench.table.rows), "it stays stopped"
        await pilot.press("c")
        await settled(pilot)
        assert all(row.exact is not None for row in bench.table.rows)


async def test_stale_numbers_look_so_until_they_are_computed_anew(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e", "2", "m", "m")
        await settled(pilot)
        assert bench.view.setting == "within"
        assert "within the circuit" in screen_text(app)
        edge = bench.table.rows[3]
        assert edge.exact is not None
        before = row_text(bench, edge.edge)
        await pilot.press("space")
        await until(pilot, lambda: not bench.runner.busy)
        engine.gate.clear()
        await until(pilot, lambda: bench.table.sweeping or bench.quiet)
        if bench.table.sweeping:
            assert "…" in row_text(bench, edge.edge)
        engine.gate.set()
        await settled(pilot)
        assert row_text(bench, edge.edge) == before
        assert "…" not in row_text(bench, edge.edge)


async def test_drop_costs_are_a_column_on_demand(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        assert "drop cost" not in str(bench.table.heading(70))
        await pilot.press("e", "2", "d")
        await settled(pilot)
        assert "drop cost" in str(bench.table.heading(70))
        kept = [row for row in bench.table.rows if row.kept]
        assert kept and all(row.drop_cost is not None for row in kept)
        dropped = next(row for row in bench.table.rows if not row.kept)
        assert row_text(bench, dropped.edge).rstrip().endswith("·")


async def test_stepping_to_the_embeddings_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tiny_session(tmp_path, layers=2)
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(
        BenchScreen, "notify", lambda self, text, *, title="", **_: said.append((title, text))
    )
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("A")
        await settled(pilot)
        for _ in range(20):
            if session.status().closed:
                break
            await pilot.press("w")
            await settled(pilot)
            await pilot.press("A")
            await settled(pilot)
        assert session.status().closed
        assert "CLOSED" in screen_text(app)
        titles = [title for title, _ in said]
        assert titles.count("The embeddings are reached") <= 1
        assert titles.count("The circuit is closed") == 1
        summary = dict(said)["The circuit is closed"]
        assert f"{session.status().edges} of {session.status().all_edges} edges" in summary
        assert "faithfulness 1.000" in summary
        assert bench.session.frontier() == []
        await pilot.press("w")
        assert said[-1][1] == "Nothing is left to expand."


async def test_enter_goes_in_and_backspace_comes_back(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e", "enter")
        await settled(pilot)
        assert bench.panel == "candidates"
        source = bench.table.rows[0].source
        await pilot.press("enter")
        await settled(pilot)
        assert bench.view.node == source
        assert bench.panels.tree_rows.highlighted is not None
        assert bench.panels.tree_rows.highlighted.name == source, "the tree follows"
        assert bench.table.index == 0
        await pilot.press("backspace")
        await settled(pilot)
        assert bench.view.node == "logits"


async def test_jump_by_name(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("J")
        await until(pilot, lambda: isinstance(app.screen, Jump))
        await pilot.press("9", "full_stop", "1", "1", "enter")
        await settled(pilot)
        assert bench.view.node == "a9.h11"
        assert "not in the circuit" in screen_text(app)
        await pilot.press("J", "x", "y", "enter", "escape")
        await settled(pilot)
        assert app.screen is bench
        assert bench.view.node == "a9.h11"


async def test_inputs_of_a_head_together_and_apart(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        bench.shown.choose("a5.h3")
        await settled(pilot)
        assert len(bench.table.rows) == 3 * (1 + 5 * 13)
        for which in "qkv":
            await pilot.press("i")
            await settled(pilot)
            assert {row.destination for row in bench.table.rows} == {f"a5.h3<{which}>"}
            assert f"[{which}]" in screen_text(app)
        await pilot.press("i")
        await settled(pilot)
        assert {row.destination for row in bench.table.rows} == {"a5.h3"}
        assert len(bench.table.rows) == 1 + 5 * 13 and "[q+k+v]" in screen_text(app)
        await pilot.press("i")
        await settled(pilot)
        assert len(bench.table.rows) == 3 * (1 + 5 * 13)


async def test_a_failed_command_is_a_message_and_the_next_one_works(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, engine = toy
    said: list[str] = []
    monkeypatch.setattr(BenchScreen, "notify", lambda self, text, **_: said.append(text))
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        for failure, word in (
            (MemoryError(), "memory"),
            (RuntimeError("[red]CUDA out of memory[/]"), "memory"),
            (ZeroDivisionError("strange [/markup"), "ZeroDivisionError"),
        ):
            engine.failure = failure
            await pilot.press("e")
            await settled(pilot)
            assert word in said[-1]
            assert session.status().edges == 0
            assert not app.screen.query_one(StatusBar).pending
        await pilot.press("e")
        await settled(pilot)
        assert session.status().edges > 0
        engine.failure = RuntimeError("in a sweep")
        bench.shown.choose("a5.h3")
        await settled(pilot)
        assert "in a sweep" in said[-1]
        assert "(c goes on)" in screen_text(app)
        await pilot.press("c")
        await settled(pilot)
        assert all(row.exact is not None for row in bench.table.rows)


async def test_export_asks_before_it_replaces(
    toy: tuple[Session, ToyEngine], tmp_path: Path
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    path = tmp_path / "out.json"
    path.write_text("precious")
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("e", "o")
        await until(pilot, lambda: isinstance(app.screen, Export))
        entry = app.screen.query_one(Input)
        entry.value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Export))
        assert path.read_text() == "precious"
        await pilot.press("enter", "y")
        await settled(pilot)
        await until(pilot, lambda: path.read_text() != "precious")
        circuit = load_circuit(path)
        assert circuit.edges() == session.circuit.edges()
        assert isinstance(app.screen, BenchScreen)

        other = tmp_path / "graph.json"
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, Export))
        app.screen.query_one(Input).value = str(other)
        await pilot.press("tab", "space", "shift+tab", "enter")
        await until(pilot, other.exists)
        await settled(pilot)
        assert other.read_text().startswith('{"cfg"')


async def test_a_note_and_loading_a_circuit(toy: tuple[Session, ToyEngine], tmp_path: Path) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        saved = session.status().edges
        session.export(tmp_path / "c.json")
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press(*"why", "enter")
        await settled(pilot)
        assert session.circuit.notes == {"logits": "why"}
        await pilot.press("x", "L")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = str(tmp_path / "c.json")
        await pilot.press("enter")
        await settled(pilot)
        assert session.status().edges == saved


async def test_loading_a_file_with_scores_and_no_choice(
    toy: tuple[Session, ToyEngine], tmp_path: Path
) -> None:
    session, _ = toy
    scored = Circuit.empty(session.graph)
    scored.scores = np.random.default_rng(0).normal(size=scored.mask.shape).astype(np.float32)
    path = tmp_path / "importances.json"
    save_circuit(scored, path, "eap-ig")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: "chooses no edge" in screen_text(app))
        assert "--edges N" in " ".join(screen_text(app).split())
        app.screen.query_one(Input).value = f"{path} --edges 40 --select greedy"
        await pilot.press("enter")
        await settled(pilot)
        assert 0 < session.status().edges <= 40


async def test_a_file_is_not_exported_under_anothers_suffix(
    toy: tuple[Session, ToyEngine], tmp_path: Path
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("e", "o")
        await until(pilot, lambda: isinstance(app.screen, Export))
        for name, said in (("c.dot", "a picture"), ("c.pt", "suffix of another format")):
            app.screen.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            for _ in range(20):
                await pilot.pause()
            assert said in " ".join(screen_text(app).split())
        assert not list(tmp_path.glob("c.*"))


async def test_mouse(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        table = bench.table
        third = table.rows[2].edge
        await pilot.click(table, offset=(20, 3))
        await settled(pilot)
        assert table.highlighted is not None and table.highlighted.edge == third
        kept = third in session.circuit.edges()
        await pilot.click(table, offset=(2, 3))
        await settled(pilot)
        assert (third in session.circuit.edges()) != kept

        heading = str(table.heading(table.size.width))
        await pilot.click(table, offset=(heading.index("source"), 0))
        assert table.sort == "source"
        sources = [session.graph.source_index(row.source) for row in table.rows]
        assert sources == sorted(sources, reverse=True)
        await pilot.click(table, offset=(heading.index("source"), 0))
        sources = [session.graph.source_index(row.source) for row in table.rows]
        assert sources == sorted(sources)

        source = table.rows[4 + table.scroll_offset.y].source
        await pilot.click(table, offset=(20, 5), times=2)
        await settled(pilot)
        assert bench.view.node == source
        tree = bench.query_one(CircuitTree)
        await pilot.click(tree, offset=(5, 1))
        await settled(pilot)
        assert bench.view.node == tree.rows[tree.scroll_offset.y].name != source

        keys = screen_text(app).splitlines()[-1]
        await pilot.click("#keys", offset=(keys.index("undo"), 0))
        await settled(pilot)
        assert (third in session.circuit.edges()) == kept


async def test_everything_is_reachable_where_panels_are_tabs(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)

        def shown() -> list[str]:
            return [
                p
                for p in ("circuit", "candidates", "readouts")
                if bench.query_one(f"#{p}").is_on_screen
            ]

        assert shown() == ["circuit"]
        for key, panel in (("2", "candidates"), ("3", "readouts"), ("1", "circuit")):
            await pilot.press(key)
            await settled(pilot)
            assert shown() == [panel]
            assert bench.focused is not None and bench.query_one(f"#{panel}") in (
                bench.focused,
                *bench.focused.ancestors,
            )
        tabs = screen_text(app).splitlines()[0]
        await pilot.click("#tabs", offset=(tabs.index("Edges"), 0))
        await settled(pilot)
        assert shown() == ["candidates"]
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert shown() == ["circuit", "candidates", "readouts"]
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert shown() == ["circuit", "candidates"]
        await pilot.press("3")
        await settled(pilot)
        assert shown() == ["circuit", "readouts"]


@pytest.mark.parametrize("size", [(20, 5), (59, 30), (100, 15), (1, 1)])
async def test_a_terminal_too_small_says_so_and_comes_back(
    toy: tuple[Session, ToyEngine], size: tuple[int, int]
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("e", "2")
        await settled(pilot)
        edges = session.status().edges
        focused = bench.focused
        await pilot.resize_terminal(*size)
        await pilot.pause()
        text = " ".join(screen_text(app).split())
        assert text == "Enlarge to at least 60x16." or size == (1, 1)
        await pilot.press("space", "down")
        await pilot.pause()
        await pilot.resize_terminal(*NARROW)
        await settled(pilot)
        assert session.status().edges == edges, "nothing is edited blindly"
        assert bench.focused is focused
        assert "faithfulness" in screen_text(app)


async def test_starting_too_small_is_no_harm(toy: tuple[Session, ToyEngine]) -> None:
    app = WorkbenchApp(session=toy[0])
    async with app.run_test(size=(20, 5)) as pilot:
        await settled(pilot)
        assert " ".join(screen_text(app).split()) == "Enlarge to at least 60x16."
        await pilot.resize_terminal(60, 16)
        await settled(pilot)
        assert "faithfulness" in screen_text(app)


@pytest.mark.usefixtures("every_frame")
async def test_a_thousand_candidates_are_drawn_and_toggled_at_once(tmp_path: Path) -> None:
    session, _ = toy_session(tmp_path, layers=32, heads=32)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert len(bench.table.rows) == 1057
        began = time.thread_time()
        for _ in range(20):
            await pilot.press("j")
        moved = (time.thread_time() - began) / 20
        assert moved < 0.15, f"{moved:.3f} s of work for a key"
        assert bench.table.index == 20


async def test_keys_are_answered_while_a_command_computes(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("e", "2")
        bench = await settled(pilot)
        before = session.status().edges
        engine.gate.clear()
        await pilot.press("space", "j", "j")  # dropping an edge waits for no effects
        await until(pilot, lambda: app.key_queue.idle)
        assert bench.table.index == 2
        await pilot.press("question_mark")
        await pilot.pause()
        await pilot.press("escape")
        engine.gate.set()
        await settled(pilot)
        assert session.status().edges == before - 1


async def test_leaving_finishes_what_was_asked_for(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        engine.gate.clear()
        await pilot.press("e", "q")
        await pilot.pause()
        assert app.is_running
        engine.gate.set()
        await until(pilot, lambda: bool(session.status().edges))
    assert len(session.commands()) == 1


async def test_the_graph_answers_with_a_node_and_its_groups_show(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        bench = await settled(pilot)
        await pilot.press("g", "down")
        graph = app.screen
        assert isinstance(graph, GraphScreen) and graph.node != "logits"
        wanted = graph.node
        session.set_group("movers", [wanted], "move names")
        await pilot.press("enter")
        bench = await settled(pilot)
        assert app.screen is bench and bench.view.node == wanted
        assert any(row.role for row in bench.panels.tree_rows.laid_out.rows if row.name == wanted)
        await pilot.press("g", "escape")
        assert bench_of(app).view.node == wanted
        bench.on_readouts_node_chosen(Readouts.NodeChosen("m0"))
        assert bench.view.node == "m0"


async def test_the_palette_knows_every_action_and_runs_it(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        listed = {entry.title for entry in entries(app, bench)}
        assert listed >= {action.in_palette for action in ACTIONS}
        await pilot.press("ctrl+p", *"expand the", "enter")
        await until(pilot, lambda: app.screen is bench and bool(session.status().edges))
        await settled(pilot)


def test_every_action_is_bound_once_and_does_something() -> None:
    keys = [key for action in ACTIONS for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))
    for action in ACTIONS:
        name = action.name.split("(")[0]
        owner = WorkbenchApp if name.startswith("app.") else BenchScreen
        assert hasattr(owner, f"action_{name.removeprefix('app.')}"), action
    offered = {name for names in FOOTERS.values() for name in names}
    assert offered <= set(BY_NAME)


async def test_the_footer_fits_whole_keys_and_always_leads_to_the_help(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        for key in "123":
            await pilot.press(key)
            await settled(pilot)
            for width in (60, 80, 133):
                await pilot.resize_terminal(width, 24)
                await pilot.pause()
                footer = screen_text(app).splitlines()[-1]
                assert footer.rstrip().endswith("? help")
                shown = {action.label for action in BY_NAME.values()}
                for item in re.split(r"  +", footer.strip()):
                    assert any(item.endswith(label) for label in shown), f"{item!r} is cut off"


async def test_the_status_bar_shows_everything_at_both_sizes(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        status = session.status()
        assert status.faithfulness is not None and status.change is not None
        for size in (NARROW, WIDE, (100, 30), (130, 30), (60, 16)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            text = screen_text(app)
            for words in (
                "toy · ioi · 2 pairs",
                "logit_diff: model +3.213",
                "corrupted −2.872",
                "circuit +3.032",
                f"faithfulness {status.faithfulness:.4f} (−0.0298)",
                f"OPEN: {status.open_destinations} inputs",
                "accuracy 100.0%",
                "KL 0.0227",
                "32,491",
                f"nodes {status.nodes}",
                " ms",
            ):
                assert words in text, (size, words)


async def test_the_filter_narrows_and_escape_widens(toy: tuple[Session, ToyEngine]) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("f", *"mlps", "enter")
        assert {row.source[0] for row in bench.table.rows} == {"m"}
        assert bench.focused is bench.table
        assert "filter: mlps (12)" in screen_text(app)
        await pilot.press("space")
        await settled(pilot)
        assert {row.source[0] for row in bench.table.rows} == {"m"}
        await pilot.press("escape")
        assert len(bench.table.rows) == 157
        assert "filter" not in screen_text(app)


async def test_back_from_the_graph_the_bench_is_as_the_session(
    toy: tuple[Session, ToyEngine],
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        await pilot.press("g")
        await until(pilot, lambda: app.screen is not bench)
        name = session.tree()[1].name
        session.set_group("movers", [name], "move the [b]name[/b]")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is bench)
        await settled(pilot)
        assert "move the [b]" in screen_text(app)


async def test_notes_are_seen_where_the_thing_is(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits")
    session.note("m2", "raises the year")
    session.note("m1->logits", "works against it")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        tree = bench.panels.tree_rows
        rows = {row.name: row for row in tree.rows}
        marked = {name for name in rows if NOTED in str(tree.line(rows[name], 60, False))}
        assert marked == {"m2", "m1"}
        assert NOTED in row_text(bench, "m1->logits") and NOTED not in row_text(bench, "m2->logits")
        bench.go_to_edge("m1->logits")
        await settled(pilot)
        assert "m1->logits: works against it" in str(bench.query_one("#about", Static).content)
        bench.go_to_node("m2")
        await settled(pilot)
        assert f"{NOTED} raises the year" in str(bench.query_one("#about", Static).content)
        await pilot.press("g")
        await pilot.pause()
        assert f"m2{NOTED}" in screen_text(app)
        session.note("m2", "")
        await pilot.press("escape")
        await settled(pilot)
        assert NOTED not in str(tree.line(rows["m2"], 60, False))
