"""EAP with integrated gradients over the inputs (EAP-IG; Hanna et al. 2024, 2403.17806).

s(E) = (e' - e) . 1/m sum of dL/de over k = 0 .. m - 1, each at the run whose embeddings are

    x_k = x' + (k / m) (x - x'),

x the clean and x' the corrupted prompt's: a left Riemann sum from the corrupted end, k = 0, which
is the corrupted run itself; the clean end is never reached. With a bounded number of steps it sees
past the point at which a component is saturated, where the slope at the clean run is zero. Position
embeddings are the same in both runs and are left alone.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from workbench.base.work import Work
from workbench.discovery.catalogue import METHODS
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import RecordedSlice, Slice
from workbench.discovery.gradients.tape import Tape
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Score every edge; heeds `options.steps`.

    Raises:
        WorkbenchError: as `scoring.Scorer.check`, or there is no step.
    """
    yield from fill_in(experiment, findings, scorer(options))


def scorer(options: Options) -> Scorer:
    """How it scores, with `options.steps`.

    Raises:
        WorkbenchError: fewer than one step.
    """
    score = partial(_score, steps_of(options, "eap-ig"))
    return Scorer("EAP-IG", score, anew=True, patching=True)


def steps_of(options: Options, method: str) -> int:
    """How many steps are asked for, or the method's usual number.

    Raises:
        WorkbenchError: fewer than one.
    """
    steps = options.steps
    if steps is None:
        return int(METHODS[method].defaults["steps"])
    if steps < 1:
        raise WorkbenchError(f"Integrated gradients need one step at least, not {steps}.")
    return steps


def _score(steps: int, piece: Slice) -> Work[Tensor]:
    assert isinstance(piece, RecordedSlice)
    total = edge_scores(piece, piece.corrupted())
    for step in range(1, steps):
        yield step / steps
        total += edge_scores(piece, _run_at(piece, step / steps))
    return total / steps


def _run_at(piece: RecordedSlice, share: float) -> Tape:
    """The run whose embeddings have gone this share of the way from corrupted to clean."""
    clean, corrupted = piece.recording.clean, piece.recording.corrupted
    start = corrupted.layers[0].attn_in[piece.pairs]
    way = clean.embedding[piece.pairs] - corrupted.embedding[piece.pairs]
    return Tape.run(piece.recording, piece.pairs, start + share * way)
