"""Going on by a rule, and pruning by one cut, on the bench."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from screens.app import WorkbenchApp
from screens.bench.expand_dialog import ExpandDialog
from screens.bench.expansion_line import ExpansionLine, progress_line
from screens.bench.keys import FOOTERS
from screens.bench.pruning_strip import PruningStrip
from screens.bench.screen import BenchScreen
from screens.discovery.fields import Labelled
from screens.widgets.choice import Choice
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import ToyEngine, toy_session
from workbench.session.commands import ExpandAll, Prune
from workbench.session.expander import Progressed
from workbench.session.rules import EFFECTS, RULES
from workbench.session.session import Session
from workbench.session.steps import StepTaken

WIDE, NARROW = (160, 48), (80, 24)


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Session, ToyEngine]:
    return toy_session(tmp_path, layers=4, heads=4)


async def dialog(pilot: Pilot[Any]) -> ExpandDialog:
    await pilot.press("E")
    await until(pilot, lambda: isinstance(pilot.app.screen, ExpandDialog))
    shown = pilot.app.screen
    assert isinstance(shown, ExpandDialog)
    return shown


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_dialog_is_the_catalogue(
    toy: tuple[Session, ToyEngine], size: tuple[int, int]
) -> None:
    session, _ = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        shown = await dialog(pilot)
        choice = shown.query_one("#rule", Choice)
        assert choice.options == [(rule.name, rule.title) for rule in RULES.values()]
        assert shown.query_one("#effects", Choice).options == list(EFFECTS.choices)
        for rule in RULES.values():
            assert shown.rule is rule
            visible = [field for field in shown.query(Labelled) if field.display]
            assert [field.label for field in visible] == [rule.value.label or rule.value.name]
            assert rule.help in str(shown.query_one("#in-words", Static).content)
            await pilot.press("right")
        assert float(shown.query_one("#value-threshold", Labelled).value) == session.threshold
        shown.query_one("#value-threshold", Labelled).value = "-1"
        await pilot.pause()
        await pilot.press("enter")
        assert "0 or more" in str(shown.query_one(".error", Static).content)
        assert "esc cancel" in screen_text(app) and "Start" in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, BenchScreen) and not session.commands()


@pytest.mark.parametrize("presses", [0, 1, 2])
async def test_enter_expands_all_by_the_rule(tmp_path: Path, presses: int) -> None:
    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await dialog(pilot)
        await pilot.press(*["right"] * presses, "enter")
        await settled(pilot)
        status = session.status()
        assert status.closed and status.edges
        (command,) = session._history.done
        assert isinstance(command, ExpandAll) and command.rule == list(RULES)[presses]
        assert not bench.rules.line.display
        assert len({row.edge for row in bench.panels.tree_rows.rows if row.edge}) == status.edges
        assert any("faithfulness" in note.message for note in app._notifications)
        await pilot.press("E")
        await pilot.pause()
        assert isinstance(app.screen, BenchScreen)  # nothing is left
        await pilot.press("u")
        await settled(pilot)
        assert not session.status().edges


class Held:
    """Lets a computation go so many times before it waits."""

    def __init__(self, engine: ToyEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes = threading.Semaphore(0)
        self.waiting = threading.Event()

        def wait() -> None:
            if threading.current_thread().name == "expansion":
                self.waiting.set()
                assert self.passes.acquire(timeout=20)

        monkeypatch.setattr(engine, "_wait", wait)


async def run_for(pilot: Pilot[Any], held: Held, steps: int) -> ExpansionLine:
    """Start the rule `threshold` and let it do so many steps."""
    await dialog(pilot)
    await pilot.press("enter")
    line = pilot.app.screen.query_one(ExpansionLine)
    held.passes.release(steps)
    await until(pilot, lambda: len(line._now.steps) == steps)
    return line


@pytest.mark.parametrize("key", ["c", "S"])
async def test_it_is_told_of_and_stopped(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        held = Held(engine, monkeypatch)
        line = await run_for(pilot, held, 3)
        await until(pilot, lambda: "3 nodes" in screen_text(app))
        assert "threshold" in screen_text(app) and "c stop" in screen_text(app)
        assert session.status().edges == 0  # the circuit is as it was until the end
        await pilot.press(key)
        assert "stopping" in screen_text(app)
        held.passes.release(2)  # the piece under way, and what the circuit then scores
        await until(pilot, lambda: not line.running)
        (command,) = session._history.done
        assert isinstance(command, ExpandAll)
        assert 3 <= len(command.steps) <= 4 and command.ended
        assert session.status().edges and not line.display
        held.passes.release(1000)
        await settled(pilot)


async def test_an_edit_ends_it_and_comes_after_it(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        held = Held(engine, monkeypatch)
        line = await run_for(pilot, held, 2)
        await pilot.press("u")  # takes back what it has done
        held.passes.release(1000)
        await until(pilot, lambda: not line.running)
        await settled(pilot)
        assert session.status().edges == 0 and session.status().can_redo
        await pilot.press("U")
        await settled(pilot)
        assert session.status().edges


async def test_leaving_keeps_what_it_has(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        held = Held(engine, monkeypatch)
        await run_for(pilot, held, 2)
        await pilot.press("q")
        held.passes.release(1)
        await until(pilot, lambda: app._exit)
        held.passes.release(1000)
    (command,) = session._history.done
    assert isinstance(command, ExpandAll) and 2 <= len(command.steps) <= 3


def test_the_line_at_every_width() -> None:
    steps = tuple(StepTaken(f"m{i}", 12, 1 - i / 100) for i in range(60))
    now = Progressed(steps, "a11.h10", 0.5)
    from screens.bench.expand_dialog import ExpandRequest

    request = ExpandRequest("loss", 0.125, "eap")
    for width in range(80, 200):
        text = progress_line(request, now, width, stopping=False).plain
        assert len(text) <= width and "c stop" in text
        assert "60 nodes, 720 edges, faithfulness 0.410" in text and "loss 0.125" in text


# The cut.


@pytest.fixture
def expanded(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    session.expand_all("top-k", 4)
    return session


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_cut_is_tried_and_made(expanded: Session, size: tuple[int, int]) -> None:
    session = expanded
    before = session.circuit
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        strip = bench.rules.strip
        await pilot.press("}")
        assert strip.display and strip.has_focus and strip.cuts is not None
        assert bench.keys_of == "pruning"
        await pilot.press("}", "}", "right", "left", "right")
        await settled(pilot)
        cuts, at = strip.cuts, strip.at
        assert at == 3 * max(1, len(cuts.levels) // 32) + 1
        assert strip.known[at] == pytest.approx(session.pruner.faithfulness(cuts, at), abs=1e-5)
        text = screen_text(app)
        assert f"{cuts.after(at).n_edges} of {before.n_edges} edges" in text
        assert f"faithfulness {strip.known[at]:.4f}".replace("-", "−") in text
        assert session.circuit == before and len(session.commands()) == 1
        await pilot.press("{")
        assert strip.at < at
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(session._history.done[-1], Prune)
        assert session.circuit.n_edges < before.n_edges
        assert not bench.rules.strip.display and bench.keys_of == "circuit"
        await pilot.press("u")
        await settled(pilot)
        assert session.circuit == before


async def test_escape_lets_all_be_as_it_was(expanded: Session) -> None:
    before = expanded.circuit
    app = WorkbenchApp(session=expanded)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("2", "}", "}", "escape")
        await settled(pilot)
        assert expanded.circuit == before and len(expanded.commands()) == 1
        assert not bench.rules.strip.display and bench.keys_of == "candidates"


async def test_the_score_is_named_and_changed(expanded: Session) -> None:
    expanded.drop_costs()
    app = WorkbenchApp(session=expanded)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("}")
        for name in ("effect", "EAP", "drop cost", "effect"):
            await settled(pilot)
            assert f"prune by {name} ≥" in screen_text(app)
            await pilot.press("m")


async def test_the_newest_cut_wins(
    toy: tuple[Session, ToyEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, engine = toy
    session.expand_all("top-k", 5)
    session.pruner.cuts()
    app = WorkbenchApp(session=session)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        engine.gate.clear()
        await pilot.press(*["}"] * 12)
        strip = bench.rules.strip
        assert strip.known == {} and "faithfulness …" in screen_text(app)
        engine.gate.set()
        await settled(pilot)
        assert strip.at in strip.known
        assert len(strip.known) <= 2  # the one that was computed when the keys came, and the last


async def test_the_circuit_changes_under_the_strip(expanded: Session) -> None:
    app = WorkbenchApp(session=expanded)
    async with app.run_test(size=WIDE) as pilot:
        bench = await settled(pilot)
        await pilot.press("}", "}", "u")
        await settled(pilot)
        assert not bench.rules.strip.display  # nothing is kept any more
        await pilot.press("}")
        await pilot.pause()
        assert not bench.rules.strip.display


def test_the_footer_of_the_strip_is_of_its_own_keys() -> None:
    own = {"prune('make')", "prune('finer')", "prune('score')", "prune('end')"}
    assert own < set(FOOTERS["pruning"])
    assert len(PruningStrip.BINDINGS) >= len(own)
