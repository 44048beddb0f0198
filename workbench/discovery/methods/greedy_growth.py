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
from workbench.circuits.names import edge_ends
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.search.finish import finish_search, number
from workbench.discovery.search.lazy_ranking import Edges, Ranking
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
    findings.kept = start.mask.copy()
    kept = findings.kept

    def look(edges: Edges) -> Work[None]:
        for piece in np.split(edges, range(_PIECE, len(edges), _PIECE)):
            here = evaluator.value().metric
            names = [graph.edge_name(int(s), int(d)) for s, d in piece]
            into = [edge_ends(name)[1] for name in names]
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
            findings.edges[piece[:, 0], piece[:, 1]] = without - with_it
            findings.tried = int(np.isfinite(findings.edges).sum())
            ranking.put(piece, np.abs(without - model) - np.abs(with_it - model))
            yield min(1.0, float(kept.sum()) / wanted)

    def into(node: str) -> Edges:
        columns = [graph.destination_index(d) for d in graph.destinations_of(node)]
        return np.array([(s, d) for d in columns for s in range(graph.n_parents(d))])

    ranking = Ranking(kept.shape, look)
    yield from look(into(LOGITS))
    while kept.sum() < wanted:
        best = yield from ranking.best()
        if best is None or best[2] <= 0:
            findings.remarks.append("No further edge brings the metric nearer to the model's.")
            break
        source, column, _ = best
        destination = graph.destinations[column]
        is_new = source > 0 and not kept[source].any()
        closed = (destination,) if destination in evaluator.circuit.open else ()
        evaluator.commit(Edit(close=closed, toggle=(graph.edge_name(source, column),)))
        kept[source, column] = True
        ranking.remove(kept)
        ranking.age()
        if is_new:
            yield from look(into(graph.sources[source]))
    open_ = len(evaluator.circuit.open & _inputs_of(kept, experiment))
    found = experiment.faithfulness(evaluator.value().metric)
    if open_ and found is not None:
        # What was searched is not what is reported.
        findings.remarks.append(
            f"While it grew, {counted(open_, 'input')} of its nodes read the clean residual, with "
            f"a faithfulness of {found:.2f}; the circuit is told with them closed."
        )
    finish_search(findings)


def _inputs_of(kept: NDArray[np.bool_], experiment: Experiment) -> frozenset[str]:
    """The inputs of all nodes that an edge leads out of."""
    graph = experiment.graph
    sources = [graph.sources[s] for s in np.flatnonzero(kept.any(axis=1)) if s > 0]
    return frozenset(d for source in sources for d in graph.destinations_of(source))
