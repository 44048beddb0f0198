"""Export: a session's circuit as a file that says where it comes from."""

from __future__ import annotations

import json
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


MOST_COMMANDS = 200
"""Commands that a circuit file tells, the latest; the journal has them all."""
LONGEST_CHANGE = 1_000
"""Edges of a change that it lists; of a longer one it says how many."""
MOST_LISTED = 10_000
"""Edges that all changes in it list; a circuit file is of the circuit and not of the way there."""


def told_commands(done: Sequence[Command]) -> list[dict[str, Any]]:
    """The commands that led to a circuit, in bounded room.

    The first says how many before it are left out, if any are. A change of many edges is told by
    their numbers.
    """
    told: list[dict[str, Any]] = []
    listed = 0
    for command in reversed(done[-MOST_COMMANDS:]):
        value = command.to_json()
        change = value.get("change", {})
        size = sum(len(json.dumps(item)) // 20 for item in change.values())
        listed += size
        if size > LONGEST_CHANGE or listed > MOST_LISTED:
            value["change"] = {
                name: len(item) if isinstance(item, list) else item
                for name, item in change.items()
                if name != "pairs"
            }
        told.append(value)
    if len(done) > MOST_COMMANDS:
        told.append({"left_out": len(done) - MOST_COMMANDS})
    return told[::-1]


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
        "commands": told_commands(done),
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
