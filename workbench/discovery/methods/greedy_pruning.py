"""Pruning: from a circuit that is too large, always the edge is dropped that does least.

What an edge e of the circuit C does is the change that dropping it makes now, m(C - e) - m(C); the
edge of least |change| goes, and with it the dead ends that it leaves, which change nothing. The
next edge is judged in what is left. It ends when at most as many edges are left as asked for.

A model has too many edges to begin with all of them one by one. Where they are more than `START`
times as many as asked for, it begins with the edges of largest |EAP|, as many as leave `START`
times that number without dead ends. EAP follows the metric's slope; for metrics without one at the
clean run (KL, accuracy) that of the logit difference chooses. Changes are computed anew lazily
(`discovery/search/lazy_ranking.py`).
"""

from __future__ import annotations

import numpy as np

from workbench.base.work import Work
from workbench.discovery.estimates import estimates, role_estimates
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.search.finish import finish_search, number
from workbench.discovery.search.lazy_ranking import Ranking
from workbench.discovery.search.units import Places, Units
from workbench.discovery.selection import Selection, select
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.kept_edges import Mask
from workbench.experiment.experiment import Experiment
from workbench.metrics.catalogue import changes_in_steps

START = 4
"""How many times the edges asked for it begins with."""

# Edges tried in one piece.
_PIECE = 16


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.kept`, what is left so far, and `findings.edges`.

    An edge's number is the change that dropping it made when it was last looked at.

    Raises:
        WorkbenchError: no number of edges is given.
    """
    wanted = number(options, "greedy-pruning")
    units = Units(experiment, findings)
    kept = _start(experiment, START * wanted, findings, units)
    yield 0.0
    evaluator = Evaluator(experiment, units.circuit(kept))
    findings.kept, at_first = units.kept(kept), int(kept.sum())
    to_look_at = max(1, 2 * at_first - wanted)  # all of them once, and then each that goes

    def look(edges: Places) -> Work[None]:
        for piece in np.split(edges, range(_PIECE, len(edges), _PIECE)):
            edits = [Edit(toggle=(units.name(*place),)) for place in piece.tolist()]
            change = evaluator.what_if(edits).mean(axis=1) - evaluator.value().metric
            units.scores[tuple(piece.T)] = change
            units.strongest()
            findings.tried = int(np.isfinite(units.scores).sum())
            ranking.put(piece, -np.abs(change))
            yield min(1.0, (findings.tried + at_first - int(kept.sum())) / to_look_at)

    ranking = Ranking(kept.shape, look)
    if at_first > wanted:
        yield from look(np.argwhere(kept))
    while kept.sum() > wanted:
        best = yield from ranking.best()
        assert best is not None
        kept[best[0]] = False
        kept[:] = units.pruned(kept)
        findings.kept = units.kept(kept)
        evaluator.become(units.circuit(kept))
        ranking.remove(~kept)
        ranking.age()
    finish_search(findings, units)


def _start(experiment: Experiment, n: int, findings: Findings, units: Units) -> Mask:
    """What it begins with, bool [role, source, destination]."""
    by_role = units.layout is not None
    if int(units.real.sum()) <= n:
        return units.real.copy()
    name = experiment.metric_name
    scored = (
        experiment.with_metric("logit_diff")
        if name == "kl" or changes_in_steps(name)
        else experiment
    )
    found = Findings.about(scored, "eap", by_role=by_role)
    if by_role:
        found.at_roles = np.where(units.real, role_estimates(scored), np.float32(np.nan))
    else:
        found.edges = estimates(scored)
    start = units.of_circuit(select(found, Selection("top", n, fill=True, by_role=by_role)).circuit)
    what = "edges at roles" if by_role else "edges"
    findings.remarks.append(
        f"It began with the {int(start.sum()):,} {what} of largest |EAP| without dead ends."
    )
    return start
