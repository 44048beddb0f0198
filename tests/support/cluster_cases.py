"""Sessions on `pocket` with prompts of two tasks in one file, for the tests of clusters."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Unpack

from workbench import load_model, load_task
from workbench.experiment.settings import RunChoices
from workbench.models.model import Model
from workbench.prompts.pair_json import pair_to_json
from workbench.session.session import Session
from workbench.session.start import build_session

TASKS = ("greater-than", "ioi")


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu", dtype="float32")


def mixed_session(folder: Path, pairs: int = 4, **options: Unpack[RunChoices]) -> Session:
    """The first `pairs` pairs are of the first task, as many more of the second."""
    path = folder / "mixed.jsonl"
    made = [load_task(name, pocket(), pairs=pairs) for name in TASKS]
    lines = [json.dumps(pair_to_json(pair)) for task in made for pair in task.pairs]
    path.write_text("\n".join(lines) + "\n")
    task = load_task(str(path), pocket(), pairs=None)
    options.setdefault("metric", "logit_diff")
    return build_session(pocket(), task, journal=folder / "mixed-journal.jsonl", **options)
