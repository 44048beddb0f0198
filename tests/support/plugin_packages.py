"""Packages with entry points, made up for a test: one module and its record of installation."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from workbench import plugins


def make_package(
    folder: Path, name: str, code: str, points: Mapping[str, Mapping[str, str]]
) -> None:
    """Put a package into a folder that is on the path, as an installer would.

    Args:
        name: of its module; the package is called the same with hyphens.
        points: by group, without `circuit_workbench.`, the entry points: name to "module:VALUE".
    """
    (folder / f"{name}.py").write_text(code)
    record = folder / f"{name}-1.0.dist-info"
    record.mkdir()
    called = name.replace("_", "-")
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {called}\nVersion: 1.0\n")
    lines = []
    for group, entries in points.items():
        lines.append(f"[{plugins.PREFIX}{group}]")
        lines += [f"{entry} = {value}" for entry, value in entries.items()]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    clear_plugins()


def clear_plugins() -> None:
    """Let the next catalogue look anew at what is installed."""
    plugins._entry_points.cache_clear()
    importlib.invalidate_caches()
