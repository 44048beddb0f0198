"""Edge attribution patching: an estimate of every edge's effect, from one backward pass.

s(E) = (e' - e) . dL/de at the clean run (Syed et al. 2023, 2310.10348), where L is the mean metric
over pairs: the first-order change of the metric when the edge is corrupted, so that an edge the
task needs has a negative score. Summed over positions and the residual's dimensions, averaged over
pairs: scores do not depend on the size of the batch.
"""

from __future__ import annotations

from torch import Tensor

from workbench.base.work import Work
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import Slice
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Score every edge.

    Raises:
        WorkbenchError: as `scoring.Scorer.check`.
    """
    yield from fill_in(experiment, findings, scorer(options))


def scorer(options: Options) -> Scorer:
    """How it scores; heeds no option."""
    return Scorer("EAP", _score, lean=True)


def _score(piece: Slice) -> Work[Tensor]:
    yield 0.0
    return edge_scores(piece, piece.clean())
