"""What the graph screen draws of a circuit: links, groups, paths and the counts between groups."""

from __future__ import annotations

import pytest

from screens.graph.picture import UNREACHED, Link, Member, Picture, letter, link_of
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.circuits.tree import TreeRow

EDGES = (
    "input->m0",
    "input->a1.h0<q>",
    "m0->a1.h0<q>",
    "m0->a1.h0<v>",
    "m0->a2.h1<k>",
    "a1.h0->m2",
    "m2->logits",
    "a1.h0->logits",
    "a0.h0->a2.h1<k>",
)
EFFECTS = {"m0->a1.h0<q>": 0.1, "m0->a1.h0<v>": -0.4, "m2->logits": -1.0}


class Told:
    """A session as far as a picture asks: a circuit and its tree."""

    def __init__(self, groups: tuple[RoleGroup, ...] = ()) -> None:
        self.graph = Graph(3, 2)
        self.circuit = Circuit.from_edges(self.graph, EDGES)
        self.circuit.groups = groups

    def tree(self) -> list[TreeRow]:
        rows = [TreeRow("logits", 0, None, None, None, None, "expanded", False, None)]
        for edge in EDGES:
            source, _, destination = edge.partition("->")
            # The head a2.h1 does not reach the logits, and so what feeds it is not in the tree.
            if "a2.h1" in edge:
                continue
            parent = self.graph.node_of(destination)
            effect = EFFECTS.get(edge)
            state = "input" if source == "input" else "expanded"
            rows.append(
                TreeRow(source, 1, parent, edge, destination, effect, state, False, None)  # type: ignore[arg-type]
            )
        return rows


def picture(*groups: RoleGroup) -> Picture:
    return Picture.of(Told(groups))  # type: ignore[arg-type]


def test_the_edges_between_two_nodes_are_one_link() -> None:
    links = {(link.source, link.destination): link for link in picture().links}
    assert len(links) == 8
    assert links["m0", "a1.h0"] == Link("m0", "a1.h0", "qv", 2, -0.4)
    assert links["input", "m0"] == Link("input", "m0", "", 1, None)
    assert links["a1.h0", "m2"].inputs == ""


def test_links_are_found_from_both_ends_largest_effect_first() -> None:
    drawn = picture()
    assert [link.source for link in drawn.fed_by["logits"]] == ["m2", "a1.h0"]
    assert [link.destination for link in drawn.feeds["m0"]] == ["a1.h0", "a2.h1"]
    assert drawn.feeds["logits"] == ()
    assert drawn.fed_by["input"] == ()


def test_a_link_says_when_its_largest_effect_is_an_estimate() -> None:
    effect = {"m0->a1.h0<q>": (0.1, False), "m0->a1.h0<v>": (-0.4, True)}
    told = link_of("m0", "a1.h0", list(effect), effect)
    assert (told.effect, told.estimated) == (-0.4, True)


def test_nodes_have_layers_and_states() -> None:
    drawn = picture()
    assert drawn.nodes == ("input", "a0.h0", "m0", "a1.h0", "a2.h1", "m2", "logits")
    assert list(drawn.layer.values()) == [-1, 0, 0, 1, 2, 2, 3]
    assert drawn.state["m0"] == "expanded"
    assert drawn.state["input"] == "input"
    assert drawn.state["a2.h1"] == UNREACHED


def test_paths_to_the_logits() -> None:
    drawn = picture()
    assert drawn.paths_to_logits("a1.h0") == {"a1.h0", "m2", "logits"}
    assert drawn.paths_to_logits("logits") == {"logits"}
    assert "a0.h0" not in drawn.paths_to_logits("input")


def test_members_are_groups_single_ends_and_the_rest() -> None:
    drawn = picture(RoleGroup("late", "answer", ("m2", "a1.h0")), RoleGroup("gone", "", ("a0.h1",)))
    members = drawn.members()
    assert members == (
        Member("logits", "logits", "", ("logits",)),
        Member("0", "late", "answer", ("m2", "a1.h0")),
        Member("rest", "ungrouped", "", ("a0.h0", "m0", "a2.h1")),
        Member("1", "gone", "", ()),
        Member("input", "input", "", ("input",)),
    )
    counts = {(b.source, b.destination): b.n_edges for b in drawn.bundles(members)}
    assert counts == {
        ("0", "logits"): 2,
        ("rest", "0"): 2,
        ("input", "rest"): 1,
        ("input", "0"): 1,
    }
    assert drawn.within(members[1]) == 1
    assert drawn.within(members[2]) == 2
    assert sum(counts.values()) + sum(map(drawn.within, members)) == len(EDGES)


def test_input_and_logits_may_be_in_groups() -> None:
    drawn = picture(RoleGroup("ends", "", ("input", "logits")))
    assert [member.key for member in drawn.members()] == ["0", "rest"]


@pytest.mark.parametrize(("index", "name"), [(0, "A"), (25, "Z"), (26, "a"), (51, "z"), (52, "53")])
def test_groups_have_letters(index: int, name: str) -> None:
    assert letter(index) == name
