"""Pieces: a batch that takes more memory than there is, run some pairs at a time.

What a mean ablation puts in place of a source, and the vectors of interventions, are taken over all
pairs once; so every piece is computed as it would be among the others, and means over pairs add up.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.base.failures import is_memory_error
from workbench.base.notices import notice
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.experiment import Experiment, Shared
from workbench.experiment.intervened import Intervened
from workbench.experiment.means import means_over
from workbench.experiment.room import needed_bytes, runs_bytes, shapes_of

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.experiment.experiment import Evaluation
    from workbench.experiment.interventions import Intervention
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch
    from workbench.transformer.parts import ModelParts

T = TypeVar("T")


@dataclass(frozen=True)
class Values:
    """What an `Evaluation` says of some pairs, in plain numbers that hold on to no run.

    Attributes:
        per_pair: the metric.
        right: 1 where the best answer beats the best wrong one, else 0; NaN without answers.
        kls: KL(model || this), in nats.
    """

    per_pair: tuple[float, ...]
    right: NDArray[np.float64]
    kls: NDArray[np.float64]

    @classmethod
    def of(cls, evaluation: Evaluation) -> Values:
        """Those of an evaluation."""
        return cls(evaluation.per_pair, evaluation.right_per_pair, evaluation.kl_per_pair)

    @classmethod
    def joined(cls, pieces: Sequence[tuple[Sequence[int], Values]]) -> Values:
        """Those of several pieces, each with its pairs' numbers, by which they are sorted."""
        order = np.argsort([index for indices, _ in pieces for index in indices])
        metric = np.concatenate([values.per_pair for _, values in pieces])[order]
        right = np.concatenate([values.right for _, values in pieces])[order]
        kls = np.concatenate([values.kls for _, values in pieces])[order]
        return cls(tuple(metric.tolist()), right, kls)

    @property
    def metric(self) -> float:
        """Its mean over pairs."""
        return float(np.mean(self.per_pair))

    @property
    def accuracy(self) -> float:
        """As `Evaluation.accuracy`."""
        known = self.right[~np.isnan(self.right)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def kl(self) -> float:
        """As `Evaluation.kl`."""
        return float(self.kls.mean())


@dataclass(frozen=True, eq=False)
class Pieces:
    """A batch, and how its pairs are run some at a time.

    Attributes:
        model, batch, metric_name, ablation, means: as of an `Experiment` of all pairs.
        shared: what all pieces have in common.
        room: bytes that a piece may take.
    """

    model: Model
    batch: Batch
    metric_name: str
    ablation: str
    means: Batch | None
    shared: Shared
    room: float

    @classmethod
    def of(
        cls,
        model: Model,
        batch: Batch,
        metric: str,
        ablation: str,
        means: Batch | None,
        interventions: Sequence[Intervention],
        room: float,
    ) -> Pieces:
        """Take what is taken over all pairs; nothing else is run yet.

        Args:
            means: as for an `Experiment`.
            room: bytes that a piece may take.

        Raises:
            WorkbenchError: as of an `Experiment`.
        """
        parts, intervened, stand_ins = model.parts, None, None
        if interventions:
            intervened = Intervened(parts, model.graph, interventions, batch.encoding, batch)
        if ABLATIONS[ablation].takes_means:
            source, own = means or batch, means is None
            stand_ins = means_over(parts, ablation, source, intervened, in_pairs=own)
        return cls(model, batch, metric, ablation, means, Shared(stand_ins, intervened), room)

    @property
    def parts(self) -> ModelParts:
        """The model's."""
        return self.model.parts

    @property
    def graph(self) -> Graph:
        """The model's."""
        return self.model.graph

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """What is done to the model in all runs."""
        intervened = self.shared.intervened
        return () if intervened is None else intervened.interventions

    def cuts(self, beside: float = 0.0) -> list[tuple[int, ...]]:
        """The pairs of each piece: by length, the shortest first, and of about the same memory.

        Args:
            beside: bytes that all pairs together take beside the runs and what is usual.
        """
        needed = needed_bytes(self.parts, self.batch, self.ablation) + beside
        n_pieces = min(self.batch.n_pairs, max(1, math.ceil(needed / max(1.0, self.room))))
        indices = [index for group in self.batch.groups for index in group.indices]
        shapes = shapes_of(self.batch, self.ablation)
        each = [runs_bytes(self.parts, shape) / shape.pairs for shape in shapes]
        sizes = np.repeat(each, [shape.pairs for shape in shapes])
        middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        which = np.minimum(n_pieces - 1, (middles * n_pieces).astype(int))
        cut = [np.flatnonzero(which == piece) for piece in range(n_pieces)]
        return [tuple(indices[place] for place in places) for places in cut if places.size]

    def each(
        self, work: Callable[[tuple[int, ...]], T], cuts: Sequence[tuple[int, ...]]
    ) -> Iterator[tuple[tuple[int, ...], T]]:
        """What `work` makes of every piece; one over which memory runs out is taken in two."""
        left = list(cuts)
        while left:
            cut = left.pop(0)
            try:
                result = work(cut)
            except Exception as error:
                if len(cut) == 1 or not is_memory_error(error):
                    raise
                half = len(cut) // 2
                left[:0] = [cut[:half], cut[half:]]
                notice(f"Memory ran out over {len(cut):,} pairs: they are taken in two halves.")
                continue
            yield cut, result

    def run(
        self, indices: Sequence[int], progress: Callable[[float], None] | None = None
    ) -> Experiment:
        """Both runs of some pairs, once the memory of those before is free again."""
        gc.collect()  # an experiment and its evaluations name each other
        return Experiment(
            self.model,
            self.batch.part(indices),
            self.metric_name,
            self.ablation,
            progress,
            self.means,
            like=self.shared,
        )

    def told(self, cuts: Sequence[Sequence[int]], beside: float = 0.0) -> str:
        """A sentence on how it is done, and why; `beside` as for `cuts`."""
        most = max(len(cut) for cut in cuts)
        needed = needed_bytes(self.parts, self.batch, self.ablation) + beside
        return (
            f"In {len(cuts)} pieces of up to {most:,} pairs, since all {self.batch.n_pairs:,} at "
            f"once need {needed / 2**30:.1f} GiB of memory."
        )
