"""What models were found to do of the tasks, kept for the screen where tasks are chosen.

A small file in the state folder: asking a model costs seconds, reading this costs none. What cannot
be read or written counts as not known. No torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.base.folders import make_private, state_folder
from workbench.base.home import meant_path
from workbench.base.json_values import object_of, read_values, real, shaped
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError
from workbench.experiment.ability import Ability

MOST_MODELS = 50
"""Models that are remembered; those asked last stay."""


def keep_abilities(model: str, found: Iterable[Ability]) -> None:
    """Keep what was found of a model, beside what is known of its other tasks."""
    known = _read()
    of_model = known.pop(_key(model), {})
    of_model |= {one.task: one.to_json() for one in found if not one.refused}
    kept = dict([*known.items(), (_key(model), of_model)][-MOST_MODELS:])
    # Nothing is lost where it cannot be written: it can be asked again.
    with suppress(OSError, WorkbenchError):
        make_private(_path().parent)
        write_bytes(_path(), json.dumps(kept).encode("ascii"))


def known_ability(model: str, task: str) -> Ability | None:
    """What was found of a model on a built-in task; None if it was not asked."""
    value = _read().get(_key(model), {}).get(task)
    try:
        return shaped(Ability, value, dict.fromkeys(("clean", "corrupted", "accuracy"), real))
    except TypeError:
        return None


def ability_told(model: str, task: str) -> str:
    """The same as a sentence; empty if it is not known."""
    found = known_ability(model, task)
    if found is None:
        return ""
    return (
        f"{model} is right on {found.accuracy:.0%} of {found.pairs} pairs: {found.metric} "
        f"{found.clean:.3g}, corrupted {found.corrupted:.3g}."
    )


def _path() -> Path:
    return state_folder() / "abilities.json"


def _key(model: str) -> str:
    """The name, or the whole path of a folder or file."""
    with suppress(OSError, RuntimeError, ValueError):
        path = meant_path(model)
        if path.exists():
            return str(path.resolve())
    return model


def _read() -> dict[str, dict[str, Any]]:
    try:
        value = object_of(read_values(_path()))
    except (OSError, ValueError, TypeError):
        return {}
    return {name: of for name, of in value.items() if isinstance(of, dict)}
