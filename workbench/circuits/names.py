"""Names of nodes, of their inputs and of edges: how they are written, and what one says.

They are EAP-IG's: ``input``, ``a9.h1``, ``m10``, ``logits``; ``a9.h1<v>`` for an input of a head;
``m0->a9.h1<v>`` for an edge, ``m0->a9.h1<v>@S1`` for the edge at one role of the prompts;
``m10.n421`` for a neuron of an MLP. Whether a model has such a node
its `Graph` knows. Nothing but this file and `workbench.circuits.graph` takes a name apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

NodeKind = Literal["input", "head", "mlp", "logits"]

INPUT = "input"
LOGITS = "logits"
HEAD_INPUTS = ("q", "k", "v")
TOGETHER = "q+k+v"
"""A head's three inputs as one: the edge `m0->a9.h1` is those into its q, k and v together."""

ARROW = "->"
AT = "@"
"""Between an edge, or a node, and the role at which it is meant."""
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_HEAD = re.compile(rf"(a{_NUMBER}\.h{_NUMBER})(?:<([{''.join(HEAD_INPUTS)}])>)?")
_MLP = re.compile(rf"m{_NUMBER}")
_HEADS = re.compile(rf"a{_NUMBER}")
_NEURON = re.compile(rf"(m{_NUMBER})\.n{_NUMBER}")


@dataclass(frozen=True)
class Name:
    """What the name of a node, or of a node's input, says by itself.

    Attributes:
        node: the node's own name.
        layer: None for the input and the logits.
        head: None for all but a head.
        input: q, k or v; None for a node, and where a node has one input only.
    """

    node: str
    kind: NodeKind
    layer: int | None = None
    head: int | None = None
    input: str | None = None


@lru_cache(maxsize=8192)
def parse_name(name: str) -> Name | None:
    """What a name says where no graph is at hand; None if no model has a node named like this.

    Where there is a graph, `Graph.parse_node` and `Graph.parse_destination` know whether the node
    exists.
    """
    if name == INPUT:
        return Name(name, "input")
    if name == LOGITS:
        return Name(name, "logits")
    if found := _MLP.fullmatch(name):
        return Name(name, "mlp", int(found[1]))
    if found := _HEAD.fullmatch(name):
        return Name(found[1], "head", int(found[2]), int(found[3]), found[4])
    return None


def kind_of(name: str) -> NodeKind | None:
    """The kind of the node that a name says; None if it is no name."""
    found = parse_name(name)
    return None if found is None else found.kind


def input_of(destination: str) -> str:
    """The q, k or v of a destination's name; empty where a node has one input only."""
    found = parse_name(destination)
    return "" if found is None or found.input is None else found.input


def layer_of_heads(word: str) -> int | None:
    """The layer whose heads are meant by a word like a9; None for any other word."""
    found = _HEADS.fullmatch(word)
    return None if found is None else int(found[1])


def head_name(layer: int, head: int) -> str:
    """Name of a head."""
    return f"a{layer}.h{head}"


def mlp_name(layer: int) -> str:
    """Name of a layer's MLP."""
    return f"m{layer}"


def neuron_name(mlp: str, number: int) -> str:
    """Name of a neuron of an MLP."""
    return f"{mlp}.n{number}"


def parse_neuron(name: str) -> tuple[str, int] | None:
    """The MLP's name and the number of the neuron that a name says; None if it is no neuron's."""
    found = _NEURON.fullmatch(name)
    return None if found is None else (found[1], int(found[3]))


def is_edge(name: str) -> bool:
    """Whether a name is written as an edge's, not a node's or a destination's."""
    return ARROW in name


def edge_ends(edge: str) -> tuple[str, str]:
    """The names of an edge's source and destination; the latter is empty if there is no arrow."""
    source, _, destination = edge.partition(ARROW)
    return source, destination


def is_joined(edge: str) -> bool:
    """Whether a name is that of the edges into q, k and v of a head together, as m0->a9.h1."""
    found = parse_name(edge_ends(split_role(edge)[0])[1])
    return found is not None and found.kind == "head" and found.input is None


def is_one_of(edge: str, joined: str) -> bool:
    """Whether an edge is one of those into q, k and v of a head together."""
    return is_joined(joined) and edge.startswith(f"{joined}<")


def split_role(name: str) -> tuple[str, str]:
    """An edge's or a node's name, and the role at which it is meant; empty for all roles."""
    whole, _, role = name.partition(AT)
    return whole, role


def at_role(name: str, role: str) -> str:
    """Name of an edge, or a node, at a role; itself, if that is empty."""
    return f"{name}{AT}{role}" if role else name
