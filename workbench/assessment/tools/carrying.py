"""Which edges carry anything at which roles: circuits by role are drawn from them.

Glossary: docs/glossary.md#edge-at-a-role.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.kept_edges import NOTHING, Bits, Kept, as_bits, circuit_of, kept_edges
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
    made = circuit_of(circuit.graph, kept, circuit.at.names)
    return replace(circuit, mask=made.mask, at=made.at)


def roles_in(bits: Bits) -> int:
    """How many edges at roles these are, none of them `WHOLE`."""
    return int(np.bitwise_count(bits).sum())


def carried(circuit: Circuit, can: Bits) -> Bits:
    """At which of these roles a circuit keeps its edges, a whole one at all of them."""
    return as_bits(kept_edges(circuit)) & can


def n_carried(circuit: Circuit, can: Bits) -> int:
    """How many edges at roles that is."""
    return roles_in(carried(circuit, can))
