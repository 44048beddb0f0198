"""A few states whole, packed, from which changes lead to all others.

One is kept at every depth that `spacing` divides. When there are more than `MOST` the spacing
doubles: the memory has a bound, and a state is never farther from a kept one than the spacing.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.kept_neurons import Neurons
from workbench.session.pair_set import PairSet
from workbench.session.state import DroppedNodes, Interventions, State
from workbench.session.state_tree import Node

MOST = 128
"""States that are kept at most: of GPT-2 small 9 KB each before compression."""
FIRST_SPACING = 64
"""Changes between two kept states at first: they are applied within a millisecond."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A state in a few bytes, without its reference, which is no part of the past."""

    mask: bytes
    open: frozenset[str]
    groups: tuple[RoleGroup, ...]
    notes: Mapping[str, str]
    threshold: float
    dropped_nodes: DroppedNodes
    pairs: PairSet
    metric: str
    neurons: Neurons
    interventions: Interventions
    at: EdgeRoles

    @classmethod
    def of(cls, state: State) -> Packed:
        """The state, packed."""
        circuit = state.circuit
        return cls(
            zlib.compress(np.packbits(circuit.mask).tobytes(), 1),
            circuit.open,
            circuit.groups,
            dict(circuit.notes),
            state.threshold,
            dict(state.dropped_nodes),
            state.pairs,
            state.metric,
            dict(circuit.neurons),
            state.interventions,
            circuit.at,
        )

    def unpacked(self, like: State) -> State:
        """The state, in the graph of `like` and with its reference."""
        shape = like.circuit.mask.shape
        bits = np.frombuffer(zlib.decompress(self.mask), dtype=np.uint8)
        mask = np.unpackbits(bits, count=shape[0] * shape[1]).astype(bool).reshape(shape)
        circuit = Circuit(like.circuit.graph, mask, self.open, groups=self.groups, at=self.at)
        circuit.notes = dict(self.notes)
        circuit.neurons = dict(self.neurons)
        return replace(
            like,
            circuit=circuit,
            threshold=self.threshold,
            dropped_nodes=dict(self.dropped_nodes),
            pairs=self.pairs,
            metric=self.metric,
            interventions=self.interventions,
        )


class KeptStates:
    """Those that are kept, by their number."""

    def __init__(self, start: Node, state: State) -> None:
        self._spacing = FIRST_SPACING
        self._kept: dict[int, tuple[int, Packed]] = {start.number: (0, Packed.of(state))}

    def __len__(self) -> int:
        return len(self._kept)

    def made(self, node: Node, state: State) -> None:
        """A command made this state, or made another one of it."""
        if node.depth % self._spacing:
            return
        self._kept[node.number] = (node.depth, Packed.of(state))
        while len(self._kept) > MOST:
            self._spacing *= 2
            self._kept = {n: k for n, k in self._kept.items() if k[0] % self._spacing == 0}

    def find(self, node: Node, like: State) -> State | None:
        """The state, if it is kept."""
        kept = self._kept.get(node.number)
        return None if kept is None else kept[1].unpacked(like)
