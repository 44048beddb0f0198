"""Carrying roles: at which token roles an edge can carry anything.

Where both prompts have been the same up to a position nothing differs, and what no later reader
takes up changes nothing. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.names import at_role, edge_ends
from workbench.prompts.roles import Roles

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


@dataclass(frozen=True)
class CarryingRoles:
    """The roles at which edges carry something on some pair.

    Attributes:
        names: all roles of the prompts, in order.
        anywhere: those at which the two runs can differ.
        last: those of the last position, the only one that the logits are read at.
    """

    names: tuple[str, ...]
    anywhere: tuple[str, ...]
    last: tuple[str, ...]

    @classmethod
    def of(cls, roles: Roles, starts: Iterable[tuple[int, int]]) -> CarryingRoles:
        """Of a batch.

        Args:
            roles: of its prompts.
            starts: (pair, the first position at which its two runs can differ).
        """
        anywhere, last = set(), set()
        for pair, start in starts:
            row = roles.of_pairs[pair]
            anywhere |= {*row[start:]}
            last.add(row[-1])
        names = roles.names
        return cls(names, *(tuple(names[i] for i in sorted(some)) for some in (anywhere, last)))

    @classmethod
    def of_experiment(cls, experiment: Experiment) -> CarryingRoles:
        """Of the pairs of an experiment."""
        groups = zip(experiment.batch.groups, experiment.recordings, strict=True)
        starts = [(i, recording.start) for group, recording in groups for i in group.indices]
        return cls.of(experiment.batch.roles, starts)

    @classmethod
    def none(cls) -> CarryingRoles:
        """No roles: edges are not told apart."""
        return cls((), (), ())

    def into(self, graph: Graph, destination: str) -> tuple[str, ...]:
        """By which roles edges into a destination are told apart; empty where there is one."""
        roles = self.at(graph, destination)
        return roles if len(roles) > 1 else ()

    def at(self, graph: Graph, destination: str) -> tuple[str, ...]:
        """The roles at which edges into a destination can carry something.

        What the last layer's queries and MLP read, and the logits, matters at the last position.
        """
        parsed = graph.parse_destination(destination)
        late = parsed.node.layer >= graph.n_layers - 1 and parsed.input not in ("k", "v")
        return self.last if late else self.anywhere

    def parts(self, graph: Graph, edge: str) -> list[str]:
        """Names of an edge at every role that it is told apart by; its own if there is none."""
        return [at_role(edge, role) for role in self.into(graph, edge_ends(edge)[1]) or ("",)]

    def parts_into(self, graph: Graph, destination: str) -> list[str]:
        """The same of all edges into a destination."""
        d = graph.destination_index(destination)
        edges = (graph.edge_name(s, d) for s in range(graph.n_parents(d)))
        return [name for edge in edges for name in self.parts(graph, edge)]

    def kept_parts(self, circuit: Circuit) -> list[str]:
        """The kept edges, each at every role that it is told apart by and kept at."""
        graph = circuit.graph
        return [
            name
            for edge in circuit.edges()
            for name in self.parts(graph, edge)
            if circuit.has(name)
        ]
