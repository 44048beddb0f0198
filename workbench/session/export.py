"""Export: a session's circuit as a file that says where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.task import Task
from workbench.experiment.provenance import digest, now, origin
from workbench.session.commands import Command
from workbench.session.known_effects import Matrix
from workbench.session.open import Opened
from workbench.session.read_only import Snapshot


def original(task: Task) -> dict[str, Any]:
    """The task as it was loaded, where a session changed its pairs; the commands say how."""
    return {
        "source": task.source,
        "seed": task.seed,
        "pairs": len(task.pairs),
        "pairs_sha256": digest(task),
    }


SCORES = "EAP estimate of the change of the metric when the edge is corrupted"


def provenance(opened: Opened, seen: Snapshot, done: Sequence[Command]) -> dict[str, Any]:
    """Plain values: model, task, metric, ablation, seed, versions, evaluation and commands."""
    settings, status = opened.settings, seen.status
    made = origin(seen.runs.experiment, settings.seed)
    if seen.runs.task is not opened.task:
        made["task"]["changed_from"] = original(opened.task)
    # As it was asked for: the whole path of what lies locally.
    made["model"] |= {"name": settings.model, "revision": settings.revision}
    return made | {
        "evaluation": {
            "clean": status.model_metric,
            "corrupted": status.corrupted_metric,
            "circuit": status.circuit_metric,
            "faithfulness": status.faithfulness,
            "accuracy": status.accuracy,
            "kl": status.kl,
            "edges": status.edges,
            "nodes": status.nodes,
            "closed": status.closed,
        },
        "commands": [command.to_json() for command in done],
        "scores": SCORES,
        "created": now(),
    }


def export(
    path: Path,
    format: str,
    seen: Snapshot,
    opened: Opened,
    done: Sequence[Command],
    eap: Matrix,
) -> tuple[str, ...]:
    """Write the circuit with its provenance and the EAP estimates as scores.

    A file of ours has the scores of the kept edges, one of EAP-IG's those of all edges.

    Returns:
        One sentence on each thing that the format cannot hold.

    Raises:
        WorkbenchError: for an unknown format, or if the file cannot be written.
    """
    from workbench.formats import losses, save_circuit
    from workbench.formats.catalogue import find_format

    circuit = seen.state.circuit.copy()
    kept = circuit.mask if find_format(format).scores == "kept" else np.ones_like(circuit.mask)
    circuit.scores = np.where(kept, eap, np.float32(np.nan))
    circuit.provenance = provenance(opened, seen, done)
    save_circuit(circuit, path, format=format)
    return losses(circuit, format)
