"""Relevance patching: EAP with a backward pass by rules of relevance propagation.

The propagation is layer-wise. RelP (Jafari et al. 2025, 2508.21258) leaves the forward pass as it
is and goes back by these rules:

- every norm's scale is a constant;
- an activation is the constant factor act(x) / x (the identity rule);
- the two sides of a gated MLP's product get half of their gradient each (the half rule); an MLP
  that is not gated has no such product;
- attention is followed by plain calculus, its pattern too: frozen, as the paper has it for choice,
  no query and no key would have a score.

Caps of scores and logits (Gemma 2) are followed by their slope. Layers of experts are refused: the
paper has no rule for a router.
"""

from __future__ import annotations

from torch import Tensor

from workbench.base.work import Work
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.backward_rules import Rules
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import Slice
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment

RELP = Rules(frozen_norms=True, product=0.5, ratio=True)


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Score every edge.

    Raises:
        WorkbenchError: as `scoring.Scorer.check`; or a norm is of a kind that is not known.
    """
    yield from fill_in(experiment, findings, scorer(options))


def scorer(options: Options) -> Scorer:
    """How it scores; heeds no option."""
    return Scorer("RelP", _score, rules=RELP, lean=True)


def _score(piece: Slice) -> Work[Tensor]:
    yield 0.0
    return edge_scores(piece, piece.clean(), RELP)
