"""The user's settings in the app: keys and colours put into effect, a chosen theme kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from textual.app import App
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme

from screens.base.actions import use_keys
from screens.preferences.keymap import keymap
from screens.preferences.themes import own_themes, theme_problem
from workbench.config.catalogue import DEFAULT_THEME
from workbench.config.change import save
from workbench.config.config import config
from workbench.config.problem import Problem
from workbench.errors import WorkbenchError

SIXTEEN = ("standard", "windows")
"""What Rich calls terminals with sixteen colours."""

MOST_TOLD = 4
"""Problems told at the start; `workbench config check` tells all."""


def take_up(app: App[Any]) -> None:
    """Let the settings hold in the app, and tell what of them cannot be followed."""
    settings = config()
    keys = keymap(settings.keys)
    use_keys(keys.keys)
    app.set_keymap({name: ",".join(its) for name, its in keys.keys.items()})
    themes, broken = own_themes(settings.folder)
    for theme in themes.values():
        app.register_theme(theme)
    unknown = theme_problem(settings, themes)
    chosen = unknown is None and settings.origin("theme").kind != "default"
    app.theme = settings["theme"] if chosen else _usual_theme(app)
    problems = [*settings.problems, *keys.problems, *broken, *filter(None, [unknown])]
    _keep_theme(app)
    if problems:
        _tell(app, problems)


def _tell(app: App[Any], problems: Sequence[Problem]) -> None:
    """Say once what does not hold, on the first screen that stays: toasts go with theirs."""
    told = [problem.sentence for problem in problems[:MOST_TOLD]]
    if len(problems) > MOST_TOLD:
        told.append(f"And {len(problems) - MOST_TOLD} more.")
    told.append("`workbench config check` tells this again.")

    def tell(screen: Screen[Any]) -> None:
        from screens.loading import Loading

        if not told or isinstance(screen, Loading) or type(screen) is Screen:
            return
        said = "\n".join(told)
        told.clear()
        app.call_after_refresh(
            app.notify,
            said,
            title="Settings that do not hold",
            severity="warning",
            timeout=20,
            markup=False,
        )

    app.screen_change_signal.subscribe(app, tell)


def _usual_theme(app: App[Any]) -> str:
    """The theme where none was chosen: with sixteen colours the terminal's own are best."""
    if app.is_headless or app.console.color_system not in SIXTEEN:
        return DEFAULT_THEME
    light = os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    names = ("ansi-light" if light else "ansi-dark", "textual-ansi")  # the last of older releases
    return next((name for name in names if name in BUILTIN_THEMES), DEFAULT_THEME)


def _keep_theme(app: App[Any]) -> None:
    """Write every theme that is chosen from now on into the file."""
    now = app.theme

    def keep(theme: Theme) -> None:
        nonlocal now
        if theme.name == now:
            return
        now = theme.name
        try:
            save({"theme": now})
        except WorkbenchError as error:
            app.notify(str(error), severity="error", timeout=10, markup=False)

    app.theme_changed_signal.subscribe(app, keep)
