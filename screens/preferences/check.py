"""What of the user's settings the screens cannot follow: keys, colours."""

from __future__ import annotations

from screens.preferences.keymap import keymap
from screens.preferences.themes import own_themes, theme_problem
from workbench.config.config import Config
from workbench.config.problem import Problem


def problems(settings: Config) -> list[Problem]:
    """One for each key and theme that will not do."""
    themes, broken = own_themes(settings.folder)
    return [
        *keymap(settings.keys).problems,
        *broken,
        *filter(None, [theme_problem(settings, themes)]),
    ]
