"""Keys that the user chose: what they do, where they are shown, and which cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.widgets import Static

from screens.app import WorkbenchApp
from screens.base.actions import use_keys
from screens.base.key_names import read_key, written
from screens.bench.screen import BenchScreen
from screens.help.screen import HelpScreen
from screens.palette.entries import entries
from screens.preferences.keymap import PLACES, actions_by_id, keymap
from screens.widgets.key_bar import KeyBar
from tests.screens.bench.test_bench import settled
from tests.support.reference_pages import SCREENS, actions
from tests.support.toy_session import toy_session
from workbench.config.config import Config, forget


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Config]]:
    """Writes a configuration file, which then is the user's."""
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))

    def write(text: str) -> Config:
        (tmp_path / "config.toml").write_text(text)
        forget()
        return Config(tmp_path, {})

    forget()
    yield write
    forget()
    use_keys({})


Say = Callable[[str], Config]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("e", "e"), ("E", "E"), ("?", "question_mark"), (",", "comma"), ("+", "plus"),
        (" ", "space"), ("space", "space"), ("full_stop", "full_stop"), ("F2", "f2"),
        ("^n", "ctrl+n"), ("Ctrl+N", "ctrl+n"), ("ctrl+shift+up", "ctrl+shift+up"),
        ("shift+e", "E"), ("PgDn", "pagedown"), ("esc", "escape"), ("⏎", "enter"), ("é", "é"),
        ("[", "left_square_bracket"), ("^right", "ctrl+right"),
    ],
)  # fmt: skip
def test_a_key_is_read_as_people_write_it(text: str, key: str) -> None:
    assert read_key(text) == key


@pytest.mark.parametrize("text", ["", "  ", "alt+x", "enterr", "hyper+x", "ctrl+", "xy"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_key(text)


def test_what_is_shown_of_a_key_can_be_written_in_a_keymap() -> None:
    for action in actions_by_id().values():
        for key in action.own_keys.split(","):
            assert read_key(written(key)) == key, (action.id, key)


def test_ids_are_told_apart_and_last() -> None:
    tables = dict.fromkeys(table for place in PLACES.values() for table in place)
    ids = [action.id for table in tables for action in table]
    assert len(set(ids)) == len(ids)
    assert {"bench.expand", "bench.panel_circuit", "list.down", "proposal.accept"} <= set(ids)
    assert {"tutorial.next", "readouts.next_view", "graph.pick", "confirm.yes"} <= set(ids)


def test_every_action_of_the_page_of_keys_can_have_other_keys() -> None:
    ids = {action.id for module in SCREENS.values() for action in actions(module)}
    assert ids - {""} <= set(actions_by_id())


@pytest.mark.parametrize("screen", ["effects", "flow", "heads", "neurons", "prompt_bench"])
def test_a_screen_may_be_called_as_a_setting(say: Say, screen: str) -> None:
    found = keymap(say(f'[keys]\n{screen}.help = "f9"\n').keys)
    assert found.keys == {f"{screen}.help": ("f9",)} and not found.problems


def test_without_a_keymap_nothing_clashes() -> None:
    found = keymap({})
    assert not found.keys and not found.problems


def test_problems_name_the_file_the_line_the_key_and_both_ids(say: Say) -> None:
    config = say(
        "[keys]\n"
        'bench.expandd = "x"\n'
        'bench.undo = "enterr"\n'
        'bench.redo = "esc"\n'
        'bench.filter = "%"\n'
        'bench.sort = ["%", "F5"]\n'
        'list.down = "u"\n'
        'bench.setting = "alt+m"\n'
        'bench.inputs = ["F8", "f9", "f8"]\n'
    )
    found = keymap(config.keys)
    assert found.keys == {"bench.filter": ("percent_sign",), "bench.inputs": ("f8", "f9")}
    told = {problem.line: problem.sentence for problem in found.problems}
    assert "there is no action 'bench.expandd'. Did you mean 'bench.expand'?" in told[2]
    assert "'enterr' is no key. Did you mean 'enter'?" in told[3]
    assert "'esc' goes back everywhere" in told[4]
    assert "bench.sort and bench.filter would both have the key '%'" in told[6]
    assert "list.down and bench.undo would both have the key 'u' in the circuit" in told[7]
    assert "alt" in told[8]
    assert all(sentence.startswith("config.toml, line ") for sentence in told.values())


def test_two_keys_can_be_exchanged(say: Say) -> None:
    config = say('[keys]\nbench.undo = "e"\nbench.expand = "u"\n')
    found = keymap(config.keys)
    assert not found.problems
    assert found.keys == {"bench.undo": ("e",), "bench.expand": ("u",)}


def test_a_key_that_is_given_back_takes_what_came_in_its_place_back_too(say: Say) -> None:
    """`undo` gets q only as long as `quit` has another; that one is refused, so both stay."""
    config = say('[keys]\nbench.undo = "q"\nbench.quit = "e"\n')
    found = keymap(config.keys)
    assert not found.keys
    assert [problem.line for problem in found.problems] == [3, 2]


async def test_the_app_hears_and_shows_the_users_keys(say: Say, tmp_path: Path) -> None:
    say('[keys]\nbench.expand = ["x", "F6"]\nbench.drop_all = "e"\nlist.down = ["down", "f7"]\n')
    session, _ = toy_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        bench = app.screen
        assert isinstance(bench, BenchScreen)
        assert not [n for n in app._notifications if "config" in n.message]
        await pilot.press("x")
        await settled(pilot)
        assert session.status().edges > 0
        assert bench.panels.tree_rows.index == 0
        await pilot.press("j")  # nobody's now
        assert bench.panels.tree_rows.index == 0
        await pilot.press("f7")
        assert bench.panels.tree_rows.index == 1
        footer = bench.query_one("#keys", KeyBar).render_line(0).text
        assert "x expand" in footer
        titles = [entry.title for entry in entries(app, bench)]
        assert "Expand the node (x)" in titles and "Drop all edges (e)" in titles
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        keys = {row.does.split(":")[0]: row.keys for row in app.screen._keys}
        assert keys["Expand the chosen node"] == (
            "x", "F6"
        )  # fmt: skip
        assert keys["Go down a line."] == ("↓", "F7")
        assert app.screen.query_one("#help-text", Static)


async def test_another_app_has_its_own_keys_again(say: Say, tmp_path: Path) -> None:
    say('[keys]\nbench.expand = "x"\nbench.drop_all = "e"\n')
    for text, key in (("", "e"), ('[keys]\nbench.expand = "F9"\n', "f9")):
        say(text)
        folder = tmp_path / key
        folder.mkdir()
        session, _ = toy_session(folder)
        app = WorkbenchApp(session=session)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot)
            await pilot.press(key)
            await settled(pilot)
            assert session.status().edges > 0


async def test_what_does_not_hold_is_told_once_and_the_app_starts(say: Say, tmp_path: Path) -> None:
    say('them = 1\ntheme = "nrd"\n[keys]\nbench.undo = "e"\n')
    session, _ = toy_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        [told] = [n.message for n in app._notifications if "config.toml" in n.message]
        assert "there is no setting 'them'. Did you mean 'theme'?" in told
        assert "there is no theme 'nrd'. Did you mean 'nord'?" in told
        assert "bench.undo and bench.expand would both have the key 'e'" in told
        await pilot.press("e")
        await settled(pilot)
        assert session.status().edges > 0 and app.theme == "textual-dark"
