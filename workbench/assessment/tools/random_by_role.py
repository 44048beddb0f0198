"""Random circuits of edges at token roles without dead edges: of a size, and random paths.

As `random_circuits`, but a way leads from node to node and from role to role: along an MLP or a
query it stays at its role, at a key or a value it goes on at one from which that can be looked
back at. Layout of every array: uint64 [source, destination], see `engine.kept_edges`.

Glossary: docs/glossary.md#random-circuits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.assessment.tools.carrying import carrying_parts, differing_roles
from workbench.assessment.tools.random_circuits import RandomCircuits
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import input_of
from workbench.engine.kept_edges import NOTHING, WHOLE, Bits, as_bits
from workbench.engine.plan import carried_by_roles, live_and_read
from workbench.engine.role_layout import LAST, ROOM, RoleLayout
from workbench.experiment.experiment import Experiment

Part = tuple[int, int, np.uint64]
"""Source, destination, and the bit of a role."""


@dataclass
class _Reached:
    """Which sources something clean reaches and which are read, as bits of positions [source]."""

    live: Bits
    read: Bits


class RandomByRole(RandomCircuits):
    """Draws circuits of edges at roles.

    Args:
        seed: of all that is drawn; the same seed and the same order of calls give the same.
        experiment: whose prompts have the roles.
    """

    def __init__(self, experiment: Experiment, seed: int | tuple[int, ...]) -> None:
        super().__init__(experiment.graph, seed)
        graph, roles = experiment.graph, experiment.batch.roles
        self._layout = RoleLayout.of(roles)
        self._each = np.uint64((1 << len(roles.names)) - 1)
        self._can = carrying_parts(experiment)
        self._differing = self._layout.positions(np.array([differing_roles(experiment)]))[0]
        # Where destinations are read with every edge kept.
        at_all = np.where(self._all, self._each, NOTHING)
        self._read = live_and_read(graph, at_all, self._layout)[1] & ~ROOM
        places = [np.argwhere(self._can >> np.uint64(r) & np.uint64(1)) for r in self._roles()]
        self._parts = [(int(s), int(d), r) for r, of in enumerate(places) for s, d in of]
        inputs = graph.destinations
        self._looked_at = np.array([input_of(name) in ("k", "v") for name in inputs])

    def like(self, circuit: Circuit) -> Bits:
        """A circuit of as many whole edges, and as many edges at single roles beside them."""
        whole = circuit.n_edges - len(circuit.at.kept)
        return self.of_parts(whole, circuit.at.n_parts)

    def of_parts(self, n_whole: int, n_parts: int) -> Bits:
        """A circuit of so many whole edges and so many edges at single roles, none of them dead.

        The whole ones are drawn first, as `of_size` does. One that gets all of its roles one by one
        is whole, and counts as so many.
        """
        while True:
            kept = as_bits(self.of_size(n_whole))
            reached, room = self._reached(kept), n_parts
            while room and (path := self._fitting_parts(kept, reached, room)):
                for source, column, bit in path:
                    kept[source, column] |= bit
                room -= len(path)
            if not room:
                return np.where(kept & self._each == self._each, WHOLE, kept)

    def path_of_parts(self, kept: Bits) -> list[Part]:
        """A random path from the input to the logits: its edges at roles that are not kept.

        A random one that is not kept, with a way to it and one from it, as `RandomCircuits.path`.

        Args:
            kept: a circuit without dead edges, to which `has_room`.
        """
        return self._ways(kept, self._reached(kept), self._part_outside(kept))

    def has_room(self, kept: Bits) -> bool:
        """Whether an edge at a role that can carry something is not kept."""
        return bool((self._can & ~kept).any())

    def _roles(self) -> range:
        return range(int(self._each).bit_length())

    def _reached(self, kept: Bits) -> _Reached:
        live, read = live_and_read(self.graph, kept, self._layout)
        first = [self.graph.destinations_of(name)[:1] for name in self.graph.sources]
        read_at = [read[self.graph.destination_index(one[0])] if one else WHOLE for one in first]
        return _Reached(live, np.array(read_at, dtype=np.uint64) & ~ROOM)

    def _part_outside(self, kept: Bits) -> tuple[int, int, int]:
        for _ in range(50):
            part = self._parts[self.one_of(len(self._parts))]
            if not int(kept[part[:2]]) >> part[2] & 1:
                return part
        return self._one_part(self._can & ~kept)

    def _one_part(self, among: Bits) -> tuple[int, int, int]:
        """One of these edges at roles, all equally likely."""
        found = [
            (int(s), int(d), role)
            for s, d in np.argwhere(among)
            for role in self._roles()
            if int(among[s, d]) >> role & 1
        ]
        return found[self.one_of(len(found))]

    def _fitting_parts(self, kept: Bits, reached: _Reached, room: int) -> list[Part]:
        """At least one edge at a role and at most so many that may be added; none if none may."""
        part = self._part_outside(kept) if self.has_room(kept) else None
        for direct in (False, True):
            way = _Reached(reached.live.copy(), reached.read.copy())
            path = [] if part is None else self._ways(kept, way, part, direct=direct)
            if 0 < len(path) <= room:
                reached.live, reached.read = way.live, way.read
                return path
        inner = carried_by_roles(self.graph, kept, self._can & ~kept, self._layout)
        if not inner.any():
            return []
        source, column, role = self._one_part(inner)
        return [(source, column, np.uint64(1 << role))]

    def _ways(
        self, kept: Bits, reached: _Reached, part: tuple[int, int, int], *, direct: bool = False
    ) -> list[Part]:
        """An edge at a role with ways to it and from it, without what is kept of them.

        Args:
            reached: where ways end; what they pass is added.
            direct: as short as may be: from the input, and to the logits at the last position.
        """
        source, column, role = part
        zone = self._zone(self._layout.positions(np.array([1 << role], dtype=np.uint64))[0], column)
        passed: dict[tuple[int, int, int], None] = {part: None}
        node, here = source, zone
        while node != 0 and not reached.live[node] & here:
            reached.live[node] |= here
            into = int(self._columns[node][self.one_of(len(self._columns[node]))])
            if self._looked_at[into]:
                here = self._one_bit(self._layout.before(np.array([here]))[0] & self._differing)
            node = 0 if direct else self.one_of(self.graph.n_parents(into))
            passed[node, into, self._role_at(here)] = None
        here = zone
        while (node := int(self._owner[column])) >= 0:
            reading = self._read[self._columns[node][0]]
            if self._looked_at[column]:
                ahead = self._layout.after(np.array([here]))[0] & reading
                here = LAST if direct and ahead & LAST else self._one_bit(ahead)
            reached.live[node] |= here
            if reached.read[node] & here:
                break
            reached.read[node] |= here
            readers = np.flatnonzero(self._all[node] & ((self._read & here) != NOTHING))
            if direct:
                readers = readers[-1:] if here == LAST else readers[self._looked_at[readers]]
            column = int(readers[self.one_of(len(readers))])
            passed[node, column, self._role_at(here)] = None
        found = [(s, d, np.uint64(1 << role)) for s, d, role in passed]
        return [(s, d, bit) for s, d, bit in found if not kept[s, d] & bit]

    def _zone(self, positions: np.uint64, column: int) -> np.uint64:
        """One of an edge's positions at which its destination is read."""
        return self._one_bit(positions & self._read[column])

    def _role_at(self, position: np.uint64) -> int:
        """The role that stands there; at the last position one that some prompt has there."""
        if position == LAST:
            position = self._one_bit(self._layout.at_last)
        return int(position).bit_length() - 1

    def _one_bit(self, bits: np.uint64) -> np.uint64:
        places = [place for place in range(64) if int(bits) >> place & 1]
        return np.uint64(1 << places[self.one_of(len(places))])


def random_circuits(
    experiment: Experiment, circuit: Circuit, seed: int | tuple[int, ...]
) -> RandomCircuits | RandomByRole:
    """What draws circuits like one: by role, if it keeps edges at some roles."""
    if circuit.at:
        return RandomByRole(experiment, seed)
    return RandomCircuits(circuit.graph, seed)


def of_same_size(random: RandomCircuits, circuit: Circuit) -> NDArray[np.bool_] | Bits:
    """A circuit of as many edges, and where it keeps edges at roles of as many of them."""
    if isinstance(random, RandomByRole):
        return random.like(circuit)
    return random.of_size(circuit.n_edges)


def random_path(
    random: RandomCircuits, kept: NDArray[np.bool_] | Bits
) -> list[tuple[int, int, np.uint64]]:
    """What a random path adds to a circuit: whole edges, or edges at roles with their bits."""
    if isinstance(random, RandomByRole):
        return random.path_of_parts(as_bits(kept))
    return [(s, d, WHOLE) for s, d in random.path(kept)]  # type: ignore[arg-type]
