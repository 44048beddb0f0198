"""The help says what the keys do, because it asks the bindings."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from screens.base.marks import SETTINGS, TREE_LEGEND
from screens.bench import keys
from screens.bench.circuit_tree import CircuitTree
from screens.graph import keys as graph_keys
from screens.graph.screen import GraphScreen
from screens.help.glossary import numbers
from screens.help.key_table import EVERYWHERE, HERE, SCREEN, SIDEWAYS, KeyRow, key_table, written
from screens.help.screen import HelpScreen, help_text
from screens.readouts.panel import Readouts
from tests.support.tiny_sessions import Host, tiny_session


class Panel(Widget, can_focus=True):
    HELP = """
A panel to **test** with
over two lines.

- first item
- second item
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next row", show=False),
        Binding("x", "remove", "cut", tooltip="Cut this row out.", show=False),
        Binding("full_stop", "near", "Near", show=False),
        Binding("z", "silent", show=False),
    ]

    def action_near(self) -> None: ...
    def action_move(self, by: int) -> None: ...
    def action_remove(self) -> None: ...


class Below(Screen[None]):
    HELP = "The screen around the panel."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("full_stop,n", "far", "Far", show=False),
        Binding("o", "off", "Switched off", show=False),
        Binding("question_mark", "help", "Help", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        task = SimpleNamespace(metric="prob_diff", metric_definition="this less that")
        self.session = SimpleNamespace(task=task)

    def compose(self) -> ComposeResult:
        yield Panel()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "off"

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen("panel"))


class Helped(App[None]):
    def on_mount(self) -> None:
        self.animation_level = "none"
        self.push_screen(Below())


def shown(app: App[Any]) -> str:
    return str(app.screen.query_one("#help-text", Static).content)


async def test_keys_are_those_that_act() -> None:
    app = Helped()
    async with app.run_test() as pilot:
        await pilot.pause()
        rows = key_table(app.screen.active_bindings)
        assert rows[:3] == [
            KeyRow(HERE, ("↓", "j"), "Next row."),
            KeyRow(HERE, ("x",), "Cut this row out."),
            KeyRow(HERE, (".",), "Near."),
        ]
        # The panel's point hides the screen's; a switched-off action has no key; neither has a
        # binding that says nothing of itself.
        assert KeyRow(SCREEN, ("n",), "Far.") in rows
        assert not any("Switched off" in row.does for row in rows)
        assert not any("z" in row.keys for row in rows)
        sections = [row.section for row in rows]
        assert sections == sorted(sections, key=[HERE, SCREEN, EVERYWHERE].index)


async def test_the_help_explains_panel_screen_and_numbers() -> None:
    app = Helped()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        text = shown(app)
        assert text.startswith(
            "A panel to test with over two lines.\n\n• first item\n• second item\n"
        )
        assert "The screen around the panel." in text
        assert "prob_diff: this less that." in text.replace("\n", " ").replace("  ", "")
        for words, _ in SETTINGS.values():
            assert words in text
        for mark in TREE_LEGEND:
            assert f"\n{mark} " in text
        for key in ("escape", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, Below if key == "escape" else HelpScreen)


async def test_the_help_scrolls_to_its_end_at_80x24() -> None:
    app = Helped()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        body = app.screen.query_one("#help-body")
        assert body.max_scroll_y > 0
        await pilot.press("j", "pagedown", "k")
        assert body.scroll_offset.y > 1
        await pilot.press("G")
        await pilot.pause()
        assert body.scroll_offset.y == body.max_scroll_y
        await pilot.press("home")
        await pilot.pause()
        assert body.scroll_offset.y == 0


@pytest.mark.parametrize("width", [30, 40, 60, 76, 100])
def test_no_line_is_too_wide(width: int) -> None:
    rows = [KeyRow(HERE, ("PgDn", "space", "^f"), "A long sentence about what this does. " * 3)]
    text = help_text([Panel.HELP, "word " * 60], rows, numbers("kl", "A definition."), width)
    for line in text.plain.splitlines():
        assert len(line) <= width


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("ctrl+b", "^b"),
        ("full_stop", "."),
        ("less_than_sign", "<"),
        ("slash", "/"),
        ("question_mark", "?"),
        ("f1", "F1"),
        ("shift+tab", "⇧tab"),
        ("G", "G"),
        ("pagedown", "PgDn"),
        ("left_square_bracket", "["),
    ],
)
def test_keys_are_written_as_people_write_them(key: str, shown: str) -> None:
    assert written(key) == shown


@pytest.mark.parametrize("make", ["graph", "readouts"])
async def test_every_key_of_our_panels_is_explained(tmp_path: Path, make: str) -> None:
    session = tiny_session(tmp_path)

    class Ours(App[None]):
        def compose(self) -> ComposeResult:
            if make == "readouts":
                yield Readouts()

        def on_mount(self) -> None:
            if make == "graph":
                self.push_screen(GraphScreen(session))

    app = Ours()
    async with app.run_test() as pilot:
        await pilot.pause()
        if make == "readouts":
            app.query_one(Readouts).focus()
            await pilot.pause()
        active = app.screen.active_bindings
        ours = [
            key
            for key, found in active.items()
            if type(found.node).__module__.startswith("screens.")
            and "super+" not in key
            and found.binding.action not in SIDEWAYS  # nothing is beside what is seen
        ]
        rows = key_table(active)
        explained = {key for row in rows for key in row.keys}
        assert ours
        assert {written(key) for key in ours} <= explained
        for row in rows:
            assert re.fullmatch(r"[A-Z].*\.", row.does), row


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_snapshot(snap_compare: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    class Ours(App[None]):
        def on_mount(self) -> None:
            self.push_screen(GraphScreen(tiny_session(tmp_path)))

    async def run(pilot: Pilot[Any]) -> None:
        await pilot.press("question_mark")
        await pilot.pause()

    assert snap_compare(Ours(), terminal_size=size, run_before=run)


async def test_a_panel_that_says_nothing_of_itself_is_explained_by_its_name() -> None:
    class Silent(App[None]):
        def on_mount(self) -> None:
            self.push_screen(HelpScreen("candidates"))

    app = Silent()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert shown(app).startswith("All edges that could feed the chosen node.")


async def test_no_key_is_told_that_moves_nothing() -> None:
    """A list shows its rows as wide as it is: nothing is beside them, whatever its size says."""
    app = Host(CircuitTree)
    async with app.run_test(size=(80, 16)) as pilot:
        tree = app.query_one(CircuitTree)
        tree.focus()
        await pilot.pause()
        tree.virtual_size = Size(100, 100)
        assert tree.max_scroll_x > 0
        told = {key for row in key_table(app.screen.active_bindings) for key in row.keys}
        assert "PgDn" in told and not told & {"^PgUp", "^PgDn", "⇧←", "⇧→"}


async def test_actions_of_one_name_are_those_of_the_screen_below(tmp_path: Path) -> None:
    class Ours(App[None]):
        def on_mount(self) -> None:
            self.push_screen(GraphScreen(tiny_session(tmp_path)))

    app = Ours()
    async with app.run_test() as pilot:
        await pilot.pause()
        sections = {row.keys[0]: row.section for row in key_table(app.screen.active_bindings)}
    assert sections["u"] == graph_keys.GROUPS
    assert sections["J"] == graph_keys.DRAWING
    bench = {action.name: action.group for action in keys.ACTIONS}
    assert bench["undo"] != graph_keys.GROUPS
