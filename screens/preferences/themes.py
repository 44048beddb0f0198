"""Themes of the user's own: files of TOML in the folder `themes` beside `config.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from workbench.config.config import Config
from workbench.config.problem import Problem, nearest
from workbench.config.toml_file import TomlFile

FOLDER = "themes"
COLOURS = (
    "primary", "secondary", "warning", "error", "success", "accent",
    "foreground", "background", "surface", "panel", "boost",
)  # fmt: skip
"""Fields of a theme that are colours; only the first has to be there."""
NAMES = tuple(field.name for field in fields(Theme))
NUMBERS = ("luminosity_spread", "text_alpha")


def own_themes(folder: Path) -> tuple[dict[str, Theme], list[Problem]]:
    """The user's themes by their names, and what is wrong with those that cannot be had.

    Args:
        folder: the configuration folder.
    """
    found: dict[str, Theme] = {}
    problems: list[Problem] = []
    try:
        paths = sorted((folder / FOLDER).glob("*.toml"))
    except OSError:
        paths = []
    for path in paths:
        file = TomlFile(path)
        broken = [file.problem] if file.problem is not None else _problems(file)
        name = file.values.get("name", path.stem)
        if not broken and name in {**BUILTIN_THEMES, **found}:
            line = file.line("name")
            broken = [Problem(f"there is a theme {name!r} already: name it otherwise.", path, line)]
        if broken:
            problems += broken
        else:
            found[name] = Theme(**{"name": path.stem, **file.values})
    return found, problems


def theme_problem(settings: Config, own: Mapping[str, Theme]) -> Problem | None:
    """That the theme of the settings is none; None: it is one."""
    name = settings["theme"]
    known = {**BUILTIN_THEMES, **own}
    if name in known:
        return None
    return settings.problem("theme", f"there is no theme {name!r}.{nearest(name, known)}")


def _problems(file: TomlFile) -> list[Problem]:
    found = []
    for name, value in file.values.items():
        says = _complaint(name, value)
        if says:
            found.append(Problem(says, file.path, file.line(name)))
    if "primary" not in file.values:
        found.append(Problem("a theme has to have the colour 'primary'.", file.path))
    return found


def _complaint(name: str, value: Any) -> str:
    """What is wrong with a field; empty: nothing."""
    if name not in NAMES:
        return f"a theme has no field {name!r}.{nearest(name, NAMES)}"
    if name in COLOURS:
        return "" if _is_colour(value) else f'{name} has to be a colour such as "#268bd2".'
    if name in NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and 0 <= value <= 1 else f"{name} has to be a number from 0 to 1."
    if name == "variables":
        fine = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        return "" if fine else "variables has to be a table of texts."
    if name == "name":
        return "" if isinstance(value, str) and value.strip() else "name has to be a text."
    return "" if isinstance(value, bool) else f"{name} has to be true or false."


def _is_colour(value: Any) -> bool:
    try:
        Color.parse(value)
    except (ColorParseError, TypeError, AttributeError):
        return False
    return isinstance(value, str)
