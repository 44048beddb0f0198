"""A pane with text scrolls by the keys of lists, and help names them so."""

from __future__ import annotations

from textual.widgets import Static

from screens.help.key_table import key_table
from screens.widgets.text_pane import TextPane
from tests.support.tiny_sessions import Host

CSS = "TextPane { height: 10; } Static { height: auto; }"


async def test_the_keys_of_lists_scroll_it() -> None:
    app = Host(lambda: TextPane(Static("\n".join(map(str, range(100))))), css=CSS)
    async with app.run_test(size=(40, 12)) as pilot:
        pane = app.query_one(TextPane)
        pane.focus()
        at = []
        for key in ("j", "down", "k", "ctrl+f", "pageup", "G", "home", "end"):
            await pilot.press(key)
            at.append(round(pane.scroll_y))
        assert at == [1, 2, 1, 11, 1, 90, 0, 90]
        told = {" ".join(row.keys): row.does for row in key_table(app.screen.active_bindings)}
        assert told["↓ j"] == "Scroll down." and told["End G"] == "Scroll to the end."
        assert not any(key in row for row in told for key in ("^PgUp", "⇧←"))
