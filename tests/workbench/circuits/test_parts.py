"""Edges at roles by name: kept, dropped, told in words, and fitted to other prompts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.circuits.names import at_role, split_role
from workbench.circuits.parts import (
    circuit_of_parts,
    drop_parts,
    keep_parts,
    on_prompts,
    parts_into,
    parts_out_of,
    role_words,
)
from workbench.errors import WorkbenchError

GRAPH = Graph(2, 2)
ROLES = ("IO", "S1", "S2", "END")
EDGES = ("input->a1.h0<k>", "m0->a1.h0<k>", "m0->m1", "m0->logits")
names = st.sampled_from([at_role(edge, role) for edge in EDGES for role in ("", *ROLES)])


def units(circuit: Circuit) -> set[tuple[str, str]]:
    """What it keeps, edge by edge and role by role."""
    return {(edge, role) for edge in circuit.edges() for role in circuit.at.kept.get(edge, ROLES)}


def meant(name: str) -> set[tuple[str, str]]:
    edge, role = split_role(name)
    return {(edge, one) for one in ([role] if role else ROLES)}


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), names), max_size=15))
def test_keeping_and_dropping_is_set_arithmetic(steps: list[tuple[bool, str]]) -> None:
    circuit = Circuit.empty(GRAPH)
    circuit.at = EdgeRoles(ROLES)
    expected: set[tuple[str, str]] = set()
    for keep, name in steps:
        (keep_parts if keep else drop_parts)(circuit, [name])
        expected = expected | meant(name) if keep else expected - meant(name)
        assert units(circuit) == expected
        assert circuit.at.names == ROLES
        assert all(0 < len(roles) < len(ROLES) for roles in circuit.at.kept.values())
    parts = circuit.parts()
    assert circuit_of_parts(GRAPH, parts, ROLES) == circuit
    into = [name for d in GRAPH.destinations for name in parts_into(circuit, d)]
    out_of = [name for s in GRAPH.sources for name in parts_out_of(circuit, s)]
    assert sorted(into) == sorted(out_of) == sorted(parts)


def test_prompts_without_a_role_leave_out_what_is_kept_there_alone() -> None:
    parts = [f"{EDGES[0]}@S1", f"{EDGES[1]}@S1", f"{EDGES[1]}@S2", f"{EDGES[2]}@END", EDGES[3]]
    circuit = circuit_of_parts(GRAPH, parts, ROLES)
    fewer = on_prompts(circuit, ("IO", "S2", "END"))
    assert fewer.parts() == [f"{EDGES[1]}@S2", f"{EDGES[2]}@END", EDGES[3]]
    assert on_prompts(circuit, ("END",)).parts() == [EDGES[2], EDGES[3]]
    assert circuit.n_edges == 4 and on_prompts(circuit, ROLES) == circuit
    whole = Circuit.full(GRAPH)
    assert (
        on_prompts(whole, ROLES).mask is whole.mask and on_prompts(whole, ROLES).at.names == ROLES
    )


def test_a_role_of_other_prompts_stays_last() -> None:
    circuit = Circuit.empty(GRAPH)
    circuit.at = EdgeRoles(ROLES)
    keep_parts(circuit, [f"{EDGES[0]}@GONE", f"{EDGES[0]}@S1"])
    assert circuit.at.kept == {EDGES[0]: ("S1", "GONE")}
    assert circuit.at.names == (*ROLES, "GONE")


def test_roles_in_words() -> None:
    assert role_words((), ROLES) == ""
    assert role_words(("S1", "END"), ROLES) == "@S1,END"
    many = (*ROLES, "A", "B")
    assert role_words(("IO", "S1", "S2", "A", "B"), many) == "@all but END"
    assert role_words(("IO", "S1", "S2"), many) == "@IO,S1,S2"


def test_what_cannot_be_is_refused() -> None:
    for twice in ([EDGES[0], EDGES[0]], [f"{EDGES[0]}@S1"] * 2, [EDGES[0], f"{EDGES[0]}@S1"]):
        with pytest.raises(WorkbenchError, match="listed twice"):
            circuit_of_parts(GRAPH, twice, ROLES)
    with pytest.raises(WorkbenchError, match="the prompts have none"):
        keep_parts(Circuit.empty(GRAPH), [f"{EDGES[0]}@S1"])
