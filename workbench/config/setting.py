"""Setting: one thing that the user's configuration file may say, with its check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

VARIABLE = "WORKBENCH_"
"""What the environment variable of every setting begins with."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: as it stands in the file, `table.name` in a table.
        default: what holds where nothing is said; None: nothing does.
        takes: what it has to be, in words that follow "has to be".
        help: one sentence.
        read: makes its value of the file's; raises ValueError or TypeError where that will not do.
        example: what a new file shows, commented out, where the default is nothing to show.
        is_text: whether its value is text, which an environment variable gives as it is.
    """

    name: str
    default: Any
    takes: str
    help: str
    read: Callable[[Any], Any]
    example: Any = None
    is_text: bool = True

    @property
    def variable(self) -> str:
        """The environment variable that goes before the file."""
        return VARIABLE + self.name.upper().replace(".", "_")

    @property
    def table(self) -> str:
        """The table of the file in which it stands; empty: in none."""
        return self.name.rpartition(".")[0]

    @property
    def shown(self) -> Any:
        """What a new file shows: the default, or an example where there is none."""
        return self.default if self.example is None else self.example


def text(
    name: str, help: str, *, default: str | None = None, example: str | None = None
) -> Setting:
    """A setting that is any text."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return value

    return Setting(name, default, "text in quotes", help, read, example)


def one_of(
    name: str,
    help: str,
    choices: Callable[[], Collection[str]],
    *,
    default: str | None = None,
    example: str | None = None,
    listed: str = "",
) -> Setting:
    """A setting that is one of some names.

    Args:
        choices: the names, asked for when there is a value to check.
        listed: the names in words; empty: `choices` are asked for them, and must be at hand.
    """

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices():
            raise ValueError
        return value

    words = listed or ", ".join(f'"{choice}"' for choice in choices())
    return Setting(name, default, f"one of {words}", help, read, example)


def matching(
    name: str, help: str, pattern: str, takes: str, *, example: str, default: str | None = None
) -> Setting:
    """A setting that is text of some form."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError
        return value

    return Setting(name, default, takes, help, read, example)


def whole(name: str, help: str, *, least: int, default: int | None, example: int) -> Setting:
    """A setting that is a whole number, `least` or more."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError
        return value

    takes = f"a whole number, {least} or more"
    return Setting(name, default, takes, help, read, example, is_text=False)


def switch(name: str, help: str, *, default: bool = False) -> Setting:
    """A setting that is true or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError
        return value

    return Setting(name, default, "true or false", help, read, is_text=False)


def texts(
    name: str, help: str, pattern: str, takes: str, *, example: Sequence[str] = ()
) -> Setting:
    """A setting that is a list of texts of some form."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(
            isinstance(item, str) and re.fullmatch(pattern, item) for item in value
        ):
            raise ValueError
        return tuple(value)

    return Setting(name, (), takes, help, read, list(example), is_text=False)


def literal(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
