"""The pairs one by one on the bench: numbers, order, choosing, marking and splitting off."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.bench.pair_table import PairTable
from screens.bench.screen import BenchScreen
from screens.widgets.ask_path import AskPath
from screens.widgets.copy_dialog import CopyDialog
from screens.widgets.prompts import PromptsDialog
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session


async def test_pairs_are_ranked_chosen_and_split_off(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits", keep=["m2->logits", "a0.h0->logits"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 40)) as pilot:
        await settled(pilot)
        bench = app.screen
        assert isinstance(bench, BenchScreen)
        await pilot.press("5")
        table = bench.query_one(PairTable)
        await until(pilot, lambda: not table.pending)
        rows = sorted(session.by_pair.rows(), key=lambda row: -row.shortfall)
        assert table.rows == rows
        assert "5 Pairs one by one" in screen_text(app) and "shortfall▾" in screen_text(app)
        await pilot.press("s")
        assert [row.index for row in table.rows] == [0, 1, 2, 3]
        await pilot.press("down", "enter")
        chosen = table.highlighted
        assert chosen is not None
        assert bench.panels.readouts.pair == chosen.index
        await pilot.press("enter")
        readouts = bench.panels.readouts
        await until(pilot, lambda: readouts.pair is None)
        # An edit of the circuit: the rows follow.
        bench.command(lambda: session.toggle("a0.h0->logits"))
        await until(pilot, lambda: not table.pending and not bench.runner.busy)
        assert {row.circuit for row in table.rows} == {r.circuit for r in session.by_pair.rows()}
        # Two are marked and opened as a session of their own.
        await pilot.press("home", "space", "down", "space", "Z")
        await until(pilot, lambda: isinstance(app.screen, AskPath))
        path = tmp_path / "two.jsonl"
        dialog = app.screen
        assert isinstance(dialog, AskPath)
        dialog.query_one(Input).value = str(path)
        await pilot.press("enter")

        def other() -> Session | None:
            return next((s for s in app.sessions if s is not session), None)

        await until(pilot, lambda: other() is not None)
        opened = other()
        assert opened is not None and opened.loaded_model is session.loaded_model
        assert opened.by_pair.pairs == session.by_pair.pairs[:2]


async def test_all_but_one_are_put_aside_and_come_back(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        bench = app.screen
        assert isinstance(bench, BenchScreen)
        await pilot.press("5")
        table = bench.query_one(PairTable)
        await until(pilot, lambda: not table.pending)
        first, every = table.rows[0], session.by_pair.pairs
        await pilot.press("O")
        await until(pilot, lambda: session.task.n_pairs == 1 and not table.pending)
        assert session.by_pair.pairs == (every[first.index],)
        assert session.status().model_metric == first.clean
        await pilot.press("u")
        await until(pilot, lambda: session.task.n_pairs == 4 and not table.pending)
        assert "[5 Pairs one by one]" in screen_text(app) or "[5 Pairs]" in screen_text(app)


async def test_prompts_are_copied(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("p", "right")
        dialog = app.screen
        assert isinstance(dialog, PromptsDialog)
        found, pairs = dialog.copies(), session.by_pair.pairs
        assert found.names[0] == ("clean", pairs[1].clean) and found.row == 1
        assert [row[1] for row in found.tables[0].rows] == [pair.clean for pair in pairs]
        await pilot.press("Y")
        await pilot.pause()
        assert isinstance(app.screen, CopyDialog)
