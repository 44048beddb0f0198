"""Changing the user's configuration file: comments, order and whatever else is in it stay."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.base.folders import config_folder
from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes
from workbench.config.catalogue import SETTINGS
from workbench.config.config import FILE, forget
from workbench.config.new_file import commented, new_file
from workbench.config.setting import Setting, literal
from workbench.config.toml_file import TomlFile
from workbench.errors import WorkbenchError


def save(values: Mapping[str, Any], folder: Path | None = None) -> None:
    """Write settings to the file, which is made if there is none.

    Args:
        values: by names of settings, as the file would have them.
        folder: the configuration folder; None: the user's.

    Raises:
        WorkbenchError: a value will not do, the file is broken, or it cannot be written.
    """
    path = (folder or config_folder()) / FILE
    file = TomlFile(path)
    if file.problem is not None:
        raise WorkbenchError(f"Settings are not kept: {file.problem.sentence}")
    text = new_file() if file.missing else file.text
    for name, value in values.items():
        text = _with(text, SETTINGS[name], _checked(SETTINGS[name], value))
    if file.missing or text != file.text:
        write(path, text)


def make(folder: Path | None = None) -> Path:
    """The file, made with all settings commented out if there is none.

    Raises:
        WorkbenchError: it cannot be written.
    """
    path = (folder or config_folder()) / FILE
    if not path.exists():
        write(path, new_file())
    return path


def write(path: Path, text: str) -> None:
    """Write the file whole, and read the settings again when they are next asked for."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or "unknown"
        raise WorkbenchError(
            f"The folder {shown_path(path.parent)} cannot be made: {why}."
        ) from None
    write_bytes(path, text.encode())
    forget()


def _checked(setting: Setting, value: Any) -> Any:
    value = list(value) if isinstance(value, tuple) else value
    try:
        setting.read(value)
    except (ValueError, TypeError):
        raise WorkbenchError(f"{setting.name} has to be {setting.takes}, not {value!r}.") from None
    return value


def _with(text: str, setting: Setting, value: Any) -> str:
    """The text with a setting's value: in its line, in its commented line, or in a new one."""
    import tomlkit  # only those who change something wait for it
    from tomlkit.exceptions import TOMLKitError

    keys = setting.name.split(".")
    with suppress(KeyError, TypeError):
        if _at(tomllib.loads(text), keys) == value:
            return text
    try:
        document = tomlkit.parse(text)
        place: Any = document
        for key in keys[:-1]:
            if key not in place:
                place[key] = tomlkit.table()
            place = place[key]
        if keys[-1] not in place and (uncommented := _uncommented(text, setting, value)):
            return uncommented
        place[keys[-1]] = value
        changed = tomlkit.dumps(document)
        kept = _at(tomllib.loads(changed), keys) == value
    except (TOMLKitError, ValueError, TypeError, KeyError) as error:
        raise WorkbenchError(f"{setting.name} cannot be put into {FILE}: {error}.") from None
    if not kept:
        raise WorkbenchError(f"{setting.name} cannot be put into {FILE} as it is written.")
    return changed


def _uncommented(text: str, setting: Setting, value: Any) -> str | None:
    """The text with the line that stands there as a comment; None: there is none."""
    lines = text.split("\n")
    for n, line in enumerate(lines):
        if line.startswith(commented(setting)):
            lines[n] = f"{commented(setting)[2:]}{literal(value)}"
            changed = "\n".join(lines)
            # A comment of that name in another table would make another setting.
            with suppress(KeyError, TypeError, tomllib.TOMLDecodeError):
                if _at(tomllib.loads(changed), setting.name.split(".")) == value:
                    return changed
            lines[n] = line
    return None


def _at(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values[key]
    return values
