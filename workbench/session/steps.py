"""StepTaken: what an expansion by a rule did at one node."""

from __future__ import annotations

from typing import Any, NamedTuple

from workbench.base.json_values import count, items, maybe, number, string


class StepTaken(NamedTuple):
    """One node expanded.

    Attributes:
        node: the node whose open inputs were closed.
        edges: how many edges into them were kept.
        faithfulness: of the circuit then, exact; None where it is undefined.
    """

    node: str
    edges: int
    faithfulness: float | None


def steps(value: Any) -> tuple[StepTaken, ...]:
    """Steps out of JSON. Raises TypeError or ValueError where it holds something else."""
    taken = []
    for step in items(value):
        node, edges, faithfulness = items(step)
        taken.append(StepTaken(string(node), count(edges), maybe(number)(faithfulness)))
    return tuple(taken)
