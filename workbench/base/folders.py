"""Where the user's files lie: sessions, settings, and what was converted."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

CACHE_VARIABLE = "WORKBENCH_CACHE"
"""Environment variable that names another cache folder."""

CONFIG_VARIABLE = "WORKBENCH_CONFIG"
"""Environment variable that names another configuration folder."""

STATE_VARIABLE = "WORKBENCH_STATE"
"""Environment variable that names another state folder."""


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can look into, with those above it.

    A folder of the state that others may look into, from an earlier version, is closed to them.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = state_folder()
    for one in {state, folder}:
        if is_private(one) and one.is_dir() and one.stat().st_mode & 0o077:
            with suppress(OSError):  # somebody else's, or a disk that knows no such rights
                one.chmod(0o700)


def is_private(path: Path) -> bool:
    """Whether a path is the state folder or lies in it."""
    state = Path(os.path.abspath(state_folder()))
    return state in (given := Path(os.path.abspath(path)), *given.parents)


def state_folder() -> Path:
    """The folder for what outlives a session; it need not exist yet."""
    if override := os.environ.get(STATE_VARIABLE):
        return Path(override)
    from platformdirs import user_state_path

    return user_state_path("circuit-workbench", appauthor=False)


def sessions_folder() -> Path:
    """Where sessions' journals are kept."""
    return state_folder() / "sessions"


def trash_folder() -> Path:
    """Where deleted sessions are moved to; nothing but the user empties it."""
    return state_folder() / "trash"


def new_journal_path(model: str, task: str) -> Path:
    """A name that no other session has: time, model, task and four random letters."""
    when = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    words = [
        re.sub(r"[^A-Za-z0-9.-]+", "-", Path(word).stem)[:30].strip("-.") for word in (model, task)
    ]
    return sessions_folder() / (
        "-".join([when, *filter(None, words), secrets.token_hex(2)]) + ".jsonl"
    )


def config_folder() -> Path:
    """The folder of `config.toml` and of themes; it need not exist."""
    if override := os.environ.get(CONFIG_VARIABLE):
        return Path(override)
    from platformdirs import user_config_path

    return user_config_path("circuit-workbench", appauthor=False)


def cache_folder() -> Path:
    """The folder for converted models; it need not exist yet."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override) / "models"
    from platformdirs import user_cache_path

    return user_cache_path("circuit-workbench", appauthor=False) / "models"
