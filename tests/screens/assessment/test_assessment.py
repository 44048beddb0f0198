"""The assessment screen: questions, answers, pictures, a report, and edits in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.assessment.part_list import PartList
from screens.assessment.screen import AssessmentScreen
from screens.assessment.tell import describe, summary
from screens.base.numbers import plain
from screens.bench.screen import BenchScreen
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.cases import assessment_values
from tests.support.tiny_sessions import tiny_session, until
from workbench.assessment.catalogue import PARTS, parts_of_one
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.engine.evaluator import Evaluator
from workbench.errors import Cancelled, WorkbenchError
from workbench.formats import save_circuit
from workbench.session.session import Session

SIZES = [(80, 24), (160, 48)]
VALUES = {name: make() for name, make in assessment_values.PARTS.items()}
EDGES = ["m2->logits", "m0->m2", "input->m0", "input->m2", "a1.h1->m2", "input->a1.h1<v>"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    path = tmp_path / "circuit.json"
    save_circuit(Circuit.from_edges(Graph(3, 2), EDGES), path)
    session.load(path)
    return session


async def opened(pilot: Any) -> AssessmentScreen:
    await settled(pilot)
    await pilot.press("v")
    await until(pilot, lambda: isinstance(pilot.app.screen, AssessmentScreen))
    screen = pilot.app.screen
    await until(pilot, lambda: bool(screen.parts.rows))
    return screen


def answered(screen: AssessmentScreen, name: str) -> bool:
    return name in screen.session.assessor.held and not screen.waiting


def said(screen: AssessmentScreen) -> str:
    return "\n".join(str(widget.render()) for widget in screen.query("#answer Static"))


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_is_asked_and_answered(session: Session, size: tuple[int, int]) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert [row.part for row in screen.parts.rows] == list(parts_of_one())
        assert "Not asked yet" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: answered(screen, "faithfulness"))
        experiment = session._engine.experiment
        value = Evaluator(experiment, session.circuit).value()
        share = experiment.faithfulness(value.metric)
        assert share is not None
        row = screen.parts.rows[0]
        assert row.answer == plain(share, 3) and not row.stale
        assert plain(share, 4) in said(screen) and PARTS["faithfulness"].question in said(screen)
        assert screen._plot is not None and screen._plot.display
        await pilot.press("tab", "end")
        assert isinstance(app.focused, VerticalScroll)
        await pilot.press("tab", "down")
        assert isinstance(app.focused, PartList) and screen.chosen.name == screen.asked[1].name
        assert not screen._plot.display
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


async def test_an_edit_makes_answers_stale_and_asking_again_renews_them(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        screen.parts.move_to_key("minimality")
        await pilot.press("enter")
        await until(pilot, lambda: answered(screen, "minimality"))
        session.toggle("input->m2")
        screen.redraw()
        row = next(row for row in screen.parts.rows if row.part.name == "minimality")
        assert row.stale and "edited since" in said(screen)
        with pytest.raises(WorkbenchError, match="as it stands"):
            session.assessor.write_report(Path("never.html"))
        await pilot.press("enter")
        await until(pilot, lambda: answered(screen, "minimality"))
        screen.redraw()
        assert not screen.parts.rows[screen.parts.index].stale
        assert len(session.assessor.held["minimality"].result.edges) == len(EDGES) - 1


async def test_all_are_asked_and_a_report_is_written(session: Session, tmp_path: Path) -> None:
    app = WorkbenchApp(session=session)
    quick = ("faithfulness", "minimality", "completeness")
    async with app.run_test(size=SIZES[1]) as pilot:
        screen = await opened(pilot)
        for name in quick:
            screen._ask(name)
        await until(pilot, lambda: all(answered(screen, name) for name in quick), 60)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        entry = app.screen.query_one(Input)
        entry.value = "report.txt"
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Ask), "what is neither Markdown nor HTML is refused"
        assert ".html" in str(app.screen.query_one(".error", Static).render())
        entry.value = str(tmp_path / "report.html")
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "report.html").exists(), 30)
        page = (tmp_path / "report.html").read_text()
        for name in quick:
            assert PARTS[name].title in page
        assert PARTS["stability"].title not in page


async def test_an_open_circuit_is_refused_in_words(session: Session) -> None:
    session.clear()
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.failed))
        assert "is open" in screen.failed["faithfulness"] and "is open" in said(screen)
        assert "no answer" in screen_text(app)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The part `chance` takes pieces until it is let go."""
    go = threading.Event()

    def assess_part(experiment: Any, circuit: Any, settings: Any) -> Iterator[float]:
        for _ in range(10_000):
            go.wait(0.02)
            yield 0.25
        return None

    module = ModuleType("workbench.assessment.parts.chance")
    module.assess_part = assess_part  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "workbench.assessment.parts.chance", module)
    yield go
    go.set()


@pytest.mark.usefixtures("slow")
async def test_it_is_cancelled_and_the_bench_goes_on_meanwhile(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=SIZES[0]) as pilot:
        screen = await opened(pilot)
        screen.parts.move_to_key("chance")
        await pilot.press("enter")
        await until(pilot, lambda: screen.done == 0.25)
        screen.redraw()
        assert "25%" in screen_text(app)
        assert not session.toggle("input->m2").message.startswith("Nothing")
        await pilot.press("c")
        await until(pilot, lambda: not screen.waiting)
        assert "chance" not in session.assessor.held and not screen.failed
        await pilot.press("enter")
        await until(pilot, lambda: bool(screen.waiting))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


def test_scripts_can_stop_it_too(session: Session) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        session.assessor.run("minimality", cancel=stop)
    with pytest.raises(WorkbenchError, match="several circuits"):
        session.assessor.run("overlap")
    with pytest.raises(WorkbenchError, match="no part"):
        session.assessor.run("beauty")


@pytest.mark.parametrize("width", [40, 76, 140])
@pytest.mark.parametrize("name", [part.name for part in parts_of_one()])
def test_every_answer_fits_its_width(name: str, width: int) -> None:
    above, below = describe(name, VALUES[name], width)
    for line in (*above.split("\n"), *below.split("\n")):
        assert line.cell_len <= max(width, 76), line.plain
    assert 0 < len(summary(name, VALUES[name])) <= 14
