"""ACDC as it is written down: one edge after the other, each tried by itself.

It is what `acdc` has to agree with and is measured against.
"""

from __future__ import annotations

from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.discovery.findings import Findings
from workbench.discovery.methods.acdc import prepare, visits
from workbench.discovery.options import Options
from workbench.discovery.search.finish import finish_search
from workbench.discovery.search.units import Units
from workbench.engine.evaluator import Edit, Evaluator
from workbench.experiment.experiment import Experiment


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """As `acdc.find`; yields after every trial.

    Raises:
        WorkbenchError: there is no threshold.
    """
    experiment, rule = prepare(experiment, options)
    findings.needed = rule.worse
    graph = experiment.graph
    evaluator = Evaluator(experiment, Circuit.full(graph))
    findings.kept = evaluator.circuit.mask.copy()
    here = evaluator.value().metric
    done = 0
    for column, node in visits(graph):
        parents = graph.n_parents(column)
        names = [graph.edge_name(source, column) for source in range(parents)]
        done += parents
        if node is not None and not findings.kept[node].any():
            findings.kept[:, column] = False
            evaluator.commit(Edit(toggle=tuple(names)))
            continue
        for source in reversed(range(parents)):
            edit = Edit(toggle=(names[source],))
            value = evaluator.commit(edit).metric
            findings.edges[source, column] = value - here
            findings.tried += 1
            if rule.drops(value - here):
                findings.kept[source, column] = False
                here = value
            else:
                evaluator.commit(edit)
            yield (done - source) / graph.n_edges
    finish_search(findings, Units(experiment, findings))
