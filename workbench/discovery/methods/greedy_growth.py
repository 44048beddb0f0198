"""Growth: a circuit built from the logits backward, always by the edge that gives most.

The circuit begins with no edge. The logits are closed; every other destination is open, so that a
source writes what it writes in the clean run until something is decided about its own inputs. The
candidates are the edges into the destinations of the nodes that the circuit has reached. What an
edge s -> d gives is how much nearer it brings the metric m to the model's, d being closed:

    gain = |m(C without s -> d) - m(model)| - |m(C with s -> d) - m(model)|

where C is the circuit so far, except that d, if it is still open, is closed and empty in both. So
edges into an input that is not decided on yet are measured by what that input lives on, and edges
into one that has some already by what they add to these. The edge of largest gain is added, d is
closed from then on, and its source's inputs become candidates, each while the others are open:
the query of a head is judged with its keys and values as in the clean run.

By role a candidate is an edge at a role at which what it enters is read: of a node that is reached
at new positions, its inputs there, of keys and values those before; they are looked at again.

It ends with as many edges as asked for, or when no edge has a gain above zero. What is open then
is closed, and dead ends are pruned. Gains are computed anew lazily
(`discovery/search/lazy_ranking.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.base.text import counted
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import LOGITS
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.search.finish import finish_search, number
from workbench.discovery.search.lazy_ranking import Ranking
from workbench.discovery.search.units import Places, Units
from workbench.engine.evaluator import Edit, Evaluator
from workbench.experiment.experiment import Experiment

# Candidates evaluated in one piece.
_PIECE = 32


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.kept`, the edges chosen so far, and `findings.edges`.

    An edge's number is m without it minus m with it, d closed, when it was last looked at.

    Raises:
        WorkbenchError: no number of edges is given.
    """
    wanted = number(options, "greedy-growth")
    graph, model = experiment.graph, experiment.clean.metric
    start = Circuit.start(graph)
    start.open -= {LOGITS}
    evaluator = Evaluator(experiment, start)
    units = Units(experiment, findings)
    kept = np.zeros_like(units.real)
    findings.kept = units.kept(kept)
    reached = np.zeros(graph.n_sources, dtype=np.uint64)  # where sources are read, as bits

    def look(edges: Places) -> Work[None]:
        for piece in np.split(edges, range(_PIECE, len(edges), _PIECE)):
            here = evaluator.value().metric
            names = [units.name(*place) for place in piece.tolist()]
            into = [graph.destinations[d] for d in piece[:, 2]]
            open_ = [d for d in dict.fromkeys(into) if d in evaluator.circuit.open]
            edits = [Edit(close=(d,)) for d in open_]
            edits += [
                Edit(close=(d,) if d in open_ else (), toggle=(name,))
                for name, d in zip(names, into, strict=True)
            ]
            metric = evaluator.what_if(edits).mean(axis=1)
            empty = dict(zip(open_, metric[: len(open_)].tolist(), strict=True))
            without = np.array([empty.get(d, here) for d in into])
            with_it = metric[len(open_) :]
            units.scores[tuple(piece.T)] = without - with_it
            units.strongest()
            findings.tried = int(np.isfinite(units.scores).sum())
            ranking.put(piece, np.abs(without - model) - np.abs(with_it - model))
            yield min(1.0, float(kept.sum()) / wanted)

    ranking = Ranking(kept.shape, look)
    yield from look(units.into_node(LOGITS))
    while kept.sum() < wanted:
        best = yield from ranking.best()
        if best is None or best[1] <= 0:
            findings.remarks.append("No further edge brings the metric nearer to the model's.")
            break
        role, source, column = place = best[0]
        destination = graph.destinations[column]
        closed = (destination,) if destination in evaluator.circuit.open else ()
        evaluator.commit(Edit(close=closed, toggle=(units.name(*place),)))
        kept[place] = True
        findings.kept = units.kept(kept)
        ranking.remove(kept)
        ranking.age()
        new = units.reached_by(role) & ~reached[source]
        reached[source] |= new
        if new and source > 0:
            candidates = units.into_node(graph.sources[source], new)
            yield from look(candidates[~kept[tuple(candidates.T)]])
    open_ = len(evaluator.circuit.open & _inputs_of(np.logical_or.reduce(kept, axis=0), experiment))
    found = experiment.faithfulness(evaluator.value().metric)
    if open_ and found is not None:
        # What was searched is not what is reported.
        findings.remarks.append(
            f"While it grew, {counted(open_, 'input')} of its nodes read the clean residual, with "
            f"a faithfulness of {found:.2f}; the circuit is told with them closed."
        )
    finish_search(findings, units)


def _inputs_of(kept: NDArray[np.bool_], experiment: Experiment) -> frozenset[str]:
    """The inputs of all nodes that an edge leads out of."""
    graph = experiment.graph
    sources = [graph.sources[s] for s in np.flatnonzero(kept.any(axis=1)) if s > 0]
    return frozenset(d for source in sources for d in graph.destinations_of(source))
