"""The status bar by itself: what gives way to what where there is little room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from screens.bench.status_bar import StatusBar
from tests.support.tiny_sessions import Host
from tests.support.toy_session import toy_session

pytestmark = pytest.mark.dependencies

REACHED = "Reached the embeddings: 8 edges, 7 nodes, faithfulness 0.15."


def lines_of(bar: StatusBar) -> list[str]:
    return [bar.render_line(y).text.rstrip() for y in range(bar.size.height)]


async def test_the_last_message_stands_whole_at_80_columns(tmp_path: Path) -> None:
    session, _ = toy_session(tmp_path)
    status = replace(session.status(), closed=True, seconds=0.05)
    app = Host(lambda: StatusBar(session.model, session.task, status))
    async with app.run_test(size=(80, 24)) as pilot:
        bar = app.query_one(StatusBar)
        await pilot.pause()
        for message in (
            REACHED,
            "Expanded m3: 3 edges kept.",
            "Dropped m3.n325: 511 neurons kept.",
        ):
            bar.update(replace(status, message=message), pending=False)
            first, _, last = lines_of(bar)
            assert first.startswith("toy") and message in first and first.endswith("CLOSED")
            assert last.endswith("took 50 ms")
        assert first.startswith("toy · ioi · 2 pairs   "), "what need not give way stays"
        longer = f"{REACHED} It ends in another sentence."
        bar.update(replace(status, message=longer), pending=False)
        assert REACHED in lines_of(bar)[0]
        many = replace(status, message="x" * 200, edges=31_999, nodes=150, all_nodes=158)
        bar.update(many, pending=False)
        assert lines_of(bar)[0].startswith("toy   xxx") and "…" in lines_of(bar)[0]
