"""Circuit Workbench: circuit analysis of transformer language models, by hand.

The names in `__init__.pyi`, which stands beside this file, are all that a script needs; each is
loaded when it is first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

__version__ = "0.1.0"


@cache
def _homes() -> dict[str, str]:
    """Public name -> the module that defines it, as the stub imports them."""
    import ast
    from pathlib import Path

    stub = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    return {
        alias.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_homes())
    # Asked for by what looks at any module, and never a public name.
    if name.startswith("_") or name not in _homes():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_homes()[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_homes()]
