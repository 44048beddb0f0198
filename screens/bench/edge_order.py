"""The columns that candidate edges are sorted by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from workbench.circuits.names import input_of
from workbench.session.views import Candidate

SORTS = ("effect", "eap", "found", "exact", "direct", "source", "at", "kept", "reference", "drop")
"""Columns to sort by, in the order in which the key goes through them."""
DIFFERING = {"both": 0, "undecided": 1, "extra": 2, "missing": 3}


def sort_key(
    column: str, order: Callable[[str], int], roles: Sequence[str] = ()
) -> Callable[[Candidate], tuple[Any, ...]]:
    """What a column sorts by, the largest first.

    Args:
        column: one of `TITLES`.
        order: gives a source's place in the model.
        roles: in the order in which they stand in the prompts.
    """
    places = {role: -place for place, role in enumerate(roles)}
    keys: dict[str, Callable[[Candidate], tuple[Any, ...]]] = {
        "effect": lambda c: (_size(c.score),),
        "eap": lambda c: (_size(c.eap),),
        "exact": lambda c: (_size(c.exact),),
        "direct": lambda c: (_size(c.direct),),
        "found": lambda c: (_size(c.found),),
        "source": lambda c: (order(c.source), c.destination),
        "input": lambda c: (-ord(input_of(c.destination) or "q"), _size(c.score)),
        "at": lambda c: (bool(c.at), [places.get(role, 0) for role in c.at], _size(c.score)),
        "kept": lambda c: (c.kept, c.preview, _size(c.score)),
        "reference": lambda c: (DIFFERING.get(c.reference or "", -1), _size(c.score)),
        "drop": lambda c: (_size(c.drop_cost), _size(c.score)),
        "role": lambda c: (bool(c.role), c.role or "", _size(c.score)),
    }
    return keys[column]


def _size(value: float | None) -> float:
    return -1.0 if value is None or math.isnan(value) else abs(value)
