"""A task's prompts in clusters, from the model to the circuit files, in one call."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from tasks.task import Task
from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import Stop, Work, finish, part
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import Method, find_method, methods_per_pair
from workbench.discovery.clusters.clustering import Algorithm, Criterion, check_clustering
from workbench.discovery.clusters.find import SPLITS, Clusters, find_clusters
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.pair_scores import pair_scores
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import Selection, select
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import NO_MEMORY, prepare
from workbench.experiment.provenance import origin
from workbench.experiment.settings import ExperimentSettings, TaskChoices
from workbench.formats import save_circuit
from workbench.models.model import Model

FILE = "cluster-{}.json"
"""A cluster's circuit file; clusters are counted from 1 where people read."""
SCORING = 0.3
"""The share of the work that is ascribed to the scores of single pairs."""


@dataclass(frozen=True)
class PromptClusters:
    """Clusters of a task's prompts, and how they were found.

    Attributes:
        experiment: the pairs and both their runs.
        method: what scored the edges of each pair.
        options: what it was told, defaults filled in.
        selection: how a cluster's mean scores became its circuit.
        clusters: what was found; its circuits carry the mean scores of their edges.
    """

    experiment: Experiment
    method: Method
    options: Options
    selection: Selection
    clusters: Clusters

    def prompt(self, pair: int) -> str:
        """The clean prompt of a pair."""
        return self.experiment.batch.task.pairs[pair].clean

    def to_json(self) -> dict[str, Any]:
        """Plain values: how they were found, all results, and each cluster's clean prompts."""
        value = self.clusters.to_json()
        for cluster in value["clusters"]:
            cluster["prompts"] = [self.prompt(pair) for pair in cluster["pairs"]]
        return {**self._origin(), **value}

    def _origin(self) -> dict[str, Any]:
        heeded = {name: getattr(self.options, name) for name in self.method.option_names}
        return {
            **origin(self.experiment, self.options.seed),
            "method": self.method.name,
            "options": heeded,
            "selection": asdict(self.selection),
        }

    def circuit(self, number: int) -> Circuit:
        """A cluster's circuit with all that is known of how it was found; the first has number 1.

        Raises:
            WorkbenchError: there is no such cluster.
        """
        found = self.clusters
        if not 1 <= number <= len(found.clusters):
            raise WorkbenchError(
                f"There is no cluster {number}: they are counted 1 to {len(found.clusters)}."
            )
        cluster = found.clusters[number - 1]
        known = {
            "cluster": {
                "number": number,
                "of": len(found.clusters),
                "pairs": list(cluster.pairs),
                "medoid": self.prompt(cluster.medoid),
                "faithfulness_on_own_pairs": found.cross[number - 1][number - 1],
            }
        }
        return replace(cluster.circuit, provenance=self._origin() | known)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every cluster's circuit into a new folder; returns the files.

        Raises:
            WorkbenchError: there is something in the folder, or it cannot be written.
        """
        check_folder(folder)
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkbenchError(f"{folder} cannot be made: {error.strerror}.") from error
        files = []
        for number in range(1, len(self.clusters.clusters) + 1):
            path = Path(folder) / FILE.format(number)
            save_circuit(self.circuit(number), path)
            files.append(path)
        return files


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Whether circuits can be written there without touching what is there already.

    Raises:
        WorkbenchError: it is a file, or a folder with something in it.
    """
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorkbenchError(f"There is something in {folder}: name a new folder.")


def check_asked(
    method: str,
    *,
    edges: int,
    steps: int | None,
    signed: bool,
    seed: int,
    metric: str | None,
    ablation: str,
) -> tuple[Options, Selection]:
    """Sort arguments into what the method is told and how circuits are selected.

    Raises:
        WorkbenchError: the method does not score edges, or cannot do this.
    """
    entry = find_method(method)
    if entry.per_pair is None:
        raise WorkbenchError(
            f"{entry.name} does not score the edges of single prompts; choose one of: "
            f"{', '.join(methods_per_pair())}."
        )
    asked = DiscoveryRequest.parse(method, edges=edges, steps=steps, signed=signed, seed=seed)
    request = asked.checked(metric=metric, ablation=ablation)
    assert request.selection is not None
    return request.options, request.selection


def cluster_prompts(
    model: Model,
    task: Task | str | os.PathLike[str],
    method: str = "eap-ig",
    *,
    edges: int = 200,
    steps: int | None = None,
    signed: bool = False,
    k: int | None = None,
    by: Criterion = "silhouette",
    algorithm: Algorithm = "k-means",
    normalise: bool = False,
    splits: int = SPLITS,
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
    **choices: Unpack[TaskChoices],
) -> PromptClusters:
    """Cluster a task's prompts by the edges that they need, with a circuit for each cluster.

    Args:
        method: what scores the edges of each pair.
        edges: how many are selected for a circuit, before dead ends are pruned.
        signed: what the cluster needs most is selected, not the largest |score|.
        k, by, algorithm, normalise, splits: see `find.find_clusters`.
        under: how the task is run; None: by the defaults.
        cancel: when it is set, the work stops.
        choices: settings by their names; `pairs` is of use where `task` is a name or a file.

    Raises:
        Cancelled: if `cancel` was set.
        WorkbenchError: this cannot be done, or the task does not suit the tokenizer.
    """
    check_clustering(algorithm, by, k)
    settings = ExperimentSettings.of(model, task, under, **choices)
    options, selection = check_asked(
        method,
        edges=edges,
        steps=steps,
        signed=signed,
        seed=settings.seed,
        metric=settings.metric,
        ablation=settings.ablation,
    )
    say = progress or silent
    experiment = prepare(model, task, settings, say)
    told = {"k": k, "by": by, "algorithm": algorithm, "normalise": normalise, "splits": splits}
    with memory_errors(NO_MEMORY):
        work = clusters_of(experiment, method, options, selection, **told)
        found = finish(work, lambda fraction: say("Clustering the prompts", fraction), cancel)
    return PromptClusters(experiment, find_method(method), options, selection, found)


def clusters_of(
    experiment: Experiment, method: str, options: Options, selection: Selection, **told: Any
) -> Work[Clusters]:
    """The same on runs that are recorded already, as work in pieces.

    Args:
        options, selection: from `check_asked`.
        told: arguments of `find_clusters`.
    """
    request = DiscoveryRequest(method, options, selection).checked(
        metric=experiment.metric_name, ablation=experiment.ablation
    )
    scores = yield from part(pair_scores(experiment, method, request.options), 0, SCORING)

    def circuit(mean: NDArray[np.float32]) -> Circuit:
        findings = Findings.of(experiment.graph, method, experiment.metric_name)
        findings.edges[:] = mean
        chosen = select(findings, selection).circuit
        return replace(chosen, scores=np.where(chosen.mask, mean, np.float32(np.nan)))

    finding = find_clusters(experiment, scores, circuit, seed=options.seed, **told)
    return (yield from part(finding, SCORING, 1))
