"""The sessions that can be resumed, and the models that they or this machine know."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from workbench.base.folders import sessions_folder
from workbench.errors import WorkbenchError
from workbench.models.known import KnownModel, downloads, short_names
from workbench.session.journal import read
from workbench.session.views import SessionSummary


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


def recent_models(ready: Collection[str] = ()) -> list[KnownModel]:
    """The models of earlier sessions, the latest first, each once.

    Args:
        ready: names of those that are on this machine under no path.
    """
    found: dict[str, KnownModel] = {}
    for session in list_sessions():
        name = session.model
        if name not in found:
            here = name in ready or Path(name).exists()
            note = f"last used {session.when[:10]}" + ("" if here else ", not here any more")
            found[name] = KnownModel(name, "recent", here, note)
    return list(found.values())


def models_to_offer() -> list[KnownModel]:
    """Short names, models of earlier sessions, then downloads from the hub; each name once."""
    downloaded = downloads()
    recent = recent_models({model.name for model in downloaded})
    found: dict[str, KnownModel] = {}
    for model in (*short_names(), *recent, *downloaded):
        found.setdefault(model.name, model)
    return list(found.values())
