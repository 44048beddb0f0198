"""Edges that a circuit keeps at some roles of the prompts only."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import MOST_ROLES, EdgeRoles
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError

ROLES = ("IO", "S1", "S2", "END")
GRAPH = Graph(2, 2)
EDGE, OTHER = "input->a0.h0<v>", "a0.h0->a1.h1<k>"


def circuit(*names: str) -> Circuit:
    made = Circuit.empty(GRAPH)
    made.at = EdgeRoles(ROLES)
    for name in names:
        made.toggle(name)
    return made


def test_toggling_roles_one_by_one_keeps_drops_and_restores_an_edge() -> None:
    made = circuit(f"{EDGE}@S1", f"{EDGE}@END")
    assert made.has(EDGE) and made.has(f"{EDGE}@S1") and not made.has(f"{EDGE}@IO")
    assert made.at.kept == {EDGE: ("S1", "END")} and made.parts() == [f"{EDGE}@S1", f"{EDGE}@END"]
    made.toggle(f"{EDGE}@S1")
    made.toggle(f"{EDGE}@END")
    assert made == Circuit.empty(GRAPH) and not made.at
    whole = circuit(*(f"{EDGE}@{role}" for role in ROLES))
    assert whole == Circuit.from_edges(GRAPH, [EDGE]) and whole.parts() == [EDGE]
    whole.toggle(f"{EDGE}@IO")
    assert whole.at.kept == {EDGE: ("S1", "S2", "END")} and whole.at.other(EDGE) == ("IO",)
    whole.toggle(EDGE)
    assert whole == Circuit.empty(GRAPH)


def test_set_algebra_works_role_by_role() -> None:
    rng = np.random.default_rng(0)
    edges = list(GRAPH.edges())
    parts = [f"{edge}@{role}" for edge in edges for role in ROLES]

    def of(chosen: set[str]) -> Circuit:
        return circuit(*sorted(chosen))

    def units(one: Circuit) -> set[str]:
        return {part for part in parts if one.has(part)}

    for _ in range(20):
        a, b = (set(rng.choice(parts, 150)) for _ in range(2))
        one, other = of(a), of(b)
        assert units(one) == a
        assert units(one | other) == a | b
        assert units(one & other) == a & b
        assert units(one - other) == a - b
    whole = Circuit.full(GRAPH)
    assert units(of(a) & whole) == a == units(whole & of(a))
    assert units(whole - of(a)) == set(parts) - a


def test_a_dead_end_takes_its_roles_with_it() -> None:
    made = circuit(f"{EDGE}@S1", f"{OTHER}@S2", "a1.h1->logits@END")
    assert made.pruned() == made
    made.toggle("a1.h1->logits@END")
    assert made.pruned() == Circuit.empty(GRAPH) and not made.pruned().at


def test_other_prompts_may_have_other_roles() -> None:
    made = EdgeRoles(ROLES).set(EDGE, ["S1", "END"])
    assert made.named(("END", "S1", "XX")).kept == {EDGE: ("END", "S1")}
    assert not made.named(("S1", "END"))


def test_what_no_prompt_has_is_refused() -> None:
    with pytest.raises(
        WorkbenchError, match=r"cannot be at 'XX': no pair has it; there are IO, S1"
    ):
        circuit(f"{EDGE}@XX")
    with pytest.raises(WorkbenchError, match="the prompts have none"):
        Circuit.full(GRAPH).toggle(f"{EDGE}@S1")
    with pytest.raises(WorkbenchError, match="at one role at least"):
        EdgeRoles(ROLES).set(EDGE, ())
    many = tuple(f"r{i}" for i in range(MOST_ROLES + 1))
    with pytest.raises(WorkbenchError, match="61 roles"):
        EdgeRoles(many).set(EDGE, ["r0"])
    with pytest.raises(WorkbenchError, match="no pair has it"):
        EdgeRoles(ROLES).set(EDGE, ["S2"]).named(("A", "END"))
