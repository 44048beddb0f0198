"""Circuits side by side: their numbers, their edges, and the way there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.base.numbers import plain
from screens.bench.screen import BenchScreen
from screens.side_by_side.edge_table import KEPT, EdgeTable
from screens.side_by_side.screen import SideBySideScreen
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.formats import save_circuit
from workbench.session.session import Session
from workbench.session.side_by_side import MOST, OWN

SIZES = [(80, 24), (160, 48)]
FIRST = ["m2->logits", "m0->m2", "input->m0", "input->m2"]
SECOND = ["m2->logits", "m0->m2", "input->m0", "a1.h1->logits", "input->a1.h1<v>"]
OPEN = ["m2->logits"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    graph, found = Graph(3, 2), {}
    for name, edges in (("first", FIRST), ("second", SECOND)):
        circuit = Circuit.from_edges(graph, edges)
        circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
        for i, edge in enumerate(edges):
            circuit.scores[graph.parse_edge(edge)] = i + 1.0
        found[name] = tmp_path / f"{name}.json"
        save_circuit(circuit, found[name])
    return found


@pytest.fixture
def session(tmp_path: Path, files: dict[str, Path]) -> Session:
    session = tiny_session(tmp_path)
    session.load(files["first"])
    return session


def test_the_rack_says_what_evaluating_each_says(session: Session, files: dict[str, Path]) -> None:
    rack = session.side_by_side
    rack.renew()
    rack.put_file(files["second"])
    rack.put_file(files["second"])
    assert [place.name for place in rack.places] == [OWN, "second.json", "second.json (2)"]
    rack.evaluate()
    for place in rack.places:
        value = Evaluator(session._engine.experiment, place.circuit).value()
        assert place.scores is not None
        assert place.scores.metric == pytest.approx(value.metric, abs=1e-6)
        assert place.scores.kl == pytest.approx(value.kl, abs=1e-6)
    rows = {row.edge: row for row in rack.rows()}
    assert set(rows) == {*FIRST, *SECOND}
    assert rows["m0->m2"].kept == (True, True, True) and not rows["m0->m2"].differs
    assert rows["input->m2"].kept == (True, False, False) and rows["input->m2"].differs
    assert rows["a1.h1->logits"].scores[1:] == (4.0, 4.0)
    eap = session.effects_of(["a1.h1->logits"])[0]
    assert rows["a1.h1->logits"].difference == pytest.approx(eap - 4.0)
    (shared, *_) = rack.overlap().pairs  # type: ignore[union-attr]
    assert (shared.edges.both, shared.edges.jaccard) == (3, pytest.approx(3 / 6))
    rack.put_file(files["first"])
    with pytest.raises(WorkbenchError, match=f"{MOST} circuits already"):
        rack.put_file(files["first"])
    rack.take_away(0)
    assert len(rack.places) == MOST, "the session's own stays"
    rack.take_away(1)
    assert len(rack.places) == MOST - 1
    session.toggle("input->m2")
    rack.renew()
    assert not rack.places[0].circuit.has("input->m2") and rack.places[0].scores is None


def test_a_circuit_of_another_model_is_refused(session: Session, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="another shape"):
        session.side_by_side.put("other", Circuit.full(Graph(2, 2)))
    with pytest.raises(WorkbenchError, match=r"none\.json"):
        session.side_by_side.put_file(tmp_path / "none.json")
    assert len(session.side_by_side.places) == 1 and session.side_by_side.overlap() is None


def told(app: WorkbenchApp) -> str:
    return " ".join(n.message for n in app._notifications if n.severity == "error")


async def put_beside(pilot: Any, path: Path) -> SideBySideScreen:
    app = pilot.app
    await pilot.press("B")
    await until(pilot, lambda: isinstance(app.screen, SideBySideScreen))
    screen = app.screen
    await pilot.press("L")
    await until(pilot, lambda: isinstance(app.screen, Ask))
    app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")
    await until(pilot, lambda: app.screen is screen and screen._overlap is not None)
    return screen


@pytest.mark.parametrize("size", SIZES)
async def test_two_circuits_are_put_beside_and_looked_at(
    session: Session, files: dict[str, Path], size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        screen = await put_beside(pilot, files["second"])
        text = screen_text(app)
        own, other = session.side_by_side.places
        assert own.scores is not None and other.scores is not None
        assert "second.json" in text and "0.500" in text
        assert "Score of an edge: in A its EAP estimate, in others what came with them." in text
        assert plain(own.scores.faithfulness, 3) in text
        assert plain(other.scores.faithfulness, 3) in text
        table = screen.query_one(EdgeTable)
        heading = str(table.heading(size[0]))
        assert "score A" in heading and "score B" in heading and "A − B" in heading
        assert table.rows[0].edge.endswith("->logits")
        assert str(table.line(table.rows[0], size[0], False)).count(KEPT) == sum(table.rows[0].kept)
        await pilot.press("f")
        assert {row.edge for row in table.rows} == {*FIRST} ^ {*SECOND}
        await pilot.press("f")
        assert {row.edge for row in table.rows} == {*FIRST} & {*SECOND}
        await pilot.press("f", "s")
        gaps = [abs(row.difference or 0.0) for row in table.rows]
        assert gaps == sorted(gaps, reverse=True) and "by |A − B|" in screen_text(app)
        table.move_to_key("input->a1.h1<v>")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        assert app.screen.view.node == "a1.h1"  # type: ignore[attr-defined]
        await pilot.press("B")
        await until(pilot, lambda: isinstance(app.screen, SideBySideScreen))
        await pilot.press("minus")
        await until(pilot, lambda: len(session.side_by_side.places) == 1)
        await pilot.press("minus", "D")
        assert len(session.side_by_side.places) == 1
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


async def test_what_cannot_be_put_there_is_said(session: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await pilot.press("B", "L")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = str(tmp_path / "none.json")
        await pilot.press("enter")
        dialog = app.screen
        error = dialog.query_one(".error", Static)
        await until(pilot, lambda: "There is no file" in str(error.content))
        assert app.screen is dialog and len(session.side_by_side.places) == 1
        assert dialog.query_one(Input).value.endswith("none.json")


async def test_an_open_circuit_is_listed_and_its_overlap_refused(
    session: Session, files: dict[str, Path]
) -> None:
    session.clear()
    session.expand("logits", keep=OPEN)
    session.side_by_side.renew()
    session.side_by_side.put_file(files["second"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        await settled(pilot)
        await pilot.press("B")
        await until(pilot, lambda: "while one of them is open" in screen_text(app))
        assert told(app) == "", "open circuits are compared while one steps: that is no failure"
        assert all(place.scores is not None for place in session.side_by_side.places)
        assert "second.json" in screen_text(app)
