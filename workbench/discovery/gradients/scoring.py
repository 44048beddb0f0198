"""Scoring: from the scores of slices of pairs to those of a whole task, in pieces of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.ledger import Standing, standing
from workbench.base.transfers import array_of, uploaded
from workbench.base.work import Work, part
from workbench.circuits.circuit import all_edges
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.backward_rules import PLAIN, Rules
from workbench.discovery.gradients.mlp_slope import require_insides
from workbench.discovery.gradients.slices import Grouping, Slice, slices, streamed
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import PATCHING
from workbench.metrics.catalogue import changes_in_steps

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch
    from workbench.transformer.parts import ModelParts

T = TypeVar("T")


@dataclass(frozen=True)
class Scorer:
    """How a method scores, and what it cannot do without.

    Attributes:
        name: as sentences have it.
        score: of a slice, scores of every edge summed over each of its groups of rows, float32
            [group, source, destination]; of no meaning where there is no edge.
        anew: it makes runs that are not recorded.
        patching: it needs the corrupted prompt.
        rules: of its backward pass.
        lean: a `LeanSlice` is enough.
    """

    name: str
    score: Callable[[Slice], Work[Tensor]]
    anew: bool = False
    patching: bool = False
    rules: Rules = PLAIN
    lean: bool = False

    def check(self, parts: ModelParts, metric: str, ablation: str) -> None:
        """Refuse what it is not defined for.

        Raises:
            WorkbenchError: the metric changes in steps, the ablation has no corrupted prompt, or
                the model has MLPs that the rules cannot be followed through.
        """
        if changes_in_steps(metric):
            raise WorkbenchError(
                f"{self.name} follows a metric's slope, and {metric} changes in steps; "
                "choose another metric for estimates."
            )
        if self.patching and ablation != PATCHING:
            raise WorkbenchError(
                f"{self.name} runs the model on the way to the corrupted prompt, which there is "
                f"with the ablation patching only, not with {ablation}; choose patching or the "
                "method eap."
            )
        if self.rules.into_mlps:
            require_insides(parts.layers, self.name)


def fill_in(experiment: Experiment, findings: Findings, scorer: Scorer) -> Work[None]:
    """Fill in `findings` slice by slice: means over the pairs scored so far.

    Raises:
        WorkbenchError: as `Scorer.check`.
    """
    scorer.check(experiment.parts, experiment.metric_name, experiment.ablation)
    roles = findings.at_roles
    n_roles = 0 if roles is None else len(roles)
    kept = standing("scores of slices")
    total, real = Total(experiment.graph, n_roles), all_edges(experiment.graph)
    done = total.go_on(kept, experiment.parts.device)

    def show() -> None:
        if roles is not None:
            roles[:] = np.where(real, total.by_role(), np.nan)
        findings.edges[:] = np.where(real, total.mean(), np.nan)

    def seen(piece: Slice, scores: Tensor) -> None:
        total.add(piece, scores)
        show()
        kept.keep(total.values)

    if done:
        show()
    grouping = Grouping.ALL if roles is None else Grouping.ROLES
    pieces = slices(experiment, anew=scorer.anew, grouping=grouping)
    yield from each_slice(pieces, experiment.n_pairs, scorer.score, seen, done)
    kept.done()
    findings.complete = True


def streamed_scores(
    model: Model, batch: Batch, scorer: Scorer, metric: str = "logit_diff"
) -> Work[NDArray[np.float32]]:
    """Scores of every edge with patching, without an experiment.

    The runs of a slice of pairs are recorded, scored and let go of, so that memory does not grow
    with the number of pairs.

    Returns:
        float32 [source, destination]; zero where there is no edge.

    Raises:
        WorkbenchError: as `Scorer.check`.
    """
    scorer.check(model.parts, metric, PATCHING)
    total = Total(model.graph)
    n_pairs = sum(len(group.indices) for group in batch.groups)
    pieces = streamed(model, batch, metric, anew=scorer.anew, lean=scorer.lean)
    yield from each_slice(pieces, n_pairs, scorer.score, total.add)
    return np.where(all_edges(model.graph), total.mean(), np.float32(0))


class Total:
    """Scores of every edge, added up over pairs; and by role, if there are so many."""

    def __init__(self, graph: Graph, n_roles: int = 0) -> None:
        self._shape = (n_roles or 1, graph.n_sources, graph.n_destinations)
        self._sum: Tensor | None = None  # on the device of the scores, float64 where it has that
        self._by_role = n_roles > 0
        self._pairs = 0

    def go_on(self, kept: Standing, device: torch.device) -> int:
        """Begin with what an earlier process of this job added up; returns of how many pairs."""
        found = kept.recall()
        if found is not None:
            self._sum, self._pairs = uploaded(found["sum"], device), int(found["pairs"])
        return self._pairs

    def values(self) -> dict[str, NDArray[np.float64]]:
        """What `go_on` begins with."""
        return {"sum": self._on_host(), "pairs": np.array(float(self._pairs))}

    def add(self, piece: Slice, scores: Tensor) -> None:
        """Add a slice's [group, source, destination], the groups being roles or whatever else."""
        wide = torch.float32 if scores.device.type == "mps" else torch.float64
        if self._sum is None:
            self._sum = scores.new_zeros(self._shape, dtype=wide)
        for i, row in enumerate(scores):  # not all at once in float64
            self._sum[i if self._by_role else 0] += row
        self._pairs += piece.n_pairs

    def _on_host(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.zeros(self._shape)
        return found if self._sum is None else array_of(self._sum)

    def mean(self) -> NDArray[np.float32]:
        """[source, destination], over the pairs added so far."""
        return (self._on_host().sum(axis=0) / self._pairs).astype(np.float32)

    def by_role(self) -> NDArray[np.float32]:
        """[role, source, destination]; a pair without the role counts as 0."""
        return (self._on_host() / self._pairs).astype(np.float32)


def each_slice(
    pieces: Iterable[Slice],
    n_pairs: int,
    score: Callable[[Slice], Work[T]],
    seen: Callable[[Slice, T], None],
    already: int = 0,
) -> Work[None]:
    """Score slice after slice.

    Args:
        n_pairs: of all slices together.
        score: as `Scorer.score`, or what is made of that.
        seen: given each slice and its scores.
        already: pairs of the first slices that are not to be scored.
    """
    done = 0
    for piece in pieces:
        after = done + piece.n_pairs
        if after <= already:
            done = after
            continue
        scores = yield from part(score(piece), done / n_pairs, after / n_pairs)
        seen(piece, scores)
        # Let go of before the next slice is recorded, not after.
        del piece, scores
        done = after
        yield done / n_pairs
