"""Dialogs on the smallest terminals: their keys are seen, and name only what does something."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.widgets.ask_path import AskPath
from screens.widgets.dialogs import Ask
from screens.widgets.prompts import PromptsDialog
from tests.screens.bench.test_bench import settled
from tests.support.tiny_sessions import tiny_session

pytestmark = pytest.mark.dependencies


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (160, 48)])
async def test_a_dialog_with_text_shows_its_keys_and_tokens_under_their_roles(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in ("p", "M"):
            await pilot.press(key)
            await pilot.pause()
            box, keys = app.screen.query_one(".box"), app.screen.query_one(".keys")
            assert keys.region.height >= 1 and keys.region.bottom < box.region.bottom, key
            if key == "p":
                assert isinstance(app.screen, PromptsDialog)
                pair = app.screen.query_one("#pair", Static)
                rows = str(pair.content).splitlines()
                assert max(map(len, rows)) <= pair.size.width
                assert any(row.startswith("role      ") for row in rows)
            await pilot.press("escape")
            await pilot.pause()


async def test_a_question_names_the_key_that_completes_where_something_is(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key, kind, completes in (("t", Ask, False), ("L", AskPath, True)):
            await pilot.press(key)
            await pilot.pause()
            dialog = app.screen
            assert isinstance(dialog, kind)
            said = str(dialog.query_one(".keys", Static).content)
            assert ("complete" in said) is completes, key
            assert (dialog.query_one(Input).suggester is not None) is completes
            await pilot.press("escape")
            await pilot.pause()
