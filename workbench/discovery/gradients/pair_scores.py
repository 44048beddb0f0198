"""Scores of every edge for each pair by itself: which pairs the model solves in the same way."""

from __future__ import annotations

import importlib

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.work import Work
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.gradients.scoring import Scorer, each_slice
from workbench.discovery.gradients.slices import Slice, slices
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

PER_PAIR = ("eap", "eap-ig", "eap-ig-activations", "clean-corrupted", "gim", "relp")
"""Methods that score each pair by itself."""


def pair_scores(experiment: Experiment, method: str, options: Options) -> Work[NDArray[np.float32]]:
    """Scores of every edge for each pair; their mean over the pairs is the method's score.

    Returns:
        float32 [pair, edge], pairs in the task's order, edges in that of
        `np.flatnonzero(all_edges(graph))`.

    Raises:
        WorkbenchError: the method does not score pairs by themselves, or is not defined here.
    """
    if method not in PER_PAIR:
        raise WorkbenchError(
            f"{find_method(method).name} does not score single pairs; choose one of: "
            f"{', '.join(PER_PAIR)}."
        )
    module = importlib.import_module(f"workbench.discovery.methods.{find_method(method).module}")
    scorer: Scorer = module.scorer(options)
    scorer.check(experiment.parts, experiment.metric_name, experiment.ablation)
    edges = np.flatnonzero(all_edges(experiment.graph))
    out = np.empty((experiment.n_pairs, len(edges)), dtype=np.float32)

    def seen(piece: Slice, scores: Tensor) -> None:
        out[list(piece.indices)] = scores.flatten(1).cpu().numpy()[:, edges]

    pieces = slices(experiment, anew=scorer.anew)
    yield from each_slice(pieces, experiment.n_pairs, scorer, seen)
    return out
