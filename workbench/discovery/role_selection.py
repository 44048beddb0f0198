"""Selection of edges at roles: each by its own score, and dead ends go role by role.

An edge all of whose roles are chosen is whole. What is chosen may be cut off from the logits or
from the input at its positions: an edge into a value at a role at which nothing clean arrives, or
one that no query can look back at.
"""

from __future__ import annotations

import numpy as np

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.selection import Selected, Selection
from workbench.discovery.findings import Findings
from workbench.engine.kept_edges import NOTHING, WHOLE
from workbench.engine.plan import pruned_by_roles
from workbench.errors import WorkbenchError


def select_at_roles(findings: Findings, selection: Selection) -> Selected:
    """The circuit of the edges at roles that a selection takes.

    Raises:
        WorkbenchError: edges were not scored by role, or the input is the same in both runs.
    """
    scores, layout, graph = findings.at_roles, findings.layout, findings.graph
    if scores is None or layout is None:
        raise WorkbenchError(f"{findings.method} was not asked to score edges by role.")
    if findings.same_input:
        raise WorkbenchError(
            "The input is the same in both runs, so that nothing tells which of its edges feed a "
            "node at a role: choose another ablation, or whole edges."
        )
    values = findings.importance_at_roles() if selection.signed else np.abs(scores)
    known = np.flatnonzero(all_edges(graph) & ~np.isnan(values))
    worth = values.reshape(-1)[known]
    if selection.n is None:
        assert selection.threshold is not None
        chosen = known[worth.astype(np.float64) >= selection.threshold]
    else:
        chosen = known[np.argsort(-worth, kind="stable")[: selection.n]]
    roles, sources, destinations = np.unravel_index(chosen, scores.shape)
    kept = np.zeros((graph.n_sources, graph.n_destinations), dtype=np.uint64)
    bits = np.left_shift(np.uint64(1), roles.astype(np.uint64))
    np.bitwise_or.at(kept, (sources, destinations), bits)
    every = np.uint64((1 << len(findings.roles)) - 1)
    kept = np.where(kept == every, WHOLE, kept)
    circuit = Circuit.empty(graph)
    circuit.at = EdgeRoles(findings.roles)
    left, at = pruned_by_roles(graph, kept, layout), {}
    for source, destination in np.argwhere(left != NOTHING):
        circuit.mask[source, destination] = True
        own = int(left[source, destination])
        names = [role for place, role in enumerate(findings.roles) if own >> place & 1]
        at[graph.edge_name(int(source), int(destination))] = names
    circuit.at = circuit.at.with_all(at)
    n = sum(len(names) for names in at.values())
    return Selected(circuit, "edges at roles", selection.n, len(chosen), n)
