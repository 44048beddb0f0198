"""Config: the value of every setting, and where it comes from.

An environment variable goes before the file, the file before the default. What cannot be followed
is a `Problem`, and the default holds.
"""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.base.folders import config_folder
from workbench.base.home import meant_path
from workbench.config.catalogue import DEFAULTS, KEYS, SETTINGS, TABLES
from workbench.config.layout import Layout
from workbench.config.problem import Problem, nearest
from workbench.config.setting import Setting
from workbench.config.toml_file import TomlFile
from workbench.experiment.settings import ExperimentSettings
from workbench.session.threshold_rule import ThresholdRule

FILE = "config.toml"


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    Attributes:
        kind: what says it.
        name: of the variable, or of the file.
        line: in the file, from 1.
    """

    kind: Literal["default", "file", "environment"]
    name: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        return f"{self.name}:{self.line}" if self.kind == "file" else self.name


@dataclass(frozen=True)
class WantedKeys:
    """The keys that the user wants for an action.

    Attributes:
        action: its id, as it stands in the file.
        keys: one or more, as they are written there.
        file: which says so.
        where: the names that lead to it in the file.
    """

    action: str
    keys: tuple[str, ...]
    file: TomlFile
    where: tuple[str, ...]

    @property
    def line(self) -> int:
        """The line that says so, from 1."""
        return self.file.line(*self.where)

    def problem(self, says: str) -> Problem:
        """That it cannot be followed."""
        return Problem(says, self.file.path, self.line)


class Config:
    """All settings, read once.

    Attributes:
        folder: the user's configuration folder.
        path: of the file, which need not exist.
        values: the value of each setting by its name.
        problems: what cannot be followed.
        keys: the keys that the user wants, by ids of actions.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.path = folder / FILE
        self.problems: list[Problem] = []
        self._file = TomlFile(self.path)
        self._from: dict[str, Literal["file", "environment"]] = {}
        self.values = {name: setting.default for name, setting in SETTINGS.items()}
        if self._file.problem is not None:
            self.problems.append(self._file.problem)
        self._read_file()
        for setting in SETTINGS.values():
            if setting.variable in environment:
                self._read_variable(setting, environment[setting.variable])
        self.keys: dict[str, WantedKeys] = {}
        self._read_keys()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def origin(self, name: str) -> Origin:
        """Where a setting's value comes from."""
        kind = self._from.get(name)
        if kind is None:
            return Origin("default")
        if kind == "environment":
            return Origin(kind, SETTINGS[name].variable)
        return Origin(kind, FILE, self._file.line(*name.split(".")))

    def problem(self, name: str, says: str) -> Problem:
        """That the value of a setting cannot be followed, for a reason known elsewhere."""
        origin = self.origin(name)
        if origin.kind == "file":
            return Problem(says, self.path, origin.line)
        return Problem(f"{origin}: {says}")

    # In the types in which others want them.

    @property
    def layout(self) -> Layout:
        """How the bench's panels share the screen."""
        return Layout(self["layout.more"], self["layout.full"], self["layout.widths"])

    @property
    def threshold(self) -> ThresholdRule:
        """How a session's first threshold is chosen."""
        return ThresholdRule.parse(self["threshold"])

    @property
    def defaults(self) -> dict[str, Any]:
        """What holds where an option is not given, by its name; only what was said."""
        table = DEFAULTS + "."
        return {
            name.removeprefix(table): value
            for name, value in self.values.items()
            if name.startswith(table) and value is not None
        }

    @property
    def plugins(self) -> tuple[str, ...]:
        """`FILE.py:NAME` of the user's plug-ins, with whole paths."""
        return tuple(str(self._beside(value)) for value in self["plugins"])

    @property
    def settings(self) -> ExperimentSettings:
        """What the setup screen begins with; model and task are empty where nothing is said."""
        return ExperimentSettings(**{"model": "", "task": ""} | self.defaults)

    def _beside(self, path: str) -> Path:
        """A path of the file's, which begins in its folder."""
        return self.folder / meant_path(path)

    # Reading.

    def _read_file(self) -> None:
        for keys, value in _leaves(self._file.values):
            name = ".".join(keys)
            if keys[0] == KEYS:
                continue
            setting = SETTINGS.get(name)
            if setting is None:
                self._unknown(keys, value)
                continue
            try:
                self.values[name] = setting.read(value)
                self._from[name] = "file"
            except (ValueError, TypeError):
                says = f"{name} has to be {setting.takes}, not {_short(value)}."
                self.problems.append(Problem(says, self.path, self._file.line(*keys)))

    def _unknown(self, keys: tuple[str, ...], value: Any) -> None:
        name = ".".join(keys)
        if name in TABLES:
            says = f"{name} has to be a table, [{name}], not {_short(value)}."
        else:
            known = [*SETTINGS, *(own.rpartition(".")[2] for own in SETTINGS), *TABLES]
            says = f"there is no setting {name!r}.{nearest(name, known)}"
        self.problems.append(Problem(says, self.path, self._file.line(*keys)))

    def _read_variable(self, setting: Setting, given: str) -> None:
        try:
            value = given if setting.is_text else tomllib.loads(f"value = {given}")["value"]
            self.values[setting.name] = setting.read(value)
            self._from[setting.name] = "environment"
        except (ValueError, TypeError):  # what is not TOML is a ValueError too
            says = f"the environment variable {setting.variable} has to be {setting.takes}, not "
            self.problems.append(Problem(f"{says}{_short(given)}."))

    def _read_keys(self) -> None:
        if self["keymap"] is not None:
            file = TomlFile(self._beside(self["keymap"]))
            if file.missing:
                says = f"there is no file {str(file.path)!r}."
                self.problems.append(self.problem("keymap", says))
            elif file.problem is not None:
                self.problems.append(file.problem)
            inner = file.values.get(KEYS)
            if isinstance(inner, dict):
                self._take_keys(file, inner, (KEYS,))
            self._take_keys(file, {k: v for k, v in file.values.items() if k != KEYS}, ())
        if isinstance(own := self._file.values.get(KEYS, {}), dict):
            self._take_keys(self._file, own, (KEYS,))
        else:
            self._unknown((KEYS,), own)

    def _take_keys(self, file: TomlFile, table: Mapping[str, Any], above: tuple[str, ...]) -> None:
        for names, value in _leaves(
            table, whole=()
        ):  # an id may begin like a setting: effects.view
            where = (*above, *names)
            keys = [value] if isinstance(value, str) else value
            if isinstance(keys, list) and all(isinstance(k, str) and k.strip() for k in keys):
                action = ".".join(names)
                self.keys[action] = WantedKeys(action, tuple(keys), file, where)
            else:
                says = f"{'.'.join(where)} has to be a key or a list of keys, in quotes."
                self.problems.append(Problem(says, file.path, file.line(*where)))


def _leaves(
    values: Mapping[str, Any], above: tuple[str, ...] = (), *, whole: Container[str] = SETTINGS
) -> Iterable[tuple[tuple[str, ...], Any]]:
    """The values with their names; a table goes on, but for one that is `whole`."""
    for name, value in values.items():
        keys = (*above, name)
        known = ".".join(keys)
        if isinstance(value, dict) and known not in whole:
            yield from _leaves(value, keys, whole=whole)
        else:
            yield keys, value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


@functools.cache
def config() -> Config:
    """The user's settings, read when they are first asked for."""
    return Config(config_folder(), os.environ)


def forget() -> None:
    """Read them again when they are next asked for."""
    config.cache_clear()
