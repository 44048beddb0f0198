"""The dialog of what model and circuit go on with: its numbers, other prompts, other lengths."""

from __future__ import annotations

from pathlib import Path

from screens.app import WorkbenchApp
from screens.bench.continuation import ContinuationDialog
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until


async def test_both_sides_are_shown_for_any_prompt_and_length(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    session.expand("logits", keep=["m2->logits"])
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 40)) as pilot:
        await settled(pilot)
        await pilot.press("I")
        dialog = app.screen
        assert isinstance(dialog, ContinuationDialog)
        await until(pilot, lambda: dialog.found is not None)
        assert dialog.found == session.readouts.continuation(0, 10)
        await pilot.press("right", "t")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("2", "enter")
        await until(pilot, lambda: dialog.found is not None and len(dialog.found.model) <= 2)
        assert dialog.found == session.readouts.continuation(1, 2)
        assert "Pair 2 of 4" in screen_text(app) and "model   " in screen_text(app)
        (table,) = dialog.copies().tables
        assert table.columns[1:4] == ("model_token", "model_id", "model_p")
        await pilot.press("I")
        await pilot.pause()
        assert app.screen is not dialog
