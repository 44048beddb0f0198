"""What of a circuit has to be computed, and at which positions.

Two facts, both read off the mask alone: which nodes are *live* (something clean reaches them, so
their output differs from the corrupted run's), and at which positions a node's output is *needed*
for the metric. The metric reads the last position; a query or an MLP reads its own position; keys
and values are read at every position. So a node that reaches the logits only through MLPs and
queries is needed at the last position alone, which is where most of a circuit's later half lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph


class Positions:
    """At which positions a value is wanted: a greater one includes the lesser.

    Plain numbers, as they stand in arrays: an edit looks them up once a source, and to look up a
    member of an `IntEnum` takes ten times as long in Python 3.11.

    Glossary: docs/glossary.md#need.
    """

    NONE: Final = 0
    LAST: Final = 1
    ALL: Final = 2


@dataclass(frozen=True)
class Plan:
    """Which sources are live, and where sources and destinations are needed.

    Attributes:
        live: bool [source].
        need: uint8 [source], NOWHERE, LAST or ALL.
        need_in: uint8 [destination]: the positions at which its input is needed; an open
            destination's input is recorded, so it needs nothing from its parents.

    Glossary: docs/glossary.md#demand, docs/glossary.md#live, docs/glossary.md#plan.
    """

    live: NDArray[np.bool_]
    need: NDArray[np.uint8]
    need_in: NDArray[np.uint8]


def make_plan(
    graph: Graph,
    mask: NDArray[np.bool_],
    is_open: NDArray[np.bool_],
    demand: Mapping[int, int] | None = None,
) -> Plan:
    """The plan of a circuit.

    Args:
        mask: bool [source, destination]; the columns of open destinations are ignored.
        is_open: bool [destination].
        demand: positions at which further sources are wanted, whether or not the metric needs them.
    """
    return Plan(_live(graph, mask, is_open), *_needs(graph, mask, is_open, demand or {}))


def _live(graph: Graph, mask: NDArray[np.bool_], is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
    n_heads = graph.n_heads
    live = np.zeros(graph.n_sources, dtype=bool)
    live[0] = True
    for stage in graph.stages[:-1]:
        before = live[: stage.parents]
        fed = is_open[stage.columns] | mask[: stage.parents, stage.columns][before].any(axis=0)
        if stage.kind == "heads":
            live[stage.rows] = fed.reshape(3, n_heads).any(axis=0)
        else:
            live[stage.rows] = fed
    return live


def _needs(
    graph: Graph, mask: NDArray[np.bool_], is_open: NDArray[np.bool_], demand: Mapping[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    need = np.zeros(graph.n_sources, dtype=np.uint8)
    need_in = np.zeros(graph.n_destinations, dtype=np.uint8)
    for source, positions in demand.items():
        need[source] = positions
    need_in[graph.logits_destination] = Positions.LAST
    need_in[is_open] = Positions.NONE

    def gather(rows: slice, after: int) -> NDArray[np.uint8]:
        wanted = need_in[after:]
        asked = np.flatnonzero(wanted)
        if asked.size:
            here = (mask[rows, after:][:, asked] * wanted[asked]).max(axis=1)
            np.maximum(need[rows], here.astype(np.uint8), out=need[rows])
        return need[rows]

    for stage in reversed(graph.stages[:-1]):
        here = stage.columns
        needed = gather(stage.rows, here.stop)
        if stage.kind == "heads":
            keys = np.where(needed > Positions.NONE, Positions.ALL, Positions.NONE)
            need_in[here] = np.concatenate((needed, keys, keys))
        else:
            need_in[here] = needed
        need_in[here][is_open[here]] = Positions.NONE
    return need, need_in
