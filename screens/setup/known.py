"""What setup offers: models, tasks and former sessions. Looked up in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.session.views import SessionSummary

SUGGESTED = (
    ("gpt2", "GPT-2 small, 12 layers of 12 heads, from the hub"),
    ("EleutherAI/pythia-160m", "Pythia, 12 layers of 12 heads, from the hub"),
)
RECENT = 6  # models of former sessions that are listed


@dataclass(frozen=True)
class Known:
    """Names with a word on each, and the sessions, the latest first."""

    models: tuple[tuple[str, str], ...] = ()
    tasks: tuple[tuple[str, str], ...] = ()
    sessions: tuple[SessionSummary, ...] = ()


def look_up() -> Known:
    """What is known on this machine; what cannot be read is left out."""
    from tasks import TASKS
    from workbench.models.source import SHORT_NAMES
    from workbench.session.journals import list_sessions

    sessions = tuple(list_sessions())
    models: dict[str, str] = {}
    for session in sessions:
        if len(models) < RECENT:
            models.setdefault(session.model, f"recent: {session.task}, {session.when[:10]}")
    for name, short in SHORT_NAMES.items():
        models[name] = short.note
    for name, words in SUGGESTED:
        models.setdefault(name, words)
    tasks = tuple((name, built_in.description) for name, built_in in TASKS.items())
    return Known(tuple(models.items()), tasks, sessions)
