"""Selection from what a method has found: see `workbench.circuits.selection` for the ways."""

from __future__ import annotations

import numpy as np

from workbench.circuits.selection import (
    How,
    Selected,
    Selection,
    pruned_circuit,
    select_edges,
    select_nodes,
)
from workbench.discovery.catalogue import METHODS
from workbench.discovery.findings import Findings
from workbench.discovery.role_selection import pruned_at_roles, select_at_roles
from workbench.engine.kept_edges import as_bits, has_roles
from workbench.errors import WorkbenchError

__all__ = ["How", "Selected", "Selection", "select"]


def select(findings: Findings, selection: Selection | None) -> Selected:
    """The circuit that findings lead to, complete or not.

    Args:
        selection: None for a search or a learned mask, which arrives at a circuit of its own.

    Raises:
        WorkbenchError: greedy selection of nodes, or a selection where none or one is needed.
    """
    graph = findings.graph
    if METHODS[findings.method].kind == "nodes":
        if selection is None or selection.how == "greedy" or selection.fill:
            raise _unsuited(findings)
        if findings.nodes is None:
            raise _unsuited(findings)
        needed = findings.needed if selection.signed else 0
        return select_nodes(graph, findings.nodes, selection, needed)
    if findings.kept is not None:
        if selection is not None:
            raise WorkbenchError(f"{findings.method} chooses its edges itself: select nothing.")
        if has_roles(findings.kept):
            return pruned_at_roles(findings, as_bits(findings.kept), None)
        return pruned_circuit(graph, np.flatnonzero(findings.kept), None)
    if selection is not None and selection.by_role:
        return select_at_roles(findings, selection)
    if selection is None:
        raise WorkbenchError(f"{findings.method} gives scores: say how edges are to be selected.")
    values = findings.importance() if selection.signed else np.abs(findings.edges)
    return select_edges(graph, values, selection, same_input=findings.same_input)


def _unsuited(findings: Findings) -> WorkbenchError:
    return WorkbenchError(
        f"{findings.method} scores nodes: select the best so many, or by a threshold."
    )
