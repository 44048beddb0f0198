"""What is drawn can be read: in every built-in theme, on every screen, cell by cell (WCAG 2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from screens.app import WorkbenchApp
from screens.base.colours import is_ansi, readable
from tests.screens.bench.test_bench import settled
from tests.support.contrast import Inked, drawn, ratio
from tests.support.toy_session import toy_session

TEXT, QUIET = 4.5, 3.0
LINES = frozenset("─│╭╮╰╯┌┐└┘├┤┬┴┼━┃┏┓┗┛▁▔▏▕▌▐█▒░·▸ ")
BARS = frozenset("▁▂▃▄▅▆▇█▔▏▎▍▌▋▊▉▕ ")
"""Of a scrollbar: its thumb is a ground, told from the bar's by place and not by ink."""
WAYS = {
    "edges": ("e", "2", "j", "enter", "e", "i", "d"),
    "circuit": ("1",),
    "graph": ("g",),
    "help": ("question_mark",),
    "export": ("o",),
    "model": ("M",),
    "discoveries": ("D",),
    "prompts": ("p",),
    "assessment": ("v",),
    "side by side": ("B",),
    "clusters": ("K",),
    "letters": ("ctrl+g",),
    "palette": ("ctrl+p",),
}
"""How to come to a screen; each is left by escape."""
THEMES = [name for name, theme in BUILTIN_THEMES.items() if not is_ansi(theme)]

pytestmark = pytest.mark.slow

LIGHT = [name for name in THEMES if not BUILTIN_THEMES[name].dark]
DARK = [name for name in THEMES if BUILTIN_THEMES[name].dark]
"""Some on each screen, and each on some; all are measured ink by ink below."""


def rgb(colour: str) -> tuple[int, int, int]:
    return Color.parse(colour).rgb


def too_faint(app: WorkbenchApp) -> list[Inked]:
    """Text below 4.5, lines and what is dim below 3."""
    inks = [rgb(app.theme_variables[name]) for name in app.theme_variables
            if name == "foreground" or (name.startswith("text-")
            and not app.theme_variables[name].startswith("auto"))]  # fmt: skip
    found = []
    for one in drawn(app):
        if BARS.issuperset(one.text):
            continue
        dim = [
            tuple(0.66 * a + 0.34 * b for a, b in zip(ink, one.ground, strict=True)) for ink in inks
        ]
        is_dim = any(max(abs(a - b) for a, b in zip(one.ink, d, strict=True)) <= 2 for d in dim)
        disabled = one.ink == rgb(app.theme_variables["text-disabled"])
        quiet = is_dim or disabled or LINES.issuperset(one.text)
        if one.ratio < (QUIET if quiet else TEXT):
            found.append(one)
    return found


@pytest.mark.slow
async def test_every_theme_is_readable_on_every_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    session, _ = toy_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        for n, (place, keys) in enumerate(WAYS.items()):
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            depth = len(app.screen_stack)
            for name in (*LIGHT[n % 2 :: 2], *DARK[n % 7 :: 7]):
                app.theme = name
                await pilot.pause()
                await pilot.pause()
                faint = too_faint(app)
                assert not faint, (place, name, faint[:3])
            if depth > 2:
                await pilot.press("escape")
                await settled(pilot)


def variables(theme: Theme) -> dict[str, str]:
    given = {**theme.to_color_system().generate(), **theme.variables}
    return readable(given, ansi=is_ansi(theme))


GROUNDS = ("background", "surface", "panel", "block-cursor-blurred-background")


@pytest.mark.parametrize("name", THEMES)
def test_inks_stand_out_from_all_grounds(name: str) -> None:
    made = variables(BUILTIN_THEMES[name])
    for ground in GROUNDS:
        for ink in ("foreground", "text-muted", "text-primary", "text-success", "text-warning",
                    "text-error", "text-accent"):  # fmt: skip
            least = TEXT if ink != "text-muted" or ground != GROUNDS[-1] else QUIET
            assert ratio(rgb(made[ink]), rgb(made[ground])) >= least, (ink, ground)
    for line in ("border", "border-blurred"):
        assert ratio(rgb(made[line]), rgb(made["background"])) >= QUIET
    bar = rgb(made["footer-background"])
    for ink in ("footer-description-foreground", "footer-key-foreground"):
        assert ratio(rgb(made[ink]), bar) >= TEXT


@pytest.mark.parametrize("name", THEMES)
def test_the_row_under_the_cursor_is_told_from_the_others(name: str) -> None:
    made = variables(BUILTIN_THEMES[name])
    assert made["block-cursor-blurred-background"] != made["background"]
    assert ratio(rgb(made["block-cursor-blurred-background"]), rgb(made["background"])) > 1.1


def test_what_is_readable_stays_as_it_is() -> None:
    theme = BUILTIN_THEMES["textual-dark"]
    given = {**theme.to_color_system().generate(), **theme.variables}
    made = variables(theme)
    for name in ("foreground", "text-success", "text-warning", "footer-key-foreground"):
        assert rgb(made[name]) == rgb(given[name]), name


def test_the_worst_of_own_themes_becomes_readable() -> None:
    grey = Theme("grey", primary="#777777", foreground="#7a7a7a", background="#808080",
                 surface="#828282", panel="#7e7e7e", dark=True)  # fmt: skip
    made = variables(grey)
    for ground in ("background", "surface", "panel"):
        assert ratio(rgb(made["foreground"]), rgb(made[ground])) >= TEXT
