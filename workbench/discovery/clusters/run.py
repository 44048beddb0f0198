"""A task's prompts in clusters, from the model to the circuit files, in one call."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from tasks.task import Task
from workbench.base.failures import memory_errors
from workbench.base.progress import Progress, silent
from workbench.base.work import Stop, Work, finish, part
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import Method
from workbench.discovery.clusters.files import FILE, check_folder
from workbench.discovery.clusters.find import Clusters, find_clusters
from workbench.discovery.clusters.request import ClusterChoices, ClusterRequest
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.pair_scores import pair_scores, pair_scores_by_role
from workbench.discovery.options import Options
from workbench.discovery.role_selection import check_input_differs
from workbench.discovery.selection import Selection, select
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.interventions import Intervention
from workbench.experiment.prepare import NO_MEMORY, prepare
from workbench.experiment.provenance import origin
from workbench.experiment.settings import ExperimentSettings, TaskChoices
from workbench.formats import save_circuit
from workbench.models.model import Model

SCORING = 0.3
"""The share of the work that is ascribed to the scores of single pairs."""
REQUESTED = ClusterChoices.__annotations__.keys()


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

    def tasks_in(self, number: int) -> dict[str, int]:
        """How many pairs of each task a cluster has, the most frequent first; 1 is the first.

        Empty where the pairs do not all say of which task they are, or all are of one.
        """
        names = [pair.task for pair in self.experiment.batch.task.pairs]
        if "" in names or len(set(names)) < 2:
            return {}
        chosen = self.clusters.clusters[number - 1].pairs
        return dict(Counter(names[pair] for pair in chosen).most_common())

    @property
    def purity(self) -> float | None:
        """The share of pairs that are of the most frequent task of their cluster, 0 to 1.

        None where tasks are not known. Every pair a cluster by itself would have 1 (Manning,
        Raghavan and Schütze 2008, section 16.3).
        """
        found = [self.tasks_in(n + 1) for n in range(len(self.clusters.clusters))]
        if not all(found):
            return None
        return sum(max(one.values()) for one in found) / self.experiment.n_pairs

    def to_json(self) -> dict[str, Any]:
        """Plain values: how they were found, all results, and each cluster's clean prompts."""
        value = self.clusters.to_json()
        for number, cluster in enumerate(value["clusters"], start=1):
            cluster["prompts"] = [self.prompt(pair) for pair in cluster["pairs"]]
            cluster["tasks"] = self.tasks_in(number)
        return {**self._origin(), **value, "purity": self.purity}

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


class Choices(ClusterChoices, TaskChoices, total=False):
    """What may be asked of a clustering, what is done to the model, and settings."""

    interventions: Iterable[Intervention | str]


def cluster_prompts(
    model: Model,
    task: Task | str | os.PathLike[str],
    method: str = "eap-ig",
    *,
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
    **choices: Unpack[Choices],
) -> PromptClusters:
    """Cluster a task's prompts by the edges that they need, with a circuit for each cluster.

    Args:
        method: what scores the edges of each pair.
        under: how the task is run; None: by the defaults.
        cancel: when it is set, the work stops.
        choices: what is asked for (`edges`, `steps`, `signed`, `k`, `by`, `algorithm`, `normalise`,
            `splits`, `by_role`; see `ClusterRequest`), and settings by their names; `pairs` is of
            use where `task` is a name or a file. `interventions` or their lines of text are done to
            the model in all runs.

    Raises:
        Cancelled: if `cancel` was set.
        WorkbenchError: this cannot be done, or the task does not suit the tokenizer.
    """
    done = tuple(choices.pop("interventions", ()))
    asked, how = _sorted(choices)
    settings = ExperimentSettings.of(model, task, under, **how)
    request = ClusterRequest(method, **asked).checked(
        metric=settings.metric, ablation=settings.ablation
    )
    return clusters_under(
        settings, model, task, request, interventions=done, progress=progress, cancel=cancel
    )


def _sorted(choices: Choices) -> tuple[ClusterChoices, TaskChoices]:
    """What is asked for, and the rest, which is settings."""
    asked = {name: value for name, value in choices.items() if name in REQUESTED}
    settings = {name: value for name, value in choices.items() if name not in REQUESTED}
    return cast(ClusterChoices, asked), cast(TaskChoices, settings)


def clusters_under(
    settings: ExperimentSettings,
    model: Model,
    task: Task | str | os.PathLike[str],
    request: ClusterRequest,
    *,
    interventions: Iterable[Intervention | str] = (),
    progress: Progress | None = None,
    cancel: Stop | None = None,
) -> PromptClusters:
    """The same by a request that was checked for these settings. Raises as `cluster_prompts`."""
    say = progress or silent
    experiment = prepare(model, task, settings, say, interventions)
    if settings.metric is None:  # the task's own is known by now
        request.scoring().check_metric(experiment.metric_name)
    with memory_errors(NO_MEMORY):
        work = clusters_of(experiment, request, settings.seed)
        return finish(work, lambda fraction: say("Clustering the prompts", fraction), cancel)


def clusters_of(experiment: Experiment, request: ClusterRequest, seed: int) -> Work[PromptClusters]:
    """The same on runs that are recorded already, as work in pieces.

    Args:
        request: what `ClusterRequest.checked` gave for this experiment.
        seed: of the clustering and of the random splits.
    """
    scoring = request.scoring(seed)
    selection = scoring.selection
    assert selection is not None, "the method scores edges"
    by_role = request.by_role
    if by_role:  # before anything takes long
        check_input_differs(Findings.about(experiment, scoring.method, by_role=True))
    scored = pair_scores_by_role if by_role else pair_scores
    scores = yield from part(scored(experiment, scoring.method, scoring.options), 0, SCORING)

    def circuit(mean: NDArray[np.float32]) -> Circuit:
        findings = Findings.about(experiment, scoring.method, by_role=by_role)
        findings.edges[:] = mean.sum(axis=0) if by_role else mean
        if findings.at_roles is not None:
            findings.at_roles[:] = mean
        chosen = select(findings, selection).circuit
        return replace(chosen, scores=np.where(chosen.mask, findings.edges, np.float32(np.nan)))

    finding = find_clusters(experiment, scores, circuit, request, seed=seed)
    found = yield from part(finding, SCORING, 1)
    return PromptClusters(experiment, scoring.entry, scoring.options, selection, found)
