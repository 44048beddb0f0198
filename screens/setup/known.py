"""What setup offers: models, tasks and sessions. Looked up in threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from screens.setup.session_row import OpenHere, SessionRow, rows

SUGGESTED = (
    ("gpt2", "GPT-2 small, 12 layers of 12 heads, from the hub"),
    ("EleutherAI/pythia-160m", "Pythia, 12 layers of 12 heads, from the hub"),
)
NOTES = {"hub": "downloaded from the hub"}
"""In place of the note of a model of this kind, which is a long path."""


@dataclass(frozen=True)
class Known:
    """Names with a word on each."""

    models: tuple[tuple[str, str], ...] = ()
    tasks: tuple[tuple[str, str], ...] = ()


def look_up_sessions(open_here: Sequence[OpenHere]) -> tuple[SessionRow, ...]:
    """The sessions, those that are open in this app first; these may lie anywhere."""
    from workbench.session.journals import list_sessions, summarised

    summaries = list_sessions()
    known = {summary.path.resolve() for summary in summaries}
    elsewhere = [one.path for one in open_here if one.path.resolve() not in known]
    return rows([*summaries, *map(summarised, elsewhere)], open_here)


def look_up() -> Known:
    """What is known on this machine; what cannot be read is left out."""
    from workbench.prompts.task_catalogue import TASKS
    from workbench.session.journals import models_to_offer

    offered = models_to_offer()
    # What was used last is wanted most; the sort keeps the order otherwise.
    offered.sort(key=lambda model: model.kind != "recent")
    models = {model.name: NOTES.get(model.kind, model.note) for model in offered}
    for name, words in SUGGESTED:
        models.setdefault(name, words)
    tasks = tuple((name, built_in.description) for name, built_in in TASKS.items())
    return Known(tuple(models.items()), tasks)
