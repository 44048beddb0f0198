"""StepTaken: what an expansion by a rule did at one node."""

from __future__ import annotations

from typing import Any, NamedTuple

from workbench.base.json_values import string


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
    for node, edges, faithfulness in value:
        share = None if faithfulness is None else float(faithfulness)
        taken.append(StepTaken(string(node), int(edges), share))
    return tuple(taken)
