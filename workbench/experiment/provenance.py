"""Provenance: what numbers were measured on and with, as it stands in files.

Glossary: docs/glossary.md#provenance.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.task import Task
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.pieces import Pieces

PACKAGES = ("circuit-workbench", "torch", "transformers", "transformer-lens", "numpy")
"""Whose versions are written down with every result."""


def origin(experiment: Experiment | Pieces, seed: int) -> dict[str, Any]:
    """Plain values: model, task, metric, ablation, seed and versions of the software."""
    from workbench.metrics.catalogue import find_metric

    model, batch = experiment.model.info, experiment.batch
    task, metric = batch.task, experiment.metric_name
    means = experiment.means
    done = [one.to_json() for one in experiment.interventions]
    return {
        **({"interventions": done} if done else {}),
        "model": {
            "name": model.name,
            "family": model.family,
            "dtype": model.dtype,
            "device": model.device,
            "bos": batch.prepend_bos,
        },
        "task": {
            "name": task.name,
            "source": task.source,
            "seed": task.seed,
            "pairs": batch.n_pairs,
            "dropped": batch.dropped,
            # Two files of this task hold the same prompts exactly if this is the same.
            "pairs_sha256": digest(task),
        },
        "metric": {"name": metric, "definition": find_metric(metric).definition},
        "ablation": experiment.ablation
        if means is None
        else {
            "name": experiment.ablation,
            "means_from": {"task": means.task.name, "pairs_sha256": digest(means.task)},
        },
        "seed": seed,
        "versions": versions(),
    }


def digest(task: Task) -> str:
    """SHA-256 of a task's pairs, in hexadecimal; their roles are only names."""
    texts = [{n: v for n, v in asdict(pair).items() if n != "roles"} for pair in task.pairs]
    pairs = json.dumps(texts, separators=(",", ":"))
    return hashlib.sha256(pairs.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Of Python and those of the packages that are installed and numbers depend on."""
    found = {name: version for name in PACKAGES if (version := _version(name)) is not None}
    return {"python": platform.python_version(), **found}


@cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def now() -> str:
    """The present time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
