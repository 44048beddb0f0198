"""The user's settings in the app: keys and colours put into effect, a chosen theme kept."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.theme import Theme

from screens.base.actions import use_keys
from screens.preferences.keymap import keymap
from screens.preferences.themes import own_themes, theme_problem
from workbench.config.change import save
from workbench.config.config import config
from workbench.errors import WorkbenchError

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
    if unknown is None:
        app.theme = settings["theme"]
    problems = [*settings.problems, *keys.problems, *broken, *filter(None, [unknown])]
    app.theme_changed_signal.subscribe(app, lambda theme: _keep(app, theme))
    if problems:
        told = [problem.sentence for problem in problems[:MOST_TOLD]]
        if len(problems) > MOST_TOLD:
            told.append(f"And {len(problems) - MOST_TOLD} more.")
        told.append("`workbench config check` tells this again.")
        app.call_after_refresh(
            app.notify,
            "\n".join(told),
            title="Settings that do not hold",
            severity="warning",
            timeout=20,
            markup=False,
        )


def _keep(app: App[Any], theme: Theme) -> None:
    """Write a theme that was chosen into the file."""
    if theme.name == config()["theme"]:
        return
    try:
        save({"theme": theme.name})
    except WorkbenchError as error:
        app.notify(str(error), severity="error", timeout=10, markup=False)
