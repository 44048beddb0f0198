"""Copying from every list: what reaches the clipboard and the files, and what does not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.terminal.line import Line
from screens.widgets import copy_dialog as module
from screens.widgets.copy_dialog import CopyDialog
from screens.widgets.copying import Copies
from screens.widgets.dialogs import Ask
from tests.support.key_bursts import calm, ended
from tests.support.tiny_sessions import tiny_session, until
from workbench.base.table import Table
from workbench.session.session import Session

pytestmark = pytest.mark.slow


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    session.expand("logits", keep=("a2.h1->logits", "m1->logits"))
    session.expand("m1", keep=("a0.h0->m1",))
    session.set_group("movers", ("a2.h1",), "move")
    for node in session.graph.nodes:
        session.sweep(node, "qkv", "full")
    return session


@pytest.fixture
def app(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WorkbenchApp]:
    monkeypatch.chdir(tmp_path)
    yield WorkbenchApp(session=session)
    ended()  # what is still written is written there


def dialog(app: WorkbenchApp) -> CopyDialog:
    assert isinstance(app.screen, CopyDialog)
    return app.screen


async def copied(pilot: Pilot[Any], what: str, words: str = "", form: str = "csv") -> str:
    """Copy one thing of the dialog, which is closed then."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    items = dialog(app).items
    at = next(i for i, it in enumerate(items) if it.what == what and words in it.words)
    await pilot.press(*["down"] * at)
    for _ in range(list(module.FORMATS).index(form)):
        await pilot.press("l")
    await pilot.press("enter")
    await calm(pilot, 0.05)
    assert not isinstance(app.screen, CopyDialog)
    return app.clipboard


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_an_edge_its_row_and_the_table_with_every_digit(
    app: WorkbenchApp, session: Session
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await calm(pilot)
        await pilot.press("2", "Y")
        await calm(pilot, 0.05)
        bench = next(s for s in app.screen_stack if isinstance(s, BenchScreen))
        edge = bench.table.highlighted
        assert edge is not None
        assert await copied(pilot, "edge") == edge.edge
        await pilot.press("Y")
        (row,) = rows(await copied(pilot, "row"))
        assert row["edge"] == edge.edge and float(row["eap"]) == edge.eap
        assert float(row["exact"]) == edge.exact
        await pilot.press("Y")
        table = rows(await copied(pilot, "table"))
        known = session.candidates("logits")
        assert [r["edge"] for r in table] == [c.edge for c in bench.table.rows]
        assert {r["edge"]: float(r["score"]) for r in table} == {c.edge: c.score for c in known}
        assert {r["edge"] for r in table if r["kept"] == "true"} == {"a2.h1->logits", "m1->logits"}
        for form, begins in (("tsv", "edge\t"), ("markdown", "| edge |"), ("latex", "\\begin{")):
            await pilot.press("Y")
            assert (await copied(pilot, "table", form=form)).startswith(begins)


async def test_the_tree_the_graph_and_a_script(app: WorkbenchApp, session: Session) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await calm(pilot)
        await pilot.press("Y")
        assert await copied(pilot, "node") == "logits"
        await pilot.press("Y")
        tree = rows(await copied(pilot, "table"))
        assert [r["node"] for r in tree] == [r.name for r in session.tree()]
        await pilot.press("Y")
        assert await copied(pilot, "script") == session.snippet()
        await pilot.press("g", "Y")
        await calm(pilot, 0.05)
        nodes = rows(await copied(pilot, "table", "nodes of the circuit"))
        assert {r["node"]: r["group"] for r in nodes}["a2.h1"] == "movers"
        await pilot.press("Y")
        links = rows(await copied(pilot, "table", "links of logits"))
        assert {r["source"] for r in links} == {"a2.h1", "m1"}


async def test_a_readout_is_copied_and_its_plot_written(
    app: WorkbenchApp, session: Session, tmp_path: Path
) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        await calm(pilot)
        await pilot.press("3")
        bench = next(s for s in app.screen_stack if isinstance(s, BenchScreen))
        await until(pilot, lambda: bench.panels.readouts.result is not None)
        await pilot.press("right")
        await until(pilot, lambda: bench.panels.readouts.result is not None)
        await pilot.press("Y")
        await calm(pilot, 0.05)
        values = rows(await copied(pilot, "table"))
        found = session.readouts.attribution()
        assert {r["node"]: float(r["contribution"]) for r in values} == {
            r.node: r.value for r in found.rows
        }
        await pilot.press("Y")
        await calm(pilot, 0.05)
        at = next(i for i, item in enumerate(dialog(app).items) if item.what == "plot")
        await pilot.press(*["down"] * at, "enter")
        assert "o writes it to a file" in str(dialog(app).query_one(".error", Static).content)
        await pilot.press("o")
        await calm(pilot, 0.05)
        app.screen.query_one(Input).value = "plot.bmp"
        await pilot.press("enter")
        await calm(pilot, 0.05)
        assert isinstance(app.screen, Ask)  # what was typed stays
        app.screen.query_one(Input).value = "plot.pdf"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        assert (tmp_path / "plot.pdf").read_bytes().startswith(b"%PDF")


async def test_side_by_side_assessment_and_results(app: WorkbenchApp, session: Session) -> None:
    while session.frontier():
        session.expand(session.frontier()[0])
    session.assessor.run("faithfulness")
    async with app.run_test(size=(120, 40)) as pilot:
        await calm(pilot)
        await pilot.press("B", "Y")
        await calm(pilot, 0.05)
        edges = rows(await copied(pilot, "table", "edges side by side"))
        assert {r["edge"] for r in edges if r["kept_A"] == "true"} == set(session.circuit.edges())
        await pilot.press("Y")
        (place,) = rows(await copied(pilot, "table", "circuits side by side"))
        scores = session.side_by_side.places[0].scores
        assert scores is not None and float(place["faithfulness"]) == scores.faithfulness
        await pilot.press("escape")
        await pilot.press("v", "Y")
        await calm(pilot, 0.05)
        found = session.assessor.held["faithfulness"].result
        prompts = rows(await copied(pilot, "table", "prompts"))
        assert [float(r["circuit_metric"]) for r in prompts] == [
            p.circuit_metric for p in found.prompts
        ]
        await pilot.press("Y")
        values = {
            r["value of"]: r["value"] for r in rows(await copied(pilot, "table", "Faithfulness, "))
        }
        assert float(values["circuit.value"]) == found.circuit.value
        await pilot.press("Y")
        await calm(pilot, 0.05)
        at = next(i for i, item in enumerate(dialog(app).items) if item.what == "plot")
        await pilot.press(*["down"] * at, "o", "enter")
        await until(pilot, lambda: not isinstance(app.screen, CopyDialog | Ask))
        assert Path("faithfulness.svg").read_text().count("<svg") == 1


async def test_what_is_too_large_for_a_terminal_is_written(
    app: WorkbenchApp, tmp_path: Path
) -> None:
    table = Table("large", ("a", "b"), tuple((i, float(np.sqrt(i))) for i in range(6000)))
    async with app.run_test(size=(100, 30)) as pilot:
        await calm(pilot)
        before = app.clipboard
        app.push_screen(CopyDialog(Copies(tables=(table,)), None))
        await pilot.pause()
        await pilot.press("enter")
        said = str(dialog(app).query_one(".error", Static).content)
        assert "terminals take up to 100 KB" in said and "o writes it" in said
        assert app.clipboard == before
        (tmp_path / "large.csv").write_text("mine")
        await pilot.press("o", "enter", "n")  # it is there already, and stays
        await calm(pilot, 0.05)
        assert (tmp_path / "large.csv").read_text() == "mine"
        await pilot.press("o", "enter", "y")
        await until(pilot, lambda: not isinstance(app.screen, CopyDialog))
        assert (tmp_path / "large.csv").read_text() == table.to_csv()


async def test_the_graph_writes_its_picture(
    app: WorkbenchApp, session: Session, tmp_path: Path
) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await calm(pilot)
        await pilot.press("g", "o")
        await calm(pilot, 0.05)
        app.screen.query_one(Input).value = "nowhere/x.svg"
        await pilot.press("enter")
        assert "folder does not exist" in str(app.screen.query_one(".error", Static).content)
        app.screen.query_one(Input).value = "graph.svg"
        await pilot.press("tab", "space", "shift+tab", "enter")
        await until(pilot, lambda: (tmp_path / "graph.svg").exists())
        text = (tmp_path / "graph.svg").read_text()
        assert ">A  movers<" in text and ">move<" in text


def test_the_clipboard_passes_the_line_to_the_terminal() -> None:
    line = Line()
    line.resize(80, 24)
    line.take("\x1b[2J\x1b[Hsomething")
    sequence = "\x1b]52;c;" + "QUJD" * 30_000 + "\a"
    assert line.take(sequence) == sequence
    # Between two pieces of a frame as well, and the screen is still known.
    frame = "\x1b[?2026h\x1b[2;2Hxy" + sequence + "\x1b[3;3Hz\x1b[?2026l"
    assert sequence in line.take(frame)


async def test_half_a_character_does_no_harm(app: WorkbenchApp) -> None:
    """A token of a broken tokenizer may be a lone surrogate."""
    async with app.run_test(size=(100, 30)) as pilot:
        await calm(pilot)
        app.push_screen(CopyDialog(Copies(names=(("name", "a\ud800b"),)), None))
        await pilot.pause()
        assert await copied(pilot, "name") == "a?b"
