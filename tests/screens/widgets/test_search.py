"""Search: in lists by their rows, in what scrolls by the lines that it shows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import ClassVar

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Input, Static

from screens.app import WorkbenchApp
from screens.help.screen import HelpScreen
from screens.readouts import panel
from screens.readouts.panel import Readouts
from screens.widgets import search
from screens.widgets.line_list import LineList
from screens.widgets.prompts import PromptsDialog
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch, Search, matches, next_match
from tests.screens.bench.test_bench import settled
from tests.screens.readouts.test_readouts import slow_session
from tests.support.tiny_sessions import Host, tiny_session, until

LINES = ["the cat", "a dog", "The dog and the cat", "", "cats"]


def test_all_the_words_in_any_order_and_case() -> None:
    assert matches("CAT", LINES) == [0, 2, 4]
    assert matches("cat the", LINES) == [0, 2]
    assert matches("dog cat", LINES) == [2]
    assert matches("  ", LINES) == []
    assert matches("cow", LINES) == []


def test_the_next_match_goes_around_the_ends() -> None:
    assert [next_match([0, 2, 4], at, 1) for at in (0, 1, 4)] == [2, 2, 0]
    assert [next_match([0, 2, 4], at, -1) for at in (0, 1, 4)] == [4, 0, 2]
    assert next_match([2], 2, 1) is None
    assert next_match([], 0, 1) is None


class Rows(LineList[str]):
    def key(self, row: str) -> str:
        return row

    def line(self, row: str, width: int, under_cursor: bool) -> Text:
        return Text(row[:width])


class ListApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Rows()

    def on_mount(self) -> None:
        self.rows.show([f"row {i} {'even' if i % 2 == 0 else 'odd'}" for i in range(100)])
        self.rows.focus()

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)


def underlined(widget: LineList[str], y: int) -> str:
    return "".join(s.text for s in widget.render_line(y) if s.style and s.style.underline)


async def test_the_nearest_match_is_shown_as_one_types() -> None:
    app = ListApp()
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("j", "j", "j", "slash", "e", "v")
        await pilot.pause()
        assert app.rows.index == 4 and underlined(app.rows, 4) == "ev"
        assert str(app.screen.query_one("#found", Static).content) == "3 of 50"
        await pilot.press("down", "down", "up", "enter")
        await pilot.pause()
        assert not isinstance(app.screen, Search) and app.rows.index == 6
        await pilot.press("n", "n", "N")
        await pilot.pause()
        assert app.rows.index == 8


async def test_escape_leads_back_and_takes_the_marks_away() -> None:
    app = ListApp()
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("j", "slash", *"99")
        await pilot.pause()
        assert app.rows.index == 99
        await pilot.press("escape")
        await pilot.pause()
        assert app.rows.index == 1 and app.rows.sought == "" and underlined(app.rows, 1) == ""


async def test_what_is_nowhere_is_said_and_the_cursor_stays() -> None:
    app = ListApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.press("j", "n")
        await pilot.pause()
        assert "Nothing was searched for" in str(next(iter(app._notifications)).message)
        await pilot.press("slash", *"zebra")
        await pilot.pause()
        assert app.rows.index == 1
        assert str(app.screen.query_one("#found", Static).content) == "no match"
        await pilot.press("enter", "n")
        await pilot.pause()
        assert [n.message for n in app._notifications][-1] == "No match of “zebra”."


class Page(PaneSearch, Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*SEARCH_BINDINGS]

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(Text("a head\n\n"))
            yield Static(Text("\n".join(f"line {i} of many words" for i in range(60))))

    def search_pane(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)


async def test_a_text_is_scrolled_to_its_matches_and_marked() -> None:
    app: App[None] = App()
    async with app.run_test(size=(50, 10)) as pilot:
        page = Page()
        await app.push_screen(page)
        pane = page.search_pane()
        assert page.search_lines()[:5] == [
            line.ljust(50)[: pane.scrollable_content_region.width] if line else line
            for line in ("a head", "", "", "line 0 of many words", "line 1 of many words")
        ] or page.search_lines()[3].startswith("line 0")
        await pilot.press("slash", *"line 40")
        await pilot.pause()
        top = pane.scroll_offset.y
        shown = page.search_lines()[top : top + 10]
        assert any("line 40 " in line for line in shown)
        body = list(page.query(Static))[1].content
        assert isinstance(body, Text) and any("underline" in str(s.style) for s in body.spans)
        await pilot.press("escape")
        await pilot.pause()
        assert pane.scroll_offset.y == 0
        body = list(page.query(Static))[1].content
        assert isinstance(body, Text) and not body.spans


def found(app: App[None]) -> str:
    return str(app.screen.query_one("#found", Static).content)


async def test_rows_that_are_sorted_anew_meanwhile_are_found_where_they_are() -> None:
    app = ListApp()
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("slash", *"7 odd")
        await pilot.pause()
        assert app.rows.rows[app.rows.index] == "row 7 odd"
        app.rows.show(list(reversed(app.rows.rows)))
        await pilot.press("down")
        await pilot.pause()
        assert app.rows.rows[app.rows.index] == "row 97 odd"


@pytest.mark.parametrize(
    ("more", "says"), [("a head\nof many\n", "of 61"), ("of many\n\n", "of 61")]
)
async def test_a_text_that_changes_meanwhile_is_searched_anew(more: str, says: str) -> None:
    app: App[None] = App()
    async with app.run_test(size=(50, 10)) as pilot:
        page = Page()
        await app.push_screen(page)
        await pilot.press("slash", *"of many")
        await pilot.pause()
        assert found(app) == "1 of 60"
        next(iter(page.query(Static))).update(Text(more))
        await pilot.pause()
        assert found(app).endswith(says)


async def test_readouts_are_waited_for_a_moment_and_searched_once_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double, slow = slow_session(tiny_session(tmp_path))
    app = Host(Readouts)
    async with app.run_test(size=(80, 24)) as pilot:
        readouts = app.query_one(Readouts)
        readouts.focus()
        readouts.show(double, "a0.h0")
        await pilot.press("slash", *"defined")
        await until(pilot, lambda: isinstance(app.screen, Search))
        await pilot.pause()
        assert readouts.pending and found(app) == "no match"
        slow.gate.set()
        await until(pilot, lambda: found(app).startswith("1 of"))
        await pilot.press("escape")

        slow.gate.clear()
        readouts.show(double, "a1.h0")  # which takes as many lines
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(app.screen, Search))
        app.screen.query_one(Input).value = "·of·a1.h0"
        await until(pilot, lambda: found(app) == "no match")
        slow.gate.set()
        await until(pilot, lambda: found(app) == "1 of 1")
        await pilot.press("escape")

        monkeypatch.setattr(search, "MOMENT", 10)
        monkeypatch.setattr(panel, "DEBOUNCE", 10)
        slow.gate.clear()
        readouts.show(double, "a2.h0")
        threading.Timer(0.05, slow.gate.set).start()
        await readouts.caught_up()
        assert not readouts.pending


@pytest.mark.parametrize(
    ("way", "words"),
    [("2", "m0"), ("1", "logits"), ("question_mark", "faithfulness"), ("p", "and")],
)
async def test_it_reaches_what_the_bench_shows(tmp_path: Path, way: str, words: str) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("e", way, "slash")
        await pilot.pause()
        assert isinstance(app.screen, Search)
        app.screen.query_one(Input).value = words
        await pilot.pause()
        assert " of " in str(app.screen.query_one("#found", Static).content)


async def test_the_help_is_searched(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("f1", "slash", *"kullback", "enter")
        await pilot.pause()
        helped = app.screen
        assert isinstance(helped, HelpScreen)
        body = helped.query_one("#help-body")
        shown = helped.search_lines()[body.scroll_offset.y :][: body.size.height]
        assert any("Kullback" in line for line in shown)


async def test_every_dialog_has_its_help(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for key in ("D", "o", "t", "W", "L", "C", "p", "M", "J"):
            await pilot.press(key)
            await pilot.pause()
            assert len(app.screen_stack) == 3, key
            await pilot.press("f1")
            await pilot.pause()
            assert isinstance(app.screen, HelpScreen), key
            await pilot.press("escape", "escape")
            await pilot.pause()
            assert len(app.screen_stack) == 2, key


async def test_prompts_are_searched_through_all_pairs(tmp_path: Path) -> None:
    session = tiny_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        wanted = session.prompts(3).answers[0].strip()
        found = [i for i in range(4) if wanted in "".join(session.prompts(i).clean)]
        await pilot.press("p", "slash", *wanted)
        await pilot.pause()
        dialog = app.screen_stack[-2]
        assert isinstance(dialog, PromptsDialog) and dialog.index == found[0]
        await pilot.press("enter", *["n"] * found.index(3))
        await pilot.pause()
        assert dialog.index == 3
