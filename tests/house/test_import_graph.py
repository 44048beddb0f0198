"""The imports between modules: none leads back, whether lazy, for types alone or plain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

ROOTS = ("screens", "workbench", "tasks")
"""The packages whose imports are followed."""


def modules(roots: tuple[str, ...] = ROOTS) -> dict[str, Path]:
    """Every module of these packages by its name; a package is its `__init__`."""
    found = {}
    for root in roots:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports anywhere: at its top, inside functions, for types alone.

    `from package import module` is an import of the module, not of the package, whose `__init__`
    is only passed through.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module


def import_graph(roots: tuple[str, ...] = ROOTS) -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    known = modules(roots)
    return {name: set(imported(path, known)) for name, path in known.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components (Tarjan 1972) but for single modules that do not import
    themselves.
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1 or name in graph[name]:
                found.append(sorted(component))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"e"}, "f": {"a"}}
    assert sorted(circles(graph)) == [["a", "b", "c"], ["e"]]


def test_lazy_and_type_only_imports_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from room.types import T\n"
        "def f():\n    import room.lazy\n    from room import inner\n",
        encoding="utf-8",
    )
    known = dict.fromkeys(("room", "room.types", "room.lazy", "room.inner"), path)
    assert set(imported(path, known)) == {"room.types", "room.lazy", "room.inner"}


def test_no_imports_lead_back() -> None:
    assert circles(import_graph()) == []
