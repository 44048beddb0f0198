"""A session and the app on a device: commands, sweeps in other threads, and the screens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from screens.app import WorkbenchApp
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.device_double.cases import model, task
from tests.support.device_double.events import watched
from workbench.session.session import Session
from workbench.session.start import build_session

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the tiny models know no task


def session(folder: Path, *, there: bool) -> Session:
    return build_session(model(there=there), task(), journal=folder / f"{there}.jsonl")


def worked(one: Session) -> list[float]:
    """What is done with a session, and what it says."""
    found = []

    def said() -> None:
        status = one.status()
        found.extend([status.circuit_metric, status.kl, status.faithfulness or 0.0])

    for _ in range(4):
        one.expand(one.frontier()[0])
        said()
    edge = str(next(iter(one.circuit.edges())))
    for command in (lambda: one.toggle(edge), one.undo, one.redo):
        command()
        said()
    candidates = one.candidates(one.frontier()[0] if one.frontier() else "logits")
    found += [row.eap for row in candidates]
    return [float(x) for x in found]


def test_commands_wait_for_what_they_say(tmp_path: Path) -> None:
    with watched() as seen, session(tmp_path, there=True) as there:
        found = worked(there)
    seen.check()
    with session(tmp_path, there=False) as here:
        np.testing.assert_allclose(found, worked(here), atol=1e-3)


async def test_the_app(tmp_path: Path) -> None:
    with watched() as seen:
        app = WorkbenchApp(session=session(tmp_path, there=True))
        async with app.run_test(size=(160, 48)) as pilot:
            for key in ("enter", "space", "right", "tab", "down", "enter"):
                await pilot.press(key)
                await settled(pilot)
            assert "faithful" in screen_text(app)
    seen.check()
    assert seen.launches > 1000
