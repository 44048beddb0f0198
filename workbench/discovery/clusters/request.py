"""What is asked of a clustering of prompts: one object, checked once and handed down.

Importing this loads no torch. The command, the dialog or a script makes it; whoever computes takes
it whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from workbench.discovery.catalogue import find_method, methods_per_pair
from workbench.discovery.clusters.clustering import Algorithm, Criterion, check_clustering
from workbench.discovery.request import DiscoveryRequest
from workbench.errors import WorkbenchError

SPLITS = 5
"""Random splits to compare with."""


class ClusterChoices(TypedDict, total=False):
    """What may be chosen beside the method; see `ClusterRequest`."""

    steps: int | None
    edges: int
    signed: bool
    k: int | None
    by: Criterion
    algorithm: Algorithm
    normalise: bool
    splits: int
    by_role: bool


@dataclass(frozen=True)
class ClusterRequest:
    """How each pair's edges are scored, and how pairs are clustered by these scores.

    Attributes:
        method: what scores the edges of each pair; one of `methods_per_pair`.
        steps: of integrated gradients; None for the method's own number.
        edges: how many are selected for a circuit, before dead ends are pruned.
        k: how many clusters; None: as many as the criterion `by` says.
        by: the criterion: silhouette, elbow or gap.
        algorithm: how clusters are made.
        normalise: whether every pair's scores are scaled to length 1 before.
        signed: what the cluster needs most is selected, not the largest |score|.
        splits: random splits to compare with.
        by_role: edges are scored, and chosen, at each token role alone.
    """

    method: str = "eap-ig"
    steps: int | None = None
    edges: int = 200
    k: int | None = None
    by: Criterion = "silhouette"
    algorithm: Algorithm = "k-means"
    normalise: bool = True
    signed: bool = False
    splits: int = SPLITS
    by_role: bool = False

    def checked(self, *, metric: str | None, ablation: str) -> ClusterRequest:
        """This request, if all that can be said before anything is loaded speaks for it.

        Args:
            metric: None where it is not known yet; `DiscoveryRequest.check_metric` of `scoring`
                then makes up for it.

        Raises:
            WorkbenchError: there is no such method, algorithm or criterion, a number is too small,
                or the method does not score the edges of single pairs or cannot do this.
        """
        check_clustering(self.algorithm, self.by, self.k)
        entry = find_method(self.method)
        if entry.per_pair is None:
            raise WorkbenchError(
                f"{entry.name} does not score the edges of single prompts; choose one of: "
                f"{', '.join(methods_per_pair())}."
            )
        self.scoring().checked(metric=metric, ablation=ablation)
        return self

    def scoring(self, seed: int = 0) -> DiscoveryRequest:
        """How pairs are scored and a circuit is selected by scores, defaults filled in."""
        return DiscoveryRequest.parse(
            self.method,
            edges=self.edges,
            steps=self.steps,
            signed=self.signed,
            by_role=self.by_role,
            seed=seed,
        ).with_defaults()
