"""TomlFile: a file of TOML, and on which of its lines each value begins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.config.problem import Problem

MOST_BYTES = 1_000_000
"""A file that people write is smaller."""

WHERE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


class TomlFile:
    """What a file says, or why it cannot be read.

    Attributes:
        path: the file; it need not exist.
        values: its tables; empty where it is missing or broken.
        problem: why nothing of it is used; None: it could be read, or is not there.
        missing: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        self.problem: Problem | None = None
        self.missing = False
        self.text = ""
        try:
            if path.stat().st_size > MOST_BYTES:
                self.problem = Problem("it is too large for a file of settings.", path)
                return
            self.text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
            self.values = tomllib.loads(self.text)
        except FileNotFoundError:
            self.missing = True
        except tomllib.TOMLDecodeError as error:
            self.problem = _syntax(str(error), path, self.text)
        except UnicodeDecodeError:
            self.problem = Problem("it is not UTF-8, so nothing of it is used.", path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not a possible path"
            self.problem = Problem(f"it cannot be read: {why}.", path)

    def line(self, *keys: str) -> int:
        """The line, from 1, on which a value or a table begins; 0: it is not there."""
        return self._lines.get(keys, 0)

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        """Begins wherever the file, cut off after a line, is TOML that has one value more.

        So every spelling is known that the parser knows: dotted keys, quotes, many-line values.
        """
        found: dict[tuple[str, ...], int] = {}
        lines = self.text.split("\n")
        after = 0  # the last line of which all before it is understood
        for n in range(1, len(lines) + 1):
            try:
                known = tomllib.loads("\n".join(lines[:n]))
            except tomllib.TOMLDecodeError:
                continue
            for keys in _paths(known):
                found.setdefault(keys, after + 1)
            after = n
        return found


def _paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))


def _syntax(said: str, path: Path, text: str) -> Problem:
    where = WHERE.search(said)
    line = int(where[1]) if where and where[1] else text.count("\n") + 1
    what = WHERE.sub("", said).rstrip(".")
    return Problem(f"this is not TOML ({what}), so nothing of the file is used.", path, line)
