"""A reference beside the circuit: marks, numbers, the list of differences, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.base.reference_marks import LEGEND, MEANING, SIGNS, node_sign, node_words
from screens.bench.differences import DifferenceList, Differences
from screens.bench.screen import BenchScreen
from screens.bench.status_bar import StatusBar
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import row_text, screen_text, settled
from tests.support.tiny_sessions import until
from tests.support.toy_session import toy_session
from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import STANDINGS
from workbench.circuits.graph import Graph
from workbench.formats import save_circuit
from workbench.models.bundled import WANTED, BundledModel, write_digests
from workbench.models.source import SHORT_NAMES
from workbench.session.session import Session

pytestmark = pytest.mark.slow

NARROW = (80, 24)
SIZES = [NARROW, (160, 48)]
KEPT = ["m2->logits", "a2.h0->logits", "a2.h3->logits", "input->logits"]
TRUE = ["m2->logits", "a2.h0->logits", "a0.h1->logits", "m0->logits"]
ABOVE = ["m0->m2", "input->a2.h0<v>", "a0.h1->a2.h0<q>"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "true" / "circuit.json"
    path.parent.mkdir()
    save_circuit(Circuit.from_edges(Graph(3, 4), TRUE + ABOVE), path)
    return path


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """The logits are expanded, so is m2, of whose edges one is extra; a2.h0 is open."""
    session, _ = toy_session(tmp_path, layers=3, heads=4)
    session.expand("logits", keep=KEPT)
    session.expand("m2", keep=["m0->m2", "a1.h0->m2"])
    return session


def tree_text(bench: BenchScreen) -> list[str]:
    rows = bench.panels.tree_rows
    return [" ".join(str(rows.line(row, 60, False)).split()[:-1]) for row in rows.rows]


def bar(app: WorkbenchApp) -> StatusBar:
    return app.screen.query_one(StatusBar)


def told(app: WorkbenchApp) -> str:
    return " ".join(notification.message for notification in app._notifications)


async def test_it_is_asked_for_shown_and_turned_off(session: Session, file: Path) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        height, before = bar(app).size.height, tree_text(bench)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        entry = app.screen.query_one(Input)
        assert entry.value == "", "this model brings no truth along"
        entry.value = str(file)
        await pilot.press("enter")
        await settled(pilot)
        text = screen_text(app)
        assert "reference 3/7, 2 missing, 2 undecided, 3 extra" in text
        assert "recall 0.43" in text and "precision 0.50" in text
        assert bar(app).size.height == height + 1
        assert "C compare" in text, "the footer offers the list now"

        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Differences))
        await pilot.press("minus")
        await settled(pilot)
        assert session.reference is None
        assert "reference" not in screen_text(app)
        assert bar(app).size.height == height
        assert tree_text(bench) == before
        assert not bench.table.comparing


async def test_the_tree_marks_what_is_extra_and_shows_what_is_missing(
    session: Session, file: Path
) -> None:
    session.set_reference(file)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        lines = tree_text(bench)
        assert "├ ○ a0.h1 − missing" in lines or "└ ○ a0.h1 − missing" in lines
        assert any("◌ a2.h3 ++ extra node" in line for line in lines)
        assert any("■ input + extra" in line for line in lines), "its node is in the reference"
        assert any("◌ a1.h0 ++ extra node" in line for line in lines)
        assert [line for line in lines if "m2" in line and "+" in line] == []
        assert bench.panels.tree_rows.laid_out.find("a0.h1") is None, "it is not in the circuit"

        await pilot.press("1")
        assert bench.panels.tree_rows.move_to_key("a0.h1->logits")
        await pilot.press("space")
        await settled(pilot)
        assert session.circuit.has("a0.h1->logits")
        assert "reference 4/7, 1 missing, 2 undecided, 3 extra" in screen_text(app)
        row = bench.panels.tree_rows.highlighted
        assert row is not None and (row.edge, row.state) == ("a0.h1->logits", "open")


async def test_the_table_says_where_each_edge_stands(session: Session, file: Path) -> None:
    session.set_reference(file)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("2")
        for edge, marks in (
            ("m2->logits", "● ="),
            ("m0->logits", "○ −"),
            ("input->logits", "● +"),
            ("a1.h0->logits", "○ a1.h0"),
        ):
            assert " ".join(row_text(bench, edge).replace("◌", "○").split()).startswith(marks)
        assert "ref" in screen_text(app)
        bench.table.sort_by("reference")
        standing = [row.reference for row in bench.table.rows]
        assert standing[:6] == ["missing"] * 2 + ["extra"] * 2 + ["both"] * 2
        session.remove_reference()
        bench.refresh_all()
        assert bench.table.sort == "effect"
        bench.shown.choose("a2.h0")
        session.set_reference(file)
        bench.refresh_all()
        await settled(pilot)
        assert "?" in row_text(bench, "a0.h1->a2.h0<q>")


async def test_enter_in_the_list_goes_to_the_edge(session: Session, file: Path) -> None:
    session.set_reference(file)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        bench.shown.choose("a2.h0")
        await pilot.press("i", "i", "i")  # only the edges into v
        await settled(pilot)
        assert bench.view.inputs == "v"
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Differences))
        listed = app.screen.query_one(DifferenceList)
        assert [row.standing for row in listed.rows] == [
            *["missing"] * 2, *["extra"] * 3, *["undecided"] * 2,
        ]  # fmt: skip
        assert listed.rows[0].effect == session.effects_of([listed.rows[0].edge])[0]
        for row in listed.rows:
            line = str(listed.line(row, 70, False))
            assert line.strip().startswith(f"{SIGNS[row.standing]} {row.edge}")
            assert line.endswith(MEANING[row.standing])
        await pilot.press("G")
        await pilot.press("enter")
        await settled(pilot)
        edge = bench.table.highlighted
        assert edge is not None and edge.edge == "a0.h1->a2.h0<q>"
        assert bench.panel == "candidates" and bench.view.inputs == "qkv"

        bench.table.set_filter("mlps")
        await pilot.press("C", "enter")
        await settled(pilot)
        edge = bench.table.highlighted
        assert edge is not None and edge.edge in ("m0->logits", "a0.h1->logits")
        assert bench.view.node == "logits"


async def test_another_circuit_and_a_bad_one(session: Session, file: Path, tmp_path: Path) -> None:
    session.set_reference(file)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("C", "L")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert app.screen.query_one(Input).value == str(file)
        app.screen.query_one(Input).value = str(tmp_path / "none.json")
        await pilot.press("enter")
        error = app.screen.query_one(".error", Static)
        await until(pilot, lambda: "There is no file" in str(error.content))
        assert isinstance(app.screen, Ask), "what was typed can be mended"
        await pilot.press("escape")
        await settled(pilot)
        assert "reference 3/7" in screen_text(app), "the one before stays"
        await pilot.press("C", "escape")
        await settled(pilot)
        assert session.reference is not None


async def test_the_truth_that_comes_along_is_told_and_offered(
    session: Session, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in WANTED:
        (file.parent / name).touch()
    write_digests(file.parent)
    model = BundledModel("toy", "for tests", file.parent, circuit_of="ioi")
    monkeypatch.setitem(SHORT_NAMES, "toy", model)
    fresh, _ = toy_session(tmp_path / "fresh", layers=3, heads=4)
    assert "true circuit comes along" in fresh.status().message
    app = WorkbenchApp(session=fresh)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        assert "C compares yours" in told(app)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert app.screen.query_one(Input).value == "toy"
        await pilot.press("enter")
        await settled(pilot)
        assert fresh.reference is not None and fresh.reference.path == str(file)
        assert "reference 0/7, 7 undecided" in screen_text(app)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        assert "C compares yours" not in told(app), "told at the start only"


async def test_of_a_long_list_the_end_is_left_out(
    session: Session, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.bench.differences.MOST", 2)
    session.set_reference(file)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, Differences))
        rows = app.screen.query_one(DifferenceList).rows
        assert [row.edge for row in rows if row.standing == "extra"] == [
            "a2.h3->logits", "input->logits",
        ]  # fmt: skip
        assert (
            str(app.screen.query_one(".hint", Static).content)
            == "Of each kind the 2 nearest the logits."
        )


def test_every_standing_has_a_sign_and_words() -> None:
    assert set(SIGNS) == set(MEANING) == set(STANDINGS)
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert set(SIGNS.values()) <= LEGEND.keys()
    assert [node_sign(s, s) for s in STANDINGS] == ["", "−−", "++", "?"]
    assert node_sign("missing", "both") == "−"
    assert node_words("extra", "extra") == "extra node"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", ["1", "2", "C"])
def test_snapshot(
    snap_compare: Any,
    monkeypatch: pytest.MonkeyPatch,
    session: Session,
    file: Path,
    keys: str,
    size: tuple[int, int],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("screens.bench.status_bar.seconds", lambda value: "12 ms")
    session.set_reference(file)

    async def run(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await pilot.press(keys)
        await settled(pilot)

    assert snap_compare(WorkbenchApp(session=session), terminal_size=size, run_before=run)
