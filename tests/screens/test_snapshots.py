"""What the screens look like at 80x24 and 160x48. The numbers are a toy's, the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.setup import known as lookups
from screens.setup.known import Known
from screens.setup.screen import SetupScreen
from screens.setup.session_row import SessionRow
from tests.screens.bench.test_bench import settled
from tests.support.tiny_sessions import until
from tests.support.toy_session import toy_session
from workbench.experiment.settings import ExperimentSettings
from workbench.session.views import SessionSummary

pytestmark = pytest.mark.slow

SIZES = [(80, 24), (160, 48)]
STEPS = {
    "start": (),
    "circuit": ("e",),
    "edges": ("e", "2", "j", "j", "enter", "e"),
    "head": ("e", "2", "j", "enter", "i", "d"),
    "roles": ("e", "2", "j", "enter", "e", "vertical_line", "space", "j", "j", "space"),
    "jump": ("e", "slash", "1", "0"),
    "export": ("e", "o"),
    "prompts": ("p", "right"),
    "model": ("M",),
    "filter": ("2", "f", "h", "e", "a", "d", "s"),
    "readouts": ("3",),
}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing on the screen depends on the clock or the machine."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("screens.bench.status_bar.seconds", lambda value: "12 ms")
    monkeypatch.setattr(BenchScreen, "notify", lambda self, *_, **__: None)  # it goes after seconds


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STEPS)
def test_bench(snap_compare: Any, tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    session, _ = toy_session(tmp_path)

    async def run(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in STEPS[name]:
            await pilot.press(key)
            await settled(pilot)

    app = WorkbenchApp(session=session)
    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.mark.parametrize("size", SIZES)
def test_setup(snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    from tasks import TASKS

    when = "2026-11-21T15:33:20"
    known = Known(
        models=(("toy", "recent"), ("smollm2", "SmolLM2, 30 layers of 9 heads"), ("gpt2", "GPT-2")),
        tasks=tuple((name, built_in.description) for name, built_in in TASKS.items()),
    )
    sessions = (
        SessionRow(SessionSummary(Path("a"), "toy", "ioi", when, 41, 17, 0.97)),
        SessionRow(
            SessionSummary(Path("b"), "/models/pythia-160m", "greater-than", when, 1203, 4, None)
        ),
    )
    monkeypatch.setattr("screens.setup.screen.look_up", lambda: known)
    monkeypatch.setattr("screens.setup.screen.look_up_sessions", lambda _: sessions)
    assert lookups.look_up is not None

    async def run(pilot: Pilot[Any]) -> None:
        setup = pilot.app.screen
        assert isinstance(setup, SetupScreen)
        setup.settings = ExperimentSettings("no/model", "ioi")
        await until(pilot, lambda: setup.preview is not None and setup.quiet)

    assert snap_compare(WorkbenchApp(), terminal_size=size, run_before=run)
