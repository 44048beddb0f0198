"""The sessions that can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.journal import read
from workbench.statefolder import sessions_folder
from workbench.views import SessionSummary


def list_sessions() -> list[SessionSummary]:
    """The journals in the state folder, the latest first; what cannot be read is left out."""
    try:
        paths = sorted(sessions_folder().glob("*.jsonl"))
    except OSError:
        return []
    found = [summary for path in paths if (summary := summarised(path)) is not None]
    return sorted(found, key=lambda summary: (summary.when, summary.path.name), reverse=True)


def summarised(path: Path) -> SessionSummary | None:
    """A journal in one line; None if it cannot be read."""
    try:
        reading = read(path)
        header = reading.header
        last: dict[str, Any] = reading.entries[-1] if reading.entries else {}
        return SessionSummary(
            path=path,
            model=str(header["settings"]["model"]),
            task=str(header["task"]["name"]),
            when=str(last.get("at", header["created"])),
            edges=int(last.get("edges", 0)),
            n_commands=len(reading.entries),
            faithfulness=last.get("faithfulness"),
        )
    except (WorkbenchError, KeyError, TypeError, ValueError):
        return None
