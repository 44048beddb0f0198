"""Edges between two groups, asked for in the graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from screens.graph.between_dialog import BetweenDialog
from screens.widgets.choice import Choice
from tests.screens.graph.test_graph import Opened
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session

pytestmark = pytest.mark.slow


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = tiny_session(tmp_path)
    session.expand("logits", keep=("a2.h1->logits", "m1->logits", "a0.h0->logits"))
    session.expand("m1", keep=("a0.h0->m1", "input->m1"))
    return session


async def test_picked_nodes_and_a_typed_group_lose_all_their_edges(session: Session) -> None:
    session.set_group("late ones", ["m1", "a2.h1"])
    before = session.circuit.edges()
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("underscore")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, BetweenDialog)
        sources, readers = dialog.query(Input)
        assert sources.value == "late ones" and readers.has_focus
        await pilot.press("enter")
        assert app.screen is dialog  # nothing is named yet
        await pilot.press(*"logits")
        said = str(dialog.query_one("#read", Static).content)
        assert said == "2 of 2 edges are kept."
        await pilot.press("enter")
        await until(pilot, lambda: session.circuit.edges() != before)
        assert set(before) - set(session.circuit.edges()) == {"a2.h1->logits", "m1->logits"}
        await pilot.press("u")
        await until(pilot, lambda: session.circuit.edges() == before)


async def test_all_are_kept_through_one_input(session: Session) -> None:
    session.expand("a2.h1", keep=())
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "underscore")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, BetweenDialog)
        await pilot.press(*"a2.h1")
        dialog.query_one("#inputs", Choice).focus()
        await pilot.press("right", "right")
        dialog.query_one("#did", Choice).focus()
        await pilot.press("right")
        assert dialog.typed.inputs == "k" and dialog.typed.did == "keep"
        dialog.query_one("#readers", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: session.circuit.has("m1->a2.h1<k>"))
        assert not session.circuit.has("m1->a2.h1<q>")


async def test_they_are_dropped_at_one_role(session: Session) -> None:
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "underscore")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, BetweenDialog)
        await pilot.press(*"logits")
        role = session.roles[0]
        dialog.query_one("#role", Choice).choose(role)
        assert dialog.typed.role == role
        dialog.query_one("#readers", Input).focus()
        await pilot.press("enter")
        await until(pilot, lambda: not session.circuit.has(f"m1->logits@{role}"))
        assert session.circuit.has(f"m1->logits@{session.roles[-1]}")


async def test_what_leads_nowhere_is_said(session: Session) -> None:
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("underscore")
        await pilot.pause()
        await pilot.press(*"input", "enter")
        assert isinstance(app.screen, BetweenDialog)
        error = str(app.screen.query_one(".error", Static).content)
        assert error.startswith("No edge leads from the first to the second")
        await pilot.press("escape")
        assert not isinstance(app.screen, BetweenDialog)


async def test_at_the_logits_they_are_what_reads(session: Session) -> None:
    app = Opened(session, "logits")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("underscore")
        await pilot.pause()
        sources, readers = app.screen.query(Input)
        assert (sources.value, readers.value) == ("", "logits") and sources.has_focus
        await pilot.press(*"m1", "enter")
        await until(pilot, lambda: not session.circuit.has("m1->logits"))


async def test_the_box_under_the_cursor_is_proposed(session: Session) -> None:
    session.set_group("late ones", ["m1", "a2.h1"])
    app = Opened(session, "m1")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("V", "home", "underscore")
        await pilot.pause()
        assert [field.value for field in app.screen.query(Input)] == ["", "logits"]
        await pilot.press("escape", "end", "up", "underscore")
        await pilot.pause()
        found = app.screen.query(Input).first().value
        assert found in ("a0.h0", "late ones"), found
