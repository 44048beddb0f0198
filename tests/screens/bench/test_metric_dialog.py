"""The metric chosen on the bench, and taken back."""

from __future__ import annotations

from pathlib import Path

from screens.app import WorkbenchApp
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until


async def test_the_metric_is_chosen_and_taken_back(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("number_sign", "right", "enter")
        await until(pilot, lambda: session.metric.name == "prob_diff")
        await until(pilot, lambda: "prob_diff: model" in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: "logit_diff: model" in screen_text(app))
