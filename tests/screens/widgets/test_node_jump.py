"""Finding nodes by a part of their name."""

from __future__ import annotations

import pytest

from screens.widgets.node_jump import matching
from workbench.circuits.graph import Graph

NODES = Graph(12, 12).nodes


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("a9.h1", "a9.h1"),
        ("A9.H1", "a9.h1"),
        ("9.1", "a9.h1"),
        ("m1", "m1"),
        ("10", "a10.h0"),
        ("lo", "logits"),
        ("inp", "input"),
        ("119", "a11.h9"),
        (" m3 ", "m3"),
    ],
)
def test_the_best_match_comes_first(typed: str, first: str) -> None:
    assert matching(typed, NODES)[0] == first


def test_all_that_begin_with_it_come_before_those_that_only_hold_it() -> None:
    found = matching("m1", NODES)
    assert found == ["m1", "m10", "m11"]
    found = matching("h11", NODES)
    assert set(found[:12]) == {f"a{layer}.h11" for layer in range(12)}


def test_nothing_typed_is_everything_and_nonsense_is_nothing() -> None:
    assert matching("", NODES) == list(NODES)
    assert matching("zz", NODES) == []
