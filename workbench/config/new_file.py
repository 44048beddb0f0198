"""The text of a new configuration file: every setting with its sentence, commented out."""

from __future__ import annotations

from textwrap import wrap

from workbench.config.catalogue import KEYS, SETTINGS, TABLES
from workbench.config.setting import Setting, literal

WIDTH = 88

HEAD = """\
Settings of Circuit Workbench. A line begins to hold when the "# " before it is removed;
`workbench config check` tells what is wrong, `workbench config show` where each value comes from.
"""

EXAMPLE_OF_KEYS = """\
# bench.expand = "e"
# bench.undo = ["u", "ctrl+z"]
"""


def new_file() -> str:
    """The text; read back, it changes nothing."""
    parts = [_comment(HEAD.replace("\n", " "))]
    parts += [_lines(setting) for setting in SETTINGS.values() if not setting.table]
    for table, words in TABLES.items():
        parts.append(f"[{table}]\n{_comment(words)}")
        if table == KEYS:
            parts.append(EXAMPLE_OF_KEYS)
        parts += [_lines(setting) for setting in SETTINGS.values() if setting.table == table]
    return "\n".join(parts)


def commented(setting: Setting) -> str:
    """What the line of a setting begins with where it is commented out."""
    return f"# {setting.name.rpartition('.')[2]} = "


def _lines(setting: Setting) -> str:
    return f"{_comment(setting.help)}{commented(setting)}{literal(setting.shown)}\n"


def _comment(words: str) -> str:
    return "".join(f"## {line}\n" for line in wrap(words, WIDTH - 3))
