"""Units: what a search keeps or drops, whole edges or edges at single roles.

Arrays of units are [role, source, destination]; whole edges have one role, which is all of them.
By role there is a unit where an edge can carry something, see `experiment.carrying`: at other roles
it makes no difference, and no search keeps it there.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.names import at_role, input_of
from workbench.circuits.selection import pruned_circuit
from workbench.discovery.findings import Findings
from workbench.discovery.role_selection import check_input_differs
from workbench.engine.kept_edges import (
    WHOLE,
    Kept,
    Mask,
    circuit_of,
    kept_edges,
    role_arrays,
    role_bits_of,
)
from workbench.engine.plan import pruned_by_roles
from workbench.engine.role_layout import RoleLayout
from workbench.experiment.carrying import CarryingRoles
from workbench.experiment.experiment import Experiment

Places = NDArray[np.int64]
"""[unit, (role, source, destination)]"""


class Units:
    """The units of an experiment, by role if findings ask for roles.

    Attributes:
        real: bool [role, source, destination], those that there are.
        scores: float32 [role, source, destination], a view of the findings'.
        layout: where the roles stand; None of whole edges.

    Glossary: docs/glossary.md#unit.
    """

    def __init__(self, experiment: Experiment, findings: Findings) -> None:
        """Raises WorkbenchError: by role, and the input is the same in both runs."""
        self.graph = graph = experiment.graph
        self._findings = findings
        self._roles = findings.roles
        self.layout: RoleLayout | None = None
        edges = real_edges(graph)
        if findings.at_roles is None:
            self.real, self.scores = edges[None].copy(), findings.edges[None]
            return
        check_input_differs(findings)
        self.layout, self.scores = findings.layout, findings.at_roles
        carrying = CarryingRoles.of_experiment(experiment)
        self.real = np.zeros(self.scores.shape, dtype=bool)
        for d, name in enumerate(graph.destinations):
            at = [self._roles.index(role) for role in carrying.at(graph, name)]
            self.real[at, :, d] = edges[:, d]

    def name(self, role: int, source: int, destination: int) -> str:
        """An edge's name, with the role if units are by role."""
        edge = self.graph.edge_name(source, destination)
        return at_role(edge, self._roles[role]) if self._roles else edge

    def kept(self, chosen: Mask) -> Kept:
        """Units, bool [role, source, ...], as kept edges [source, ...]."""
        return role_bits_of(chosen) if self._roles else chosen[0]

    def arrays(self, kept: Kept) -> Mask:
        """The units of kept edges, bool [role, source, destination]."""
        if not self._roles:
            return np.array(kept != 0)[None]
        return role_arrays(kept, len(self._roles)) & self.real

    def circuit(self, chosen: Mask) -> Circuit:
        """A closed circuit of units."""
        return circuit_of(self.graph, self.kept(chosen), self._roles)

    def of_circuit(self, circuit: Circuit) -> Mask:
        """The units of a circuit on these prompts, bool [role, source, destination]."""
        return self.arrays(kept_edges(circuit))

    def pruned(self, chosen: Mask) -> Mask:
        """The same without dead ends."""
        if self.layout is None:
            return Circuit(self.graph, chosen[0]).pruned().mask[None]
        return self.arrays(pruned_by_roles(self.graph, role_bits_of(chosen), self.layout))

    def whole(self, chosen: Mask) -> Mask:
        """The same without dead ends, as a result.

        Where the input is the same in both runs its edges carry nothing, and a search may keep
        none: those that join the rest to the input are added, see `Selected.joined`.
        """
        if self.layout is not None or not self._findings.same_input:
            return self.pruned(chosen)
        places = np.flatnonzero(chosen[0])
        return pruned_circuit(self.graph, places, None, same_input=True).circuit.mask[None]

    def reached_by(self, role: int) -> np.uint64:
        """At which positions a source is read by a unit at a role, as bits."""
        return WHOLE if self.layout is None else self._positions[role]

    @cached_property
    def _positions(self) -> NDArray[np.uint64]:
        assert self.layout is not None
        return self.layout.positions(role_bits_of(np.eye(len(self._roles), dtype=bool)))

    def read_at(self, positions: np.uint64) -> Mask:
        """Which roles stand at some of these positions, bool [role]."""
        if self.layout is None:
            return np.array([positions != 0])
        return (self._positions & positions) != 0

    def into_node(self, node: str, positions: np.uint64 = WHOLE) -> Places:
        """The units into the inputs of a node that is read at some positions."""
        found = np.zeros_like(self.real)
        for name in self.graph.destinations_of(node):
            column, at = self.graph.destination_index(name), positions
            if self.layout is not None and input_of(name) in ("k", "v"):
                at = self.layout.before(np.array([positions], dtype=np.uint64))[0]
            found[:, :, column] = self.real[:, :, column] & self.read_at(at)[:, None]
        return np.argwhere(found.T)[:, ::-1]  # those into one input after one another

    def strongest(self, columns: int | slice = slice(None)) -> None:
        """Let an edge's own number be that of the role at which it is largest."""
        if self.layout is not None:
            scores = self.scores[:, :, columns]
            best = np.nan_to_num(np.abs(scores), nan=-1.0).argmax(axis=0)[None]
            self._findings.edges[:, columns] = np.take_along_axis(scores, best, axis=0)[0]


class Column:
    """The units into one destination, in the order of their sources, then of roles.

    Args:
        positions: as bits, those at which the destination is read; the others are left out.

    Attributes:
        roles, sources: of each unit.
    """

    def __init__(self, units: Units, column: int, positions: np.uint64 = WHOLE) -> None:
        self._units = units
        self._shape = len(units.real), units.graph.n_parents(column)
        there = units.real[:, : self._shape[1], column] & units.read_at(positions)[:, None]
        self.sources, self.roles = np.nonzero(there.T)

    def __len__(self) -> int:
        return len(self.sources)

    def kept(self, chosen: Mask) -> Kept:
        """Choices of them, bool [choice, unit], as kept edges [choice, source]."""
        of_units = np.zeros((self._shape[0], len(chosen), self._shape[1]), dtype=bool)
        of_units[self.roles, :, self.sources] = chosen.T
        return self._units.kept(of_units)
