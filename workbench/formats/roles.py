"""A circuit written down by hand, as papers tell it: roles, their heads, who feeds whom.

    # heads of GPT-2 small for IOI
    duplicate token: 0.1, 0.10, 3.0
    s-inhibition (tells name movers where not to look): 7.3, 7.9, 8.6, 8.10
    name mover: 9.9, 9.6, 10.0
    MLPs: m*

    input -> duplicate token
    duplicate token -> s-inhibition<v>
    s-inhibition -> name mover<q>
    name mover -> logits@END

A line with a colon is a role: its name, in brackets what it does, its nodes in the names of any
tool in `dialects`; `m*` are all MLPs and `a3.*` all heads of a layer. A line with an arrow keeps
every edge from one role's nodes to another's (or a node's), through the inputs that are named, all
if none are; `@S1` behind it: at this token role alone, and `# token roles: IO S1 END` says which
there are. Without such lines all edges among the nodes are kept. Roles become groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from workbench.base.read_json import Document
from workbench.circuits.between import ANY_INPUT, between
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.circuits.names import (
    ARROW,
    AT,
    HEAD_INPUTS,
    layer_of_heads,
    mlp_name,
    split_role,
)
from workbench.circuits.node_circuit import node_circuit
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import NeedsGraph
from workbench.formats.dialects import node_named
from workbench.formats.token_roles import edges_at_listed, roles_of_text

_ROLE = re.compile(r"(?P<name>[^:()]+?)\s*(?:\((?P<role>[^()]*)\))?\s*:(?P<nodes>.*)")
_END = re.compile(r"(?P<name>.+?)(?:<(?P<inputs>[qkv,\s]+)>)?")
_ALL_MLPS, _ALL_HEADS = "m*", ".*"
_SEPARATORS = re.compile(r"[,;\s]+")


def is_roles(text: str) -> bool:
    """Whether a text's first line that says something is a role with its nodes."""
    first = next(_lines(text), None)
    found = None if first is None or ARROW in first else _ROLE.fullmatch(first)
    if found is None:
        return False
    named = [word for word in _SEPARATORS.split(found["nodes"].strip()) if word]
    return bool(named) and all(
        word == _ALL_MLPS or _layer(word) is not None or node_named(word) for word in named
    )


def read(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of a list of roles.

    Raises:
        NeedsGraph: no graph is given.
        WorkbenchError: a line is neither a role nor an arrow between known ones, or names what the
            model does not have.
    """
    if graph is None:
        raise NeedsGraph
    groups: list[RoleGroup] = []
    arrows: list[str] = []
    for line in _lines(document.value):
        if ARROW in line:
            arrows.append(line)
            continue
        found = _ROLE.fullmatch(line)
        if found is None:
            raise WorkbenchError(
                f"Its line {line[:60]!r} is neither a role (name mover: 9.9, 10.0) nor an arrow "
                "between two (s-inhibition -> name mover<q>)."
            )
        nodes = tuple(_nodes(graph, found["nodes"], found["name"]))
        groups.append(RoleGroup(found["name"].strip(), (found["role"] or "").strip(), nodes))
    _check(groups)
    if not groups and not arrows:
        raise WorkbenchError("It is empty, so it is not a circuit file.")
    every = [node for group in groups for node in group.nodes]
    circuit = Circuit.empty(graph)
    at: dict[str, list[str]] = {}
    told_apart = any(AT in line for line in arrows)
    for line in arrows:
        source, _, written = line.partition(ARROW)
        reader, role = split_role(written)
        kept = between(
            graph, _end(graph, groups, source)[0], *_end(graph, groups, reader, reads=True)
        )
        circuit.mask |= kept
        for s, d in zip(*np.nonzero(kept), strict=True) if told_apart else ():
            at.setdefault(graph.edge_name(int(s), int(d)), []).append(role.strip())
    circuit.at = edges_at_listed(roles_of_text(document.value), at)
    if not arrows:
        circuit = node_circuit(graph, every)
    circuit.groups = tuple(groups)
    return circuit


def _lines(text: str) -> Iterator[str]:
    """Lines that say something, without comments."""
    for line in text.splitlines():
        said = line.partition("#")[0].strip()
        if said:
            yield said


def _nodes(graph: Graph, text: str, role: str) -> Iterator[str]:
    for word in filter(None, _SEPARATORS.split(text.strip())):
        layer = _layer(word)
        if word == _ALL_MLPS:
            yield from (mlp_name(layer) for layer in range(graph.n_layers))
        elif layer is not None:
            if layer >= graph.n_layers:
                raise WorkbenchError(
                    f"There is no layer {layer} in this model of {graph.n_layers}."
                )
            yield from (graph.sources[row] for row in graph.head_sources(layer))
        else:
            node = node_named(word)
            if node is None:
                raise WorkbenchError(
                    f"Its role {role[:40]!r} names {word[:40]!r}, which is no node."
                )
            graph.parse_node(node)
            yield node


def _layer(word: str) -> int | None:
    """The layer all of whose heads are meant; None for any other word."""
    return layer_of_heads(word.removesuffix(_ALL_HEADS)) if word.endswith(_ALL_HEADS) else None


def _check(groups: list[RoleGroup]) -> None:
    """Refuse roles of one name, and nodes of two roles: a node is in one group."""
    seen: dict[str, str] = {}
    for number, group in enumerate(groups):
        if any(group.name == other.name for other in groups[:number]):
            raise WorkbenchError(f"It lists the role {group.name[:40]!r} twice.")
        if not group.nodes:
            raise WorkbenchError(f"Its role {group.name[:40]!r} has no nodes.")
        for node in group.nodes:
            if node in seen:
                raise WorkbenchError(
                    f"It lists {node} twice, as {seen[node][:40]!r} and as {group.name[:40]!r}."
                )
            seen[node] = group.name


def _end(
    graph: Graph, groups: list[RoleGroup], text: str, *, reads: bool = False
) -> tuple[list[str], str]:
    """The nodes at one end of an arrow, and the inputs that are named."""
    found = _END.fullmatch(text.strip())
    name = "" if found is None else found["name"].strip()
    inputs = "" if found is None else (found["inputs"] or "")
    if inputs and not reads:
        raise WorkbenchError(f"{text.strip()[:60]!r} names an input where it writes.")
    letters = "".join(letter for letter in HEAD_INPUTS if letter in inputs) or ANY_INPUT
    for group in groups:
        if group.name.casefold() == name.casefold():
            return list(group.nodes), letters
    node = node_named(name)
    if node is None:
        raise WorkbenchError(f"There is no role and no node {name[:40]!r} in it.")
    graph.parse_node(node)
    return [node], letters
