"""A proposal: what a found circuit would change in the present one, edge by edge.

Set arithmetic, no engine. Two kinds of edges are proposed: those of the found circuit that are not
kept, to be kept, and kept ones that it lacks, to be dropped. Nothing is proposed for an edge that
the user refused.

Glossary: docs/glossary.md#proposal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role, edge_ends
from workbench.circuits.parts import edge_of
from workbench.session.known_effects import Matrix
from workbench.session.state import State


@dataclass(frozen=True)
class Proposed:
    """One edge of a proposal that is not decided yet, or one at a role where roles differ.

    Attributes:
        edge: its name.
        keep: accepting keeps the edge; else it drops it.
        closes: accepting closes the input that it enters, which is open now.
    """

    edge: str
    keep: bool
    closes: bool


def differing(circuit: Circuit, found: Circuit, refused: Collection[str]) -> NDArray[np.bool_]:
    """bool [source, destination]: in one circuit only, at any role, and not refused."""
    mask = circuit.mask ^ found.mask
    for edge in refused:
        mask[circuit.graph.parse_edge(edge_of(edge))] = False
    for edge, roles in differing_roles(circuit, found, refused).items():
        mask[circuit.graph.parse_edge(edge)] = bool(roles)
    return mask


def differing_roles(
    circuit: Circuit, found: Circuit, refused: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Of edges that either circuit keeps at some roles, those at which they differ.

    Roles that were refused are left out.
    """
    names = circuit.at.together(found.at)
    differ = {}
    for edge in {**circuit.at.kept, **found.at.kept}:
        where = circuit.graph.parse_edge(edge)
        mine, others = (
            set(one.at.kept.get(edge, names)) if one.mask[where] else set()
            for one in (circuit, found)
        )
        differ[edge] = tuple(
            role
            for role in names
            if role in mine ^ others and not {edge, at_role(edge, role)} & {*refused}
        )
    return differ


def proposed(
    circuit: Circuit, found: Circuit, scores: Matrix, refused: Collection[str]
) -> list[Proposed]:
    """What is to decide, from the logits backward; into one input the largest |score| first.

    Args:
        scores: [source, destination], of the method; where it has none the order is the model's.
    """
    graph = circuit.graph
    sources, destinations = np.nonzero(differing(circuit, found, refused))
    size = np.nan_to_num(np.abs(scores[sources, destinations]), nan=-1.0)
    by_role = differing_roles(circuit, found, refused)
    rows = []
    for i in np.lexsort((sources, -size, -destinations)):
        s, d = int(sources[i]), int(destinations[i])
        edge, closes = graph.edge_name(s, d), graph.destinations[d] in circuit.open
        for role in by_role.get(edge, ("",)):
            name = at_role(edge, role)
            rows.append(Proposed(name, keep=found.has(name), closes=closes))
    return rows


def accepted(state: State, found: Circuit, edges: Sequence[str]) -> State:
    """These edges kept or dropped as in the found circuit.

    An open input that an edge enters is closed on the accepted edges alone, so that each further
    one shows what it adds.
    """
    keep = [edge for edge in edges if found.has(edge)]
    drop = [edge for edge in edges if not found.has(edge)]
    entered = {edge_ends(edge_of(edge))[1] for edge in keep}
    return state.with_edges(close=entered, keep=keep, drop=drop)
