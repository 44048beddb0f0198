"""Export: a session's circuit as a file that says where it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from workbench.commands import Command
from workbench.desk import Seen
from workbench.opening import Opened, now, versions
from workbench.views import Status

SCORES = "EAP estimate of the change of the metric when the edge is corrupted"


def provenance(opened: Opened, status: Status, done: Sequence[Command]) -> dict[str, Any]:
    """Plain values: model, task, metric, ablation, seed, versions, evaluation and commands."""
    model, task, info, settings = (
        opened.engine.model.info,
        opened.task,
        opened.info,
        opened.settings,
    )
    pairs = json.dumps([asdict(pair) for pair in task.pairs], separators=(",", ":"))
    return {
        "model": {
            "name": settings.model,
            "revision": settings.revision,
            "family": model.family,
            "dtype": model.dtype,
            "device": model.device,
            "bos": info.bos,
        },
        "task": {
            "name": task.name,
            "source": task.source,
            "seed": task.seed,
            "pairs": info.n_pairs,
            "dropped": info.dropped,
            # Two files of this task hold the same prompts exactly if this is the same.
            "pairs_sha256": hashlib.sha256(pairs.encode()).hexdigest(),
        },
        "metric": {"name": info.metric, "definition": info.metric_definition},
        "ablation": info.ablation,
        "seed": settings.seed,
        "versions": versions(),
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
    path: Path, format: str, seen: Seen, opened: Opened, done: Sequence[Command]
) -> tuple[str, ...]:
    """Write the circuit with its provenance and the EAP estimates as scores.

    A file of ours has the scores of the kept edges, one of EAP-IG's those of all edges.

    Returns:
        One sentence on each thing that the format cannot hold.

    Raises:
        WorkbenchError: for an unknown format, or if the file cannot be written.
    """
    from workbench.formats import losses, save_circuit

    circuit = seen.state.circuit.copy()
    kept = circuit.mask if format == "circuit" else np.ones_like(circuit.mask)
    circuit.scores = np.where(kept, opened.eap, np.float32(np.nan))
    circuit.provenance = provenance(opened, seen.status, done)
    save_circuit(circuit, path, format=format)
    return losses(circuit, format)
