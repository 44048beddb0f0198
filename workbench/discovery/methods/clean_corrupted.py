"""EAP with the mean of the gradients at both ends.

s(E) = (e' - e) . 1/2 (dL/de at the clean run + dL/de at the corrupted run): the trapezoid rule with
nothing between, for the price of one more backward pass (the `clean-corrupted` method of EAP-IG's
code; Hanna et al. 2024, 2403.17806).
"""

from __future__ import annotations

from torch import Tensor

from workbench.base.work import Work
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import RecordedSlice, Slice
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
    return Scorer("clean-corrupted", _score, patching=True)


def _score(piece: Slice) -> Work[Tensor]:
    assert isinstance(piece, RecordedSlice)
    total = edge_scores(piece, piece.clean())
    yield 0.5
    return (total + edge_scores(piece, piece.corrupted())) / 2
