"""The pages of `docs` that are written from the program: options, keys, settings, task files.

`python -m tests.support.reference_pages` writes them anew; a test compares them with what is there.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer

from screens.base.actions import Action
from screens.base.key_names import written
from screens.help.meanings import MEANINGS
from tests.support.paths import ROOT
from tests.support.settings_text import ABOUT_KEYS_AND_THEMES, ABOUT_SETTINGS
from tests.support.task_files_page import TASK_FILES, task_files_page
from workbench.cli.main import app
from workbench.config.catalogue import SETTINGS
from workbench.config.setting import literal

DOCS = ROOT / "docs"
OPTIONS, KEYS, SETTINGS_PAGE = DOCS / "options.md", DOCS / "keys.md", DOCS / "settings.md"

SCREENS = {
    "Setup": "screens.setup.keys",
    "The bench": "screens.bench.keys",
    "The readouts": "screens.readouts.keys",
    "The graph": "screens.graph.keys",
    "The assessment": "screens.assessment.keys",
    "Effects of nodes": "screens.effects.keys",
    "Between tokens": "screens.flow.keys",
    "Circuits side by side": "screens.side_by_side.keys",
    "The history": "screens.history.keys",
    "The pairs one by one": "screens.bench.pair_keys",
    "The prompt bench": "screens.prompt_bench.keys",
    "Clusters": "screens.clusters.keys",
    "The heads": "screens.heads.keys",
    "Neurons": "screens.neurons.keys",
    "Interventions": "screens.interventions.keys",
    "A sweep": "screens.sweep.keys",
    "Jobs": "screens.jobs.keys",
    "Results of discoveries": "screens.discovery.keys",
    "The setup": "screens.setup.keys",
    "Lists and dialogs": "screens.widgets.keys",
    "The tutorial, on the bench and the graph": "screens.tutorial.keys",
}
"""Title -> the module whose `Action`s are the screen's."""


def options_page() -> str:
    """Every command with its arguments and options, as `--help` says them."""
    lines = [
        "# Commands and their options",
        "",
        "What `workbench COMMAND --help` says, on one page. [commands.md](commands.md) leads",
        "through them with examples.",
    ]
    for name, command in commands(typer.main.get_command(app), ()):
        lines += ["", f"## workbench {name}", "", _sentence(command.help)]
        rows = [(_written(parameter), _told(parameter)) for parameter in command.params]
        if rows:
            lines += ["", "| | |", "| --- | --- |"]
            lines += [f"| {written} | {told} |" for written, told in rows]
    return "\n".join(lines) + "\n"


def keys_page() -> str:
    """Every key of every screen with its sentence."""
    lines = [
        "# Keys",
        "",
        "What `?` says on each screen, on one page; ctrl+p finds every action by its name. Lists",
        "move with the arrows or `j` and `k`, pages with PgUp and PgDn, Home and End go to the",
        "ends, `/` searches in whatever has the focus, `n` and `N` go on from match to match, and",
        "dialogs close with esc. A key means the same wherever it is pressed:",
        "",
        "| key | |",
        "| --- | --- |",
        *(f"| {_cell(meaning.shown)} | {_cell(meaning.words)} |" for meaning in MEANINGS.values()),
    ]
    lines += [
        "",
        "The last column has the ids by which [settings.md](settings.md#keys) gives an action",
        "other keys.",
    ]
    before: list[Action] = []
    for title, module in SCREENS.items():
        lines += ["", f"## {title}"]
        found = [action for action in actions(module) if action not in before]
        before += found
        for group in dict.fromkeys(action.group for action in found):
            lines += ["", f"### {group}", "", "| key | | id |", "| --- | --- | --- |"]
            lines += [
                f"| {_cell(_keys(a))} | {_cell(a.help)} | {f'`{a.id}`' if a.id else ''} |"
                for a in found
                if a.group == group
            ]
    return "\n".join(lines) + "\n"


def _keys(action: Action) -> str:
    """The keys of this action alone: a footer may name its opposite's with them."""
    return " ".join(written(key) for key in action.own_keys.split(","))


def settings_page() -> str:
    """Every setting of the configuration file, between what is said of all of them."""
    lines = [ABOUT_SETTINGS.strip(), "", "| setting | default | |", "| --- | --- | --- |"]
    for name, setting in SETTINGS.items():
        default = "" if setting.default is None else f"`{literal(setting.default)}`"
        takes = setting.takes[:1].upper() + setting.takes[1:]
        lines.append(f"| `{name}` | {default} | {_cell(f'{setting.help} {takes}.')} |")
    lines += ["", ABOUT_KEYS_AND_THEMES.strip()]
    return "\n".join(lines) + "\n"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Every command below this one with its name; groups give way to what is in them."""
    below = getattr(command, "commands", {})
    for name, inner in below.items():
        yield from commands(inner, (*path, name))
    if path and not below and not command.hidden:
        yield " ".join(path), command


def actions(module: str) -> list[Action]:
    """The actions that stand in a module's lists, each once, with its id if one list gives it."""
    values = vars(importlib.import_module(module)).values()
    found = [item for value in values if isinstance(value, tuple) for item in value]
    every = list(dict.fromkeys(item for item in found if isinstance(item, Action)))
    scoped = {(action.name, action.own_keys) for action in every if action.id}
    return [one for one in every if one.id or (one.name, one.own_keys) not in scoped]


def _written(parameter: Any) -> str:
    options = [*parameter.opts, *parameter.secondary_opts]
    if not options[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{option}`" for option in options)


def _told(parameter: Any) -> str:
    told = _cell(" ".join((getattr(parameter, "help", None) or "").split()))
    kind = getattr(parameter, "type", None) or getattr(parameter, "param_type", None)
    choices = getattr(kind, "choices", None)
    if choices and not any(str(choice) in told for choice in choices):
        told += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    default = parameter.default
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        told += f" Default: {default}."
    return told.strip()


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("[default", "\\[default")


if __name__ == "__main__":
    OPTIONS.write_text(options_page(), encoding="utf-8")
    KEYS.write_text(keys_page(), encoding="utf-8")
    SETTINGS_PAGE.write_text(settings_page(), encoding="utf-8")
    TASK_FILES.write_text(task_files_page(), encoding="utf-8")
