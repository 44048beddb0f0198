"""A node's logit lens over the task's answer space: the hundred years, verbs, names.

The same numbers as in `logit_lens`, picked at the answers and put in their natural order, so that
shapes show: a head that spikes at the year that it attends to, an MLP that raises all the years
above it.

Glossary: docs/glossary.md#answer-curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, on_host
from workbench.circuits.graph import LOGITS
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, RunChoice, each_run, place_of
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.logit_lens import definition, frozen_outputs, node_logits
from workbench.readouts.results import AnswerCurve, Position
from workbench.readouts.target import Target

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.transformer.parts import ModelParts

SAID = "Beside it, the run's own probabilities: the softmax of its logits over the labels alone."


def answer_curve(
    experiment: Experiment,
    node: str,
    *,
    position: Position = -1,
    pair: int | None = None,
    run: RunChoice = "clean",
    target: Target | None = None,
    through: JacobianLens | None = None,
) -> AnswerCurve:
    """The lens of a node at every label of the task's answer space.

    Args:
        experiment: model, batch and recorded runs.
        node, position, pair, run, target, through: as for `logit_lens.logit_lens`.

    Raises:
        WorkbenchError: there is no such node, pair, position or run, or the task has no answer
            space.
    """
    answer_tokens = experiment.batch.answer_tokens
    if not answer_tokens:
        raise WorkbenchError("The task has no answer space, so there is no curve over it to draw.")
    if through is not None:
        through.check(experiment.model)
    runs = each_run(experiment, run, position=position, pair=pair, target=target)
    place = place_of(experiment, node, position, pair, run, target)
    ids = [token for _, token in answer_tokens]
    probabilities = torch.zeros(len(ids))
    logits = torch.zeros(())
    for sign, selections in runs:
        normed = frozen_outputs(experiment, selections, node, through)
        logits = logits + sign * node_logits(experiment, normed, node)
        probabilities = probabilities + sign * _said(selections, ids)
    return AnswerCurve(
        place=place,
        labels=tuple(label for label, _ in answer_tokens),
        values=tuple(array_of((logits - logits.mean())[_index(ids, logits)]).tolist()),
        answers=_shares(runs[0][1], ids, side=0),
        wrong_answers=_shares(runs[0][1], ids, side=1),
        definition=f"{definition(experiment, node, run, through)} {SAID}",
        probabilities=tuple(probabilities.tolist()),
    )


@torch.no_grad()
def _said(selections: list[Activations], ids: list[int]) -> Tensor:
    """The runs' own probabilities among these tokens alone, mean over the pairs, [label]."""
    each = [_logits(one.parts, one.output(LOGITS), ids) for one in selections]
    return on_host(wide(torch.cat(each)).softmax(-1).mean(0))


def _index(ids: list[int], beside: Tensor) -> Tensor:
    return kept_index(tuple(ids), beside.device)


def _logits(parts: ModelParts, final: Tensor, ids: list[int]) -> Tensor:
    """The run's logits of these tokens alone, [pair, token]: the vocabulary may be large."""
    logits = parts.norm_final(final) @ parts.w_u[:, _index(ids, final)]
    if parts.b_u is not None:
        logits = logits + parts.b_u[_index(ids, final)]
    logits, cap = logits * parts.logit_scale, parts.logit_cap
    return logits if cap is None else (logits / cap).tanh() * cap


def _shares(selections: list[Activations], ids: list[int], *, side: int) -> tuple[float, ...]:
    """In which share of the pairs each token is an answer (side 0) or a wrong answer (side 1)."""
    rows = [set(row) for selection in selections for row in selection.answers()[side]]
    return tuple(sum(token in row for row in rows) / len(rows) for token in ids)
