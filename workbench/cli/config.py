"""`workbench config`: what the user has set, where it comes from, and what is wrong."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from workbench.cli import console, output
from workbench.cli.options import Json
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.config.config import Config
    from workbench.config.problem import Problem

IN_APP = ("open", "tutorial", "resume")
"""Commands of which the app tells what is wrong with the user's settings."""

WITHOUT = ("config", "report")
"""Commands that heed no settings."""

app = typer.Typer(help="Settings that stay: keys, colours, defaults; where they come from.")


@app.command()
def show(as_json: Json = False) -> int:
    """Show every setting with its value and where it comes from."""
    from workbench.config.catalogue import SETTINGS
    from workbench.config.config import config
    from workbench.config.setting import literal

    settings = config()
    rows = [(name, settings[name], settings.origin(name)) for name in SETTINGS]
    if as_json:
        told = [
            {"name": name, "value": value, "from": vars(origin), "help": SETTINGS[name].help}
            for name, value, origin in rows
        ]
        keys = [
            {"action": wanted.action, "keys": wanted.keys, "from": _origin_of_keys(wanted)}
            for wanted in settings.keys.values()
        ]
        problems = [problem.to_json() for problem in settings.problems]
        output.as_json({"settings": told, "keys": keys, "problems": problems})
        return 0
    lines = [
        (name, "none" if value is None else literal(value), str(origin))
        for name, value, origin in rows
    ]
    lines += [
        (f"keys.{wanted.action}", literal(wanted.keys), _origin_of_keys(wanted))
        for wanted in settings.keys.values()
    ]
    widths = [max(len(line[column]) for line in lines) for column in (0, 1)]
    for name, value, origin in lines:
        output.line(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
    warn(settings)
    return 0


@app.command()
def edit() -> int:
    """Open the file in $VISUAL or $EDITOR, made if there is none; check it afterwards."""
    from workbench.config.change import make
    from workbench.config.config import forget

    path = make()
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise WorkbenchError(f"Neither VISUAL nor EDITOR names an editor; the file is {path}.")
    try:
        ended = subprocess.run([*shlex.split(editor), str(path)]).returncode
    except (OSError, ValueError) as error:
        raise WorkbenchError(f"{editor} cannot be started: {error}; the file is {path}.") from None
    if ended:
        raise WorkbenchError(f"{editor} ended with {ended}; the file is {path}.")
    forget()
    return _checked(as_json=False)


@app.command()
def path() -> None:
    """Print where the file is, or would be."""
    from workbench.base.folders import config_folder
    from workbench.config.config import FILE

    output.line(str(config_folder() / FILE))


@app.command()
def check(as_json: Json = False) -> int:
    """Tell what is wrong, line by line; the exit code is 2 if anything is."""
    return _checked(as_json=as_json)


def _checked(*, as_json: bool) -> int:
    from workbench.cli.launch import problems_on_screen
    from workbench.config.config import config
    from workbench.config.plugin_check import problems_of_plugins

    settings = config()
    found = [*settings.problems, *problems_on_screen(settings), *problems_of_plugins(settings)]
    if as_json:
        output.as_json(
            {"path": str(settings.path), "problems": [problem.to_json() for problem in found]}
        )
    elif not found:
        there = "is all right" if settings.path.exists() else "does not exist: defaults hold"
        output.line(f"{settings.path} {there}.")
    else:
        for problem in found:
            output.line(problem.sentence)
    return console.EXIT_USER if found else 0


def _origin_of_keys(wanted: Any) -> str:
    return f"{wanted.file.path.name}:{wanted.line}"


def warn(settings: Config | None = None) -> None:
    """Tell on stderr what of the settings cannot be followed."""
    from workbench.config.config import config

    problems: list[Problem] = (settings or config()).problems
    for problem in problems:
        console.warn(problem.sentence)


def heeded(group: Any, words: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Let the user's settings hold for a command; returns its defaults as click has them.

    Args:
        words: with the command's name; empty, or another option: no settings are needed.
    """
    if not words or words[0].startswith("-") or words[0] in WITHOUT:
        return {}
    from workbench.config.config import config
    from workbench.plugins import use_files

    if words[0] not in IN_APP:
        warn()
    use_files(config().plugins)
    return _defaults_for(group)


def _defaults_for(group: Any) -> Mapping[str, Mapping[str, Any]]:
    """What holds of the options of commands that take a model and a task."""
    from workbench.config.config import config

    defaults = config().defaults
    found = {}
    for name, command in group.commands.items():
        names = {parameter.name for parameter in command.params}
        if {"model", "task"} <= names:
            found[name] = {key: value for key, value in defaults.items() if key in names}
    return found
