"""The user's home folder and name, kept out of what is handed on.

Circuit files and reports go to other people. A path in them says `~` for the home folder, which
reads back on the same machine, and no user's name. `keep_paths` leaves them as they are.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_kept = False


def meant_path(text: str | os.PathLike[str]) -> Path:
    """A path as it was typed, with `~` and `~user` as a shell takes them.

    `~name` of nobody's stays as it is, where `Path.expanduser` raises RuntimeError.
    """
    return Path(os.path.expanduser(text))


def keep_paths(kept: bool) -> None:
    """Whether whole paths are written from now on, in this process."""
    global _kept
    _kept = kept


def without_home(value: Any) -> Any:
    """Plain values with `~` in place of the home folder, and no folder of the user's name."""
    if _kept:
        return value
    if isinstance(value, str):
        return _hidden(value) if "/" in value or os.sep in value else value
    if isinstance(value, dict):
        return {key: without_home(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(without_home, value)) if type(value) in (list, tuple) else value
    return value


def _hidden(text: str) -> str:
    home, user = os.path.expanduser("~").rstrip("/\\"), _user()
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?=[/\\]|$)", "~", text)
    if user:
        # A folder of this name in a whole path only: a model's owner on the hub is no path.
        text = re.sub(rf"(?<![\w.~-])(/(?:[^/\s]+/)*){re.escape(user)}(?=/)", r"\1…", text)
    return text


@cache
def _user() -> str:
    import getpass

    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""
