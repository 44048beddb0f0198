"""`workbench report`: what a report of a defect needs, and nothing of what is studied.

Versions, the machine, where the last session's journal and the last failure's log lie, and of that
failure the kind and the places in our own code. No prompt, no message of an exception, which may
quote one, and no path outside the home folder.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from workbench.base.installed import all_versions
from workbench.cli import output
from workbench.cli.options import Json

ENVIRONMENT = ("TERM", "COLORTERM", "TERM_PROGRAM", "NO_COLOR", "LANG", "LC_ALL")
"""Variables that explain what a terminal shows."""

ELSEWHERE = "outside the home folder"

FRAME = re.compile(r'File ".*?((?:workbench|screens|tasks)/[^"]+)", line (\d+), in (\S+)')


def report(as_json: Json = False) -> None:
    """Collect what a report of a defect needs: versions, platform, where the journal lies."""
    collected = collect()
    if as_json:
        output.as_json(collected)
        return
    for section, values in collected.items():
        output.line(section)
        for key, value in values.items():
            for item in value if isinstance(value, list) else [value]:
                output.line(f"  {key}: {item}")
        if not values:
            output.line("  none")


def collect() -> dict[str, Any]:
    """The report as plain values, in sections."""
    return {
        "versions": all_versions(),
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": _memory(),
            "devices": _devices(),
        },
        "terminal": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        "session": _latest_journal(),
        "failure": _latest_failure(),
    }


def shown(path: Path) -> str:
    """A path below the home folder, beginning with ~, or that it lies elsewhere."""
    try:
        return str(Path("~") / path.resolve().relative_to(Path.home().resolve()))
    except (ValueError, RuntimeError, OSError):
        return ELSEWHERE


def _memory() -> int | None:
    import psutil

    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError):
        return None


def _devices() -> list[str]:
    """What there is to compute on; a torch that cannot be imported is said, not raised."""
    try:
        from workbench.models.device import devices

        return devices()
    except Exception as error:  # a broken installation fails in any way
        return [f"torch cannot be imported: {type(error).__name__}"]


def _latest_journal() -> dict[str, Any]:
    from workbench.base.folders import sessions_folder

    path = _latest(sessions_folder(), "*.jsonl")
    return {} if path is None else {"journal": shown(path), "bytes": path.stat().st_size}


def _latest_failure() -> dict[str, Any]:
    """Of the newest log: the exception's kind and the places in our code, without messages."""
    from workbench.base.folders import state_folder

    path = _latest(state_folder() / "logs", "failure-*.log")
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {"log": shown(path)}
    frames = [f"{m[1]}:{m[2]} in {m[3]}" for line in lines if (m := FRAME.search(line))]
    kind = lines[0] if lines and lines[0].isidentifier() else "unknown"
    return {"log": shown(path), "kind": kind, "at": frames}


def _latest(folder: Path, pattern: str) -> Path | None:
    try:
        return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None
