"""A model and a batch, run once: everything that evaluations of circuits share.

The clean and the corrupted run of every group of pairs are recorded here, and the metric that reads
them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.scratch_file import ScratchFile
from workbench.base.transfers import array_of
from workbench.errors import WorkbenchError
from workbench.experiment.ablated_run import record_ablated
from workbench.experiment.ablations import ABLATIONS, PATCHING, check_ablation
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.intervened import Intervened
from workbench.experiment.means import Means, means_over
from workbench.metrics.catalogue import check_metric, find_metric
from workbench.metrics.metric import Answers, Metric
from workbench.transformer.recording import (
    Recording,
    of_pairs,
    record,
    record_alone,
    record_together,
)
from workbench.transformer.stowed import again_stowed, stowed

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.experiment.interventions import Intervention
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch
    from workbench.transformer.parts import ModelParts


TOGETHER = 128
"""Tokens of prompts up to which two runs are as fast as one, so that both are run at once."""

ROUNDING = 8
"""Steps of a number's format that a mean over equal values may be off by."""


class Evaluation:
    """What a run, or a circuit, scores.

    Accuracy and KL need the logits of the whole vocabulary, which the metric may not: they are
    computed when they are first asked for.

    Attributes:
        metric: mean over pairs.
        per_pair: [pair], in the task's order.
    """

    def __init__(self, experiment: Experiment, finals: Sequence[Tensor]) -> None:
        """`finals`: each group's last residual at the last position, [pair, d_model]."""
        self._experiment = experiment
        self._finals = list(finals)
        self.per_pair: tuple[float, ...] = tuple(
            float(x)
            for x in experiment.in_order(
                [
                    metric.of_residual(final[:, None])[:, 0]
                    for metric, final in zip(experiment.metrics, finals, strict=True)
                ]
            )
        )
        self.metric: float = float(np.mean(self.per_pair))

    @cached_property
    def _whole(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with torch.no_grad():
            results = [
                metric.correct_and_kl(final)
                for metric, final in zip(self._experiment.metrics, self._finals, strict=True)
            ]
        both = [torch.stack((right.double(), kl.double()), dim=1) for right, kl in results]
        values = self._experiment.in_order(both)
        return values[:, 0].copy(), values[:, 1].copy()

    @property
    def accuracy(self) -> float:
        """Share of pairs whose best answer has a higher logit than the best wrong answer.

        Of the pairs that have answers; not a number if none has.
        """
        known = self._whole[0][~np.isnan(self._whole[0])]
        return float(known.mean()) if known.size else float("nan")

    @property
    def kl(self) -> float:
        """Mean over pairs of KL(model || this), summed over the vocabulary, in nats."""
        return float(self._whole[1].mean())

    @property
    def right_per_pair(self) -> NDArray[np.float64]:
        """1 where the best answer beats the best wrong one, else 0, [pair]; NaN without answers."""
        return self._whole[0]

    @property
    def kl_per_pair(self) -> NDArray[np.float64]:
        """KL(model || this) of each pair, [pair]."""
        return self._whole[1]

    @property
    def correct_per_pair(self) -> tuple[bool, ...]:
        """Whether the best answer beats the best wrong one, pair by pair."""
        return tuple(bool(x) for x in self._whole[0])


@dataclass(frozen=True)
class Shared:
    """What is taken over all pairs, and so is the same where some of them are run alone.

    Attributes:
        stand_ins: the means of an ablation that takes some.
        intervened: the interventions, ready to be done.
    """

    stand_ins: Means | None
    intervened: Intervened | None


class Experiment:
    """Both runs of a batch, and its metric.

    Args:
        model: the model; only its parts and graph are used.
        batch: tokens of every pair, grouped by length; where something is done at token roles, the
            experiment's own is also grouped by where they stand.
        metric: a name of `metrics.catalogue.METRICS`.
        ablation: a name of `ablations.ABLATIONS`.
        progress: told the fraction done.
        means: over whose clean prompts a mean ablation's means are taken; None: over the batch's
            own.
        like: an experiment whose means are taken as they are, see `beside`, or those means.
        interventions: what is done to the model in all of its runs.
        file: where what the layers wrote is to lie, if memory has no room for it.

    Attributes:
        recordings: one per group of `batch`.
        metrics: one per group.
        means: as given.
        stand_ins: the means themselves; None for an ablation that takes none.
        intervened: the interventions, ready to be done; None for none. The parts of a group's
            recording are those of the model with them.
        parts: the model's; where edges carry something else, with the wider residual of one group,
            of which shapes and the unembedding can be read.
        unmatched: tokens for which context-aware means had no data at their position, so that the
            positional mean stands in.
        clean, corrupted: how the two runs score.

    Glossary: docs/glossary.md#experiment, docs/glossary.md#span, docs/glossary.md#unmatched.
    """

    def __init__(
        self,
        model: Model,
        batch: Batch,
        metric: str = "logit_diff",
        ablation: str = "patching",
        progress: Callable[[float], None] | None = None,
        means: Batch | None = None,
        like: Experiment | Shared | None = None,
        interventions: Sequence[Intervention] = (),
        file: ScratchFile | None = None,
    ) -> None:
        self.model = model
        self.batch = batch
        self.metric_name = check_metric(metric)
        self.ablation = check_ablation(ablation)
        self.means = means
        self.stand_ins: Means | None = None if like is None else like.stand_ins
        self.unmatched = 0
        self.parts: ModelParts = model.parts
        self.graph: Graph = model.graph
        self.intervened: Intervened | None = None if like is None else like.intervened
        if interventions and self.intervened is None:
            how = (batch.encoding, batch)
            self.intervened = Intervened(model.parts, model.graph, interventions, *how)
        if self.intervened is not None:
            self.batch = batch = self.intervened.grouped(batch)
        self.recordings: list[Recording] = []
        self.metrics: list[Metric] = []
        self.n_pairs = sum(len(group.indices) for group in batch.groups)
        done = 0
        for group in batch.groups:
            share, offset = len(group.indices) / self.n_pairs, done / self.n_pairs

            def tick(fraction: float, share: float = share, offset: float = offset) -> None:
                if progress is not None:
                    progress(offset + share * fraction)

            both = (group.clean, group.corrupted, group.first_difference)
            parts, small = self.parts, like is not None and group.clean.numel() <= TOGETHER
            if self.intervened is not None:
                own = (group.length, batch.roles_of(group))
                parts = self.intervened.parts(group.clean, group.corrupted, *own)
            recorded = (
                partial(record_together, parts, *both)
                if small and not parts.by_pair
                else partial(record, parts, *both, tick=tick)
            )
            # Called in the call, so that nothing holds what was moved to the file.
            self.recordings.append(recorded() if file is None else stowed(recorded(), file))
            if file is not None:
                file.release()
            done += len(group.indices)
        if self.intervened is not None and self.intervened.of_edges:
            self.parts = self.recordings[0].parts
        if ablation != PATCHING:
            self._ablate(means)
        self._name_positions()
        for group, recording in zip(batch.groups, self.recordings, strict=True):
            answers = Answers.of(
                group.answers, group.wrong_answers, self.parts.device, self.parts.dtype
            )
            with torch.no_grad():
                self.metrics.append(
                    Metric(metric, recording.parts, answers, recording.clean.final[:, -1])
                )
        self._order = np.argsort(np.concatenate([group.indices for group in batch.groups]))
        self._score_both_runs()

    def _name_positions(self) -> None:
        """Tell every recording the roles of its positions."""
        of_pairs = self.batch.roles.of_pairs
        for group, recording in zip(self.batch.groups, self.recordings, strict=True):
            roles = np.array([of_pairs[index] for index in group.indices], dtype=np.int64)
            recording.role_of = roles[:, recording.start :]

    def _score_both_runs(self) -> None:
        with torch.no_grad():
            self.clean = Evaluation(self, [r.clean.final[:, -1] for r in self.recordings])
            self.corrupted = Evaluation(self, [r.corrupted.final[:, -1] for r in self.recordings])

    def _ablate(self, source: Batch | None) -> None:
        """Put runs of constants in the place of the corrupted runs."""
        means = self.stand_ins
        missed = 0 if means is None else means.missing
        if ABLATIONS[self.ablation].takes_means and means is None:
            if source is not None:
                means = means_over(self.model.parts, self.ablation, source, self.intervened)
            else:
                tokens = [group.clean for group in self.batch.groups]
                runs = zip(tokens, (r.whole for r in self.recordings), strict=True)
                means = Means(self.model.parts, self.ablation).over(runs, tokens)
        self.recordings = [
            again_stowed(record_ablated(recording.parts, recording, group.clean, means), recording)
            for recording, group in zip(self.recordings, self.batch.groups, strict=True)
        ]
        self.stand_ins = means
        self.unmatched = 0 if means is None else means.missing - missed

    def beside(self, batch: Batch) -> Experiment:
        """Other pairs, run as these are: by the same metric and ablation, and with the same means.

        Raises:
            WorkbenchError: the means are taken position by position, and none is of such a length.
        """
        return Experiment(
            self.model, batch, self.metric_name, self.ablation, means=self.means, like=self
        )

    @property
    def interventions(self) -> tuple[Intervention, ...]:
        """What is done to the model in all runs."""
        return () if self.intervened is None else self.intervened.interventions

    def with_metric(self, metric: str) -> Experiment:
        """The same runs scored by another metric; nothing is run again.

        Raises:
            WorkbenchError: there is no such metric, or the pairs lack the answers that it reads.
        """
        if metric == self.metric_name:
            return self
        kind, groups = find_metric(metric), self.batch.groups
        sides = ((kind.answers, "answers"), (kind.wrong_answers, "wrong_answers"))
        for needed, side in sides:
            if needed and not all(all(getattr(group, side)) for group in groups):
                raise WorkbenchError(
                    f"The metric {kind.name} needs {side.replace('_', ' ')}, which some pairs lack."
                )
        other = copy.copy(self)
        other.metric_name = check_metric(metric)
        other.metrics = [one.named(metric) for one in self.metrics]
        other._score_both_runs()
        return other

    def under(self, ablation: str, *, swapped: bool = False) -> Experiment:
        """The same pairs with another ablation, for one sweep; this experiment stays as it is.

        Args:
            ablation: what an ablated node writes, a name of `ablations.ABLATIONS`.
            swapped: it is the corrupted prompts that are run and ablated, and `clean` scores them;
                with patching, nodes then write what they write on the clean prompts.

        Raises:
            WorkbenchError: there is no such ablation, or it makes use of corrupted prompts, which
                the pairs lack.
        """
        check_ablation(ablation)
        if ablation == self.ablation and not swapped:
            return self
        groups, other = self.batch.groups, copy.copy(self)
        if self.ablation != PATCHING and (ablation == PATCHING or swapped):
            # Pairs that were loaded for an ablation without need of them may lack them.
            same = sum(int((g.clean == g.corrupted).all(dim=1).sum()) for g in groups)
            if same:
                raise WorkbenchError(
                    f"{same} of the pairs have no corrupted prompt of the same length: choose the "
                    "ablation zero or mean, of the clean prompts."
                )
        other.ablation = ablation
        if ablation == PATCHING:
            if self.ablation != PATCHING:
                other.recordings = [
                    again_stowed(record(r.parts, g.clean, g.corrupted, g.first_difference), r)
                    for g, r in zip(groups, self.recordings, strict=True)
                ]
            if swapped:
                other.recordings = [
                    replace(r, clean=r.corrupted, corrupted=r.clean) for r in other.recordings
                ]
        else:
            if ablation != self.ablation:
                other.stand_ins = None
                other._ablate(self.means)
            if swapped:
                other.recordings = [
                    again_stowed(
                        record_ablated(
                            r.parts,
                            record_alone(r.parts, g.corrupted),
                            g.corrupted,
                            other.stand_ins,
                        ),
                        r,
                    )
                    for g, r in zip(groups, self.recordings, strict=True)
                ]
        other._name_positions()
        other._score_both_runs()
        return other

    def alone(self, pair: int) -> Experiment:
        """One of the pairs by itself, from the same runs; means stay those that they are.

        Raises:
            WorkbenchError: there is no such pair.
        """
        for group, recording, metric in zip(
            self.batch.groups, self.recordings, self.metrics, strict=True
        ):
            if pair not in group.indices:
                continue
            at = group.indices.index(pair)
            row, other = slice(at, at + 1), copy.copy(self)
            only = replace(
                group,
                indices=(0,),
                clean=group.clean[row],
                corrupted=group.corrupted[row],
                answers=group.answers[row],
                wrong_answers=group.wrong_answers[row],
            )
            other.batch = copy.copy(self.batch)
            # It is frozen for others, and this is a copy that nobody else has yet.
            object.__setattr__(other.batch, "groups", (only,))
            object.__setattr__(other.batch, "n_pairs", 1)
            roles = replace(self.batch.roles, of_pairs=(self.batch.roles.of_pairs[pair],))
            object.__setattr__(other.batch, "roles", roles)
            other.recordings = [of_pairs(recording, row)]
            other.metrics = [metric.part(row)]
            other.n_pairs, other._order = 1, np.array([0])
            other._score_both_runs()
            return other
        raise WorkbenchError(
            f"There is no pair {pair}; the task has pairs 0 to {self.n_pairs - 1}."
        )

    def in_order(self, by_group: Sequence[Tensor]) -> NDArray[np.float64]:
        """Values of all pairs in the task's order, from each group's [pair, ...]."""
        values = array_of(torch.cat(list(by_group)).double())
        return np.asarray(values[self._order], dtype=np.float64)

    @property
    def same_input(self) -> bool:
        """Whether what the input writes is the same in both runs, as with context-aware means."""
        differs = []
        for recording in self.recordings:
            one, other = recording.clean.embedding, recording.corrupted.embedding
            rounding = ROUNDING * torch.finfo(one.dtype).eps * one.abs().max()
            differs.append((one - other).abs().max() > rounding)
        return not array_of(torch.stack(differs)).any()

    def faithfulness(self, metric: float) -> float | None:
        """See `workbench.experiment.faithfulness`; None where it means nothing."""
        return faithfulness(metric, self.clean.metric, self.corrupted.metric)
