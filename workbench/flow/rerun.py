"""One changed run beside the model's own: metric, accuracy and next tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.base.work import finish
from workbench.engine.changed_run import changed_finals
from workbench.engine.changes import Changes
from workbench.engine.residual_means import ResidualMeans
from workbench.experiment.experiment import Evaluation
from workbench.flow.all_for_one import prompts_of
from workbench.flow.results import Rerun, Score
from workbench.transformer.forward import unembed

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Batch

TOP = 10
"""Likeliest next tokens that are told."""


def rerun(experiment: Experiment, changes: Changes, *, over: Batch | None = None) -> Rerun:
    """The clean prompts run again with attention masked and residuals replaced.

    Args:
        experiment: from `prepare`.
        changes: what is changed, in all prompts alike.
        over: prompts over which means are taken besides the experiment's own.

    Raises:
        WorkbenchError: no such layer, head, position or pair, or a query is left nothing to see.
    """
    means = None
    if changes.takes_means:
        means = ResidualMeans(experiment.parts, [g.clean for g in experiment.batch.groups])
        finish(means.over(list(prompts_of(experiment, over))))
    finals = [final[:, 0] for final in changed_finals(experiment, [changes], means)]
    changed = Evaluation(experiment, finals)
    own = [recording.whole.final[:, -1] for recording in experiment.recordings]
    return Rerun(
        metric_name=experiment.metric_name,
        model=Score(experiment.clean.accuracy, experiment.clean.metric),
        changed=Score(changed.accuracy, changed.metric),
        kl=changed.kl,
        per_pair=changed.per_pair,
        top_model=_top(experiment, own),
        top_changed=_top(experiment, finals),
    )


def _top(experiment: Experiment, finals: list[Tensor]) -> tuple[tuple[str, float], ...]:
    """The likeliest next tokens by their mean probability over all pairs."""
    with torch.no_grad():
        total = sum(wide(unembed(experiment.parts, f)).softmax(-1).sum(0) for f in finals)
        assert isinstance(total, Tensor)
        found = (total / experiment.n_pairs).topk(min(TOP, total.shape[0]))
    texts = experiment.batch.encoding.pieces(array_of(found.indices).tolist())
    return tuple(zip(texts, array_of(found.values).tolist(), strict=True))
