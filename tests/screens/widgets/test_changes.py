"""What a widget says is set only if it is new, and laid out only if its size may change."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from screens.widgets.changes import put_content


class Says(App[None]):
    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("one\ntwo"))


async def test_content_is_laid_out_if_its_lines_are_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Says()
    async with app.run_test(size=(20, 10)) as pilot:
        widget = app.query_one(Static)
        asked: list[bool] = []
        update = Static.update

        def noted(self: Static, content: Content, *, layout: bool = True) -> None:
            asked.append(layout)
            update(self, content, layout=layout)

        monkeypatch.setattr(Static, "update", noted)
        for content, layout in (
            (Content("one\ntwo"), None),
            (Content.styled("one\ntwo", "bold"), False),
            (Content("three\nfour"), False),
            (Content("three\nfour\nfive"), True),
            (Content("longer than it is wide\nfour\nfive"), True),
            (Content("longer than all of it is wide\nfour\nfive"), True),
            (Content("short"), True),
        ):
            del asked[:]
            put_content(widget, content)
            assert asked == ([] if layout is None else [layout]), content
            await pilot.pause()
            long = sum(line.cell_length > 20 for line in content.split())
            assert widget.size.height == content.plain.count("\n") + 1 + long
