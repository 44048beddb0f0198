"""Gradient interaction modifications: EAP whose backward pass sees through self-repair.

Where attention is saturated, or where two factors of a product change together, a gradient misses
what happens. GIM (Edin et al. 2025, 2505.17630) leaves the forward pass as it is and goes back by
these rules:

- every norm's scale is a constant;
- the attention's softmax has the slope that it has at twice the temperature: with s = softmax(x/2),
  the gradient g at the pattern becomes s (g - sum(g s)) at the scores x;
- products share their gradient: what reaches queries and keys is multiplied by 1/4, what reaches
  values by 1/2, and what reaches gate and up of a gated MLP by 1/2 each. An MLP that is not gated
  has no product, and plain calculus is followed.

Activations, and caps of scores and logits (Gemma 2), are followed by their slope; so is a metric's
own softmax. Layers of experts are refused: the paper has no rule for a router.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.base.work import Work
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.backward_rules import Rules
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import Slice
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment

TEMPERATURE = 2.0


class _Softened(torch.autograd.Function):
    """The softmax over the last axis, with the slope of one at a higher temperature."""

    @staticmethod
    def forward(context: Any, scores: Tensor) -> Tensor:
        context.save_for_backward((scores / TEMPERATURE).softmax(-1))
        return scores.softmax(-1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (softened,) = context.saved_tensors
        (gradient,) = gradients
        mean = (gradient * softened).sum(-1, keepdim=True)
        out: Tensor = softened * (gradient - mean)
        return out


def softened(scores: Tensor) -> Tensor:
    """softmax(scores), whose gradient is taken at twice the temperature."""
    out: Tensor = _Softened.apply(scores)
    return out


GIM = Rules(frozen_norms=True, softmax=softened, query_key=0.25, value=0.5, product=0.5)


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Score every edge.

    Raises:
        WorkbenchError: as `scoring.Scorer.check`; or a norm is of a kind that is not known.
    """
    yield from fill_in(experiment, findings, scorer(options))


def scorer(options: Options) -> Scorer:
    """How it scores; heeds no option."""
    return Scorer("GIM", _score, rules=GIM, lean=True)


def _score(piece: Slice) -> Work[Tensor]:
    yield 0.0
    return edge_scores(piece, piece.clean(), GIM)
