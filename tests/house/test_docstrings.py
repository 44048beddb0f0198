"""How a docstring begins; that ruff's other rules hold is a matter of `test_house`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.test_house import DOCUMENTED, ROOMS
from tests.support.paths import ROOT

MAX_FIRST_LINE = 88
ENDS = (".", "?", ":")

# Folders whose docstrings are still to be mended.
LATER = (
    "screens/assessment/",
    "screens/bench/",
    "screens/discovery/",
    "workbench/assessment/",
    "workbench/transformer/families/",
)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring of the packages, and where it stands."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                    yield f"{file} {getattr(node, 'name', '')}".strip(), text


def test_a_docstring_begins_with_one_line_that_is_whole() -> None:
    """At most 88 characters that end a sentence; more may follow after an empty line."""
    broken = []
    for where, text in docstrings():
        first, *rest = text.splitlines()
        whole = len(first) <= MAX_FIRST_LINE and first.endswith(ENDS)
        if not (whole and not "".join(rest[:1])) and not where.startswith(LATER):
            broken.append(f"{where}: {first}")
    assert not broken
