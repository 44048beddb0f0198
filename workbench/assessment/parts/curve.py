"""The faithfulness of circuits of all sizes, and MIB's areas CPR and CMD.

MIB (Mueller et al. 2025, 2504.13151; the repository's `evaluation.py`): the n best edges are kept
for n = int(p N) at ten nominal shares p, dead ends are pruned, f is the faithfulness, and

    CPR = sum of (p_i+1 - p_i) (f_i + f_i+1) / 2,
    CMD = sum of (p_i+1 - p_i) (|1 - f_i| + |1 - f_i+1|) / 2.

The trapezoids begin at p = .001, so a perfect CPR is .999, and the p are the nominal ones, however
many edges are left after pruning. Four fifths of these areas lie above 20 % of the edges, where no
circuit that anybody would read lies: so the small end, up to 5 %, is given by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.assessment.results.curve import Area, Curve, Curves, Point
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.carrying import carrying_parts, n_carried, roles_in
from workbench.base.ledger import recorded
from workbench.base.work import Work, part
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import real_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.estimates import estimates
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import How, Selection, select
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import kept_edges, role_arrays
from workbench.experiment.experiment import Experiment
from workbench.metrics.catalogue import changes_in_steps

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SMALL = 0.05
"""The small end: up to this share of the edges."""

_SCORING = 0.3
"""Of the work, what finding scores takes."""


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Curves]:
    """Both curves, signed and absolute, of the edges' scores.

    The scores are the circuit's own if it has one for every edge, else those that the method of the
    settings gives.

    Raises:
        WorkbenchError: the circuit is another model's, or the method cannot score this metric.
    """
    own = Evaluator(experiment, circuit).value().metric
    yield 0.02
    by_role = bool(circuit.at)
    find = _scores_by_role if by_role else _scores
    findings, words, remarks = yield from part(find(experiment, circuit, settings), 0.02, _SCORING)
    n_edges, size = experiment.graph.n_edges, circuit.n_edges
    if by_role:
        can = carrying_parts(experiment)
        n_edges, size = roles_in(can), n_carried(circuit, can)
    curves = []
    known: dict[bytes, float] = {}
    for i, absolute in enumerate((False, True)):
        step = (1 - _SCORING) / 2
        work = curve(experiment, findings, absolute=absolute, known=known)
        found = yield from part(work, _SCORING + i * step, _SCORING + (i + 1) * step)
        curves.append(found)
    return Curves(
        n_edges=n_edges,
        scores=words,
        model=experiment.clean.metric,
        corrupted=experiment.corrupted.metric,
        curves=tuple(curves),
        circuit_edges=size,
        circuit_faithfulness=experiment.faithfulness(own),
        remarks=remarks,
    )


def _metric(experiment: Experiment, circuit: Circuit) -> NDArray[np.float64]:
    return np.array(Evaluator(experiment, circuit).value().metric)


def curve(
    experiment: Experiment,
    findings: Findings,
    how: How = "top",
    *,
    absolute: bool,
    known: dict[bytes, float] | None = None,
) -> Work[Curve]:
    """One curve of edges' scores.

    Args:
        findings: with scores of edges, or of edges at roles, NaN where they carry nothing.
        how: 'top' or 'greedy'.
        absolute: by |score|, not by how much the task needs the edge.
        known: metrics of circuits by their kept edges, to be used and added to.
    """
    graph, at = experiment.graph, findings.at_roles
    by_role = at is not None
    whole = graph.n_edges if at is None else int((~np.isnan(at)).sum())
    known = {} if known is None else known
    points = []
    for i, share in enumerate(SHARES):
        n = int(share * whole)
        chosen, left = Circuit.empty(graph), 0
        if n:
            selection = Selection(how, n=n, signed=not absolute, by_role=by_role)
            selected = select(findings, selection)
            chosen, left = selected.circuit, selected.kept + selected.joined
        key = kept_edges(chosen).tobytes()
        if key not in known:
            value = recorded(
                "points of a curve",
                partial(bytes, key),
                partial(_metric, experiment, chosen),
            )
            known[key] = float(value)
        metric = known[key]
        points.append(Point(share, n, left, metric, experiment.faithfulness(metric)))
        yield (i + 1) / len(SHARES)
    shares = [p.share for p in points]
    f = [p.faithfulness for p in points]
    small = sum(share <= SMALL for share in shares)
    return Curve(
        selection=how,
        absolute=absolute,
        points=tuple(points),
        linear=area(shares, f),
        log=area([math.log(share) for share in shares], f),
        small=area(shares[:small], f[:small], of_width=True),
        mean=None if None in f else float(np.mean(f)),  # type: ignore[arg-type]
    )


def area(xs: Sequence[float], f: Sequence[float | None], *, of_width: bool = False) -> Area:
    """CPR and CMD by trapezoids over xs.

    Args:
        f: faithfulness at each x; if any is None, so are the areas.
        of_width: divide by the width of the range.
    """
    defined = [value for value in f if value is not None]
    if len(defined) < len(f):
        return Area(None, None)
    width = xs[-1] - xs[0] if of_width else 1.0

    def under(ys: Sequence[float]) -> float:
        pieces = zip(pairwise(xs), pairwise(ys), strict=True)
        return sum((b - a) * (low + high) / 2 for (a, b), (low, high) in pieces) / width

    return Area(under(defined), under([abs(1 - value) for value in defined]))


def _scores(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[tuple[Findings, str, tuple[str, ...]]]:
    """Scores of all edges, where they are from, and what is to be said of them."""
    findings = Findings.about(experiment, settings.method)
    real = real_edges(experiment.graph)
    own = circuit.scores
    remarks: tuple[str, ...] = ()
    # A file of EAP-IG's says 0 for every edge whose score is not known.
    if own is not None and np.nan_to_num(own[real]).any():
        if not np.isnan(own[real]).any():
            needed, remark = _sign(experiment, own[real])
            yield 1.0
            return replace(findings, edges=own, needed=needed), "the circuit's own", (remark,)
        remarks = (
            f"The circuit brings scores of some edges only, so {settings.method} scored them all.",
        )
    method = find_method(settings.method)
    asked = DiscoveryRequest(method.name, Options(seed=settings.seed), Selection(n=1))
    request = asked.checked(metric=experiment.metric_name, ablation=experiment.ablation)
    yield from method.load()(experiment, findings, request.options)
    return findings, method.name, remarks


def _scores_by_role(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[tuple[Findings, str, tuple[str, ...]]]:
    """The same of all edges at roles that can carry something.

    Raises:
        WorkbenchError: the method does not score edges by role.
    """
    method = find_method(settings.method)
    asked = DiscoveryRequest(method.name, Options(seed=settings.seed), Selection(n=1, by_role=True))
    request = asked.checked(metric=experiment.metric_name, ablation=experiment.ablation)
    findings = Findings.about(experiment, method.name, by_role=True)
    yield from method.load()(experiment, findings, request.options)
    assert findings.at_roles is not None
    carries = role_arrays(carrying_parts(experiment), len(findings.roles))
    findings.at_roles[~carries] = np.nan
    remarks: tuple[str, ...] = (
        f"Sizes count edges at token roles, of which {int(carries.sum()):,} can carry something to "
        "the last position; a whole edge counts once for each of its own.",
    )
    if circuit.scores is not None:
        remarks += (f"The circuit's scores are of whole edges, so {method.name} scored by role.",)
    return findings, method.name, remarks


def _sign(experiment: Experiment, scores: NDArray[np.float32]) -> tuple[int, str]:
    """The sign of what the task needs among the scores [edge] of a file, and a sentence on it.

    Some write down what an edge's corruption does to the metric, others what it does to a loss. EAP
    knows which, unless the metric has no slope.
    """
    if (scores >= 0).all():
        return 1, "The scores have no sign, so that signed and absolute are the same."
    needed = 1 if experiment.metric_name == "kl" else -1
    if experiment.metric_name != "kl" and not changes_in_steps(experiment.metric_name):
        estimated = estimates(experiment)[real_edges(experiment.graph)]
        needed = 1 if np.vdot(scores, estimated) < 0 else -1
    which = "positive" if needed > 0 else "negative"
    return needed, f"Signed takes the most {which} scores first, as what the task needs most."
