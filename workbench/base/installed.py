"""The packages that the workbench stands on: versions installed, and versions admitted.

Read from the installed packages' own metadata; nothing is imported.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re

OURS = "circuit-workbench"

# Packages whose version explains most failures, in the order in which a sentence names them.
TOLD = ("torch", "transformers", "transformer-lens", "textual", "numpy", "pydantic")


def version_of(package: str) -> str:
    """The installed version of a package, or "not installed"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def required() -> dict[str, str]:
    """The packages that the workbench itself requires, with the versions that it admits.

    Empty where the workbench runs from a checkout that was never installed.
    """
    try:
        lines = importlib.metadata.requires(OURS) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)\s*([^;]*?)\s*$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def admitted(package: str) -> str:
    """The versions of a required package that the workbench admits, as `pyproject.toml` says."""
    return required().get(package, "")


def all_versions() -> dict[str, str]:
    """Of Python, the workbench and every package that it requires."""
    packages = {name: version_of(name) for name in (OURS, *sorted(required() or TOLD))}
    return {"python": platform.python_version(), **packages}


def in_one_line() -> str:
    """The versions that explain most failures, for the end of a sentence."""
    named = [f"{name} {version_of(name)}" for name in (OURS, *TOLD)]
    return ", ".join([*named, f"python {platform.python_version()}"])
