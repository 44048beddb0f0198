"""Which edges carry anything at which roles: circuits by role are drawn from them.

Glossary: docs/glossary.md#edge-at-a-role.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.edge_roles import EdgeRoles
from workbench.engine.kept_edges import (
    NOTHING,
    Bits,
    Kept,
    as_bits,
    has_roles,
    is_kept,
    is_whole,
    kept_edges,
)
from workbench.engine.plan import carried_by_roles
from workbench.engine.role_layout import RoleLayout
from workbench.experiment.carrying import CarryingRoles
from workbench.experiment.experiment import Experiment


def differing_roles(experiment: Experiment) -> np.uint64:
    """The roles at which the two runs of some pair can differ, as bits."""
    carrying = CarryingRoles.of_experiment(experiment)
    places = (carrying.names.index(name) for name in carrying.anywhere)
    return np.uint64(sum(1 << place for place in places))


def carrying_parts(experiment: Experiment) -> Bits:
    """At which roles each edge can carry something to the logits: [source, destination].

    That is where the two runs can differ, and what reads it is read in turn by the last position.
    """
    graph, roles = experiment.graph, experiment.batch.roles
    names = np.uint64((1 << len(roles.names)) - 1)
    every = np.where(all_edges(graph), names, NOTHING)
    found = carried_by_roles(graph, every, every, RoleLayout.of(roles))
    return found & differing_roles(experiment)


def with_kept(circuit: Circuit, kept: Kept) -> Circuit:
    """A circuit with these edges in the place of its own, all else as it is.

    Args:
        kept: [source, destination]; with roles, those that the circuit's prompts have.
    """
    mask, names = is_kept(kept).copy(), circuit.at.names
    at = {}
    if has_roles(kept):
        for source, destination in np.argwhere(mask & ~is_whole(kept)):
            own = int(kept[source, destination])
            edge = circuit.graph.edge_name(int(source), int(destination))
            at[edge] = [role for place, role in enumerate(names) if own >> place & 1]
    return replace(circuit, mask=mask, at=EdgeRoles(names).with_all(at))


def roles_in(bits: Bits) -> int:
    """How many edges at roles these are, none of them `WHOLE`."""
    return int(np.bitwise_count(bits).sum())


def carried(circuit: Circuit, can: Bits) -> Bits:
    """At which of these roles a circuit keeps its edges, a whole one at all of them."""
    return as_bits(kept_edges(circuit)) & can


def n_carried(circuit: Circuit, can: Bits) -> int:
    """How many edges at roles that is."""
    return roles_in(carried(circuit, can))
