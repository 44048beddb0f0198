"""Themes of the user's own, and a chosen theme that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.preferences.check import problems
from screens.preferences.theme_chooser import ThemeChooser
from screens.preferences.themes import own_themes
from tests.screens.bench.test_bench import settled
from tests.support.toy_session import toy_session
from workbench.config.config import Config, forget

MINE = 'primary = "#268bd2"\nbackground = "#002b36"\nforeground = "#93a1a1"\ndark = true\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    (tmp_path / "themes").mkdir()
    forget()
    yield tmp_path
    forget()


def test_a_theme_is_called_as_its_file_or_as_it_says(folder: Path) -> None:
    (folder / "themes" / "mine.toml").write_text(MINE)
    (folder / "themes" / "other.toml").write_text(f'name = "night"\n{MINE}')
    themes, broken = own_themes(folder)
    assert list(themes) == ["mine", "night"] and not broken
    assert themes["night"].name == "night" and themes["mine"].background == "#002b36"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('primary = "#268bd2"\nprimery = "red"\n', 2, "no field 'primery'. Did you mean 'primary'"),
        ('primary = "#xyz"\n', 1, "primary has to be a colour"),
        ("primary = 3\n", 1, "primary has to be a colour"),
        ('background = "#000000"\n', 0, "has to have the colour 'primary'"),
        ('primary = "red"\ndark = "yes"\n', 2, "dark has to be true or false"),
        ('primary = "red"\ntext_alpha = 7\n', 2, "text_alpha has to be a number from 0 to 1"),
        ('primary = "red"\nvariables = 7\n', 2, "variables has to be a table"),
        ('primary = "red"\n[variables]\na = 7\n', 2, "variables has to be a table of texts"),
        ('primary = "red"\nname = "nord"\n', 2, "there is a theme 'nord' already"),
        ("primary = \n", 1, "not TOML"),
    ],
)
def test_a_bad_theme_is_one_sentence_with_its_line(
    folder: Path, text: str, line: int, says: str
) -> None:
    (folder / "themes" / "mine.toml").write_text(text)
    themes, [problem] = own_themes(folder)
    assert not themes and problem.line == line
    assert problem.sentence.startswith("mine.toml") and says in problem.sentence
    assert [p.sentence for p in problems(Config(folder, {}))] == [problem.sentence]


def test_an_unknown_theme_is_told_with_the_nearest(folder: Path) -> None:
    (folder / "config.toml").write_text('\ntheme = "solarized"\n')
    [problem] = problems(Config(folder, {}))
    assert problem.line == 2 and "Did you mean 'solarized-" in problem.sentence
    [problem] = problems(Config(folder, {"WORKBENCH_THEME": "nrd"}))
    assert problem.sentence == "WORKBENCH_THEME: there is no theme 'nrd'. Did you mean 'nord'?"


async def test_a_theme_chosen_in_the_app_is_kept(folder: Path) -> None:
    (folder / "themes" / "mine.toml").write_text(MINE)
    (folder / "themes" / "bad.toml").write_text("primary = 1\n")
    (folder / "config.toml").write_text('# mine\ntheme = "nord" # cold\neffects = "along"\n')
    session, _ = toy_session(folder)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        bench = await settled(pilot)
        assert app.theme == "nord" and bench.view.setting == "along"
        assert "mine" in app.available_themes and "bad" not in app.available_themes
        [told] = [n.message for n in app._notifications if "bad.toml" in n.message]
        assert "line 1: primary has to be a colour" in told
        app.theme = "mine"
        await pilot.pause()
        await pilot.pause()
    kept = '# mine\ntheme = "mine" # cold\neffects = "along"\n'
    assert (folder / "config.toml").read_text() == kept
    assert Config(folder, {})["theme"] == "mine" and not Config(folder, {}).problems


async def test_starting_writes_nothing(folder: Path) -> None:
    session, _ = toy_session(folder)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.pause()
    assert not (folder / "config.toml").exists()


async def test_a_file_that_cannot_be_written_is_told(folder: Path) -> None:
    session, _ = toy_session(folder)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        (folder / "config.toml").mkdir()
        app.theme = "dracula"
        await pilot.pause()
        await pilot.pause()
        assert [n for n in app._notifications if "Settings are not kept" in n.message]
        assert app.theme == "dracula"


async def test_the_chooser_takes_themes_one_after_the_other() -> None:
    app = WorkbenchApp()
    async with app.run_test(size=(80, 24)) as pilot:
        before = app.theme
        app.search_themes()
        await pilot.pause()
        chooser = app.screen_stack[-1]
        assert isinstance(chooser, ThemeChooser) and chooser.chosen == before
        words = chooser.words
        await pilot.press(*"solarized-l", "enter")
        await pilot.pause()
        assert app.theme == "solarized-light" and app.screen_stack[-1] == chooser
        assert "● now" in words("solarized-light")
        await pilot.press("home", *["delete"] * 12, "escape")
        await pilot.pause()
        assert app.theme == "solarized-light" and app.screen_stack[-1] != chooser
