"""Problem: something in the user's configuration that cannot be followed, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.base.text import shown_path


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where.

    Attributes:
        says: what follows the place: a sentence that begins with a small letter.
        path: the file; None: an environment variable, which the sentence names.
        line: from 1; 0: nowhere in particular.
    """

    says: str
    path: Path | None = None
    line: int = 0

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        if self.path is None:
            return self.says[:1].upper() + self.says[1:]
        line = f", line {self.line}" if self.line else ""
        return f"{shown_path(self.path.name)}{line}: {self.says}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        path = None if self.path is None else str(self.path)
        return {"path": path, "line": self.line or None, "says": self.sentence}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that names what was meant, perhaps; empty: nothing is near."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""
