"""Plain lists in JSON, CSV or text: of edges or nodes, with or without scores.

    ["m0->a1.h0<q>", "m1->logits"]                  edges, by their names
    [["a0.h1", "a1.h0.q"], ["m1", "resid_post", 0.3]]
                                                    by both ends; so are Edge-Pruning's edges.json
    [{"source": "m0", "target": "logits", "score": 0.3}]
    {"m0->logits": 0.3}                             scores of edges
    [[9, 9], [10, 0]]   ["9.9", "m3"]               heads and other nodes: all edges among them
    {"name mover": [[9, 9], [10, 0]]}               groups of them
    {"a9.h9": 0.3, "m3": -0.1}                      scores of nodes
    {"edges": [...]}  {"nodes": [...]}  {"heads": [...]}
    {"token_roles": ["S1", "END"], "edges": ["m0->a1.h0<k>@S1"]}
                                                    edges at roles of the prompts

A table or a text has an edge or a node a line, both ends and a score in columns; all roles of the
prompts stand in a line `# token roles: IO S1 END`, where edges are at some of them. Names may be
those of any tool in `dialects`. What is listed is kept; a list that gives a score to every edge of
the model, or scores nodes, chooses nothing. None of them says of which model it is.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.circuits.names import ARROW, INPUT, LOGITS, split_role
from workbench.circuits.node_circuit import node_circuit
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import NeedsGraph
from workbench.formats.dialects import edges_between, named, node_named
from workbench.formats.roles import is_roles
from workbench.formats.roles import read as read_roles
from workbench.formats.token_roles import (
    TOKEN_ROLES,
    edges_at_listed,
    roles_of_object,
    roles_of_text,
)

SOURCES = ("source", "src", "from", "sender", "parent", "src_id", "u")
READERS = ("target", "destination", "dst", "to", "receiver", "child", "dest", "dst_id", "v")
SCORES = ("score", "weight", "attribution", "effect", "value", "importance")
EDGES = ("edge", "name", "id")
LISTS = ("edges", "nodes", "heads", "circuit")
HEADERS = frozenset((*SOURCES, *READERS, *SCORES, *EDGES, "node", "head", "layer"))

Edge = tuple[str, str, float | None]


@dataclass
class Listed:
    """What a list names.

    Attributes:
        edges: both ends as written, and the score if there is one.
        nodes: our names of nodes, with the score if there is one.
        groups: name -> nodes, where they come in groups.
        chooses: whether what is listed is what is kept.
        token_roles: all roles of the prompts, where it names them.
    """

    edges: list[Edge] = field(default_factory=list)
    nodes: dict[str, float | None] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    chooses: bool = True
    token_roles: tuple[str, ...] = ()


def matches(value: Any) -> bool:
    """Whether a parsed JSON file begins like one of these lists."""
    if isinstance(value, dict):
        for name in LISTS:
            if isinstance(value.get(name), list) and "cfg" not in value:
                return bool(value[name]) and _is_item(value[name][0])
        first = next(iter(value.items()), None)
        if first is None:
            return False
        name, held = first
        if isinstance(held, list) and held:
            return all(isinstance(v, list) and v and node_named(v[0]) for v in value.values())
        return _number(held) is not None and (_is_item(name))
    return isinstance(value, list) and bool(value) and _is_item(value[0])


def read(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of a JSON list.

    Raises:
        NeedsGraph: no graph is given.
        WorkbenchError: an entry is none of the known ways, or names what the model does not have.
    """
    if graph is None:
        raise NeedsGraph
    value = document.value
    if isinstance(value, dict):
        name = next((name for name in LISTS if isinstance(value.get(name), list)), None)
        listed = _of_object(value) if name is None else _of_items(value[name])
        listed.token_roles = roles_of_object(value) if name is not None else ()
    else:
        listed = _of_items(value)
    return circuit_of(listed, graph)


def is_table(text: Any) -> bool:
    """Whether a text has an edge or a node in its first lines."""
    return isinstance(text, str) and (
        is_roles(text)
        or any(_row_item(row) is not None for row, _ in zip(_rows(text), range(2), strict=False))
    )


def read_table(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of a table or a text with an edge or a node a line; errors as of `read`.

    A text that begins with a role and its nodes is one of `formats.roles`.
    """
    if graph is None:
        raise NeedsGraph
    if is_roles(document.value):
        return read_roles(document, graph)
    items = []
    for number, row in enumerate(_rows(document.value)):
        item = _row_item(row)
        if item is None:
            if number == 0 and {cell.strip().lower() for cell in row} & HEADERS:
                continue
            shown = ", ".join(row)
            raise WorkbenchError(
                f"Its line {shown[:60]!r} is neither an edge (m0->a1.h0<q>, or both ends in "
                "columns) nor a node (a1.h0)."
            )
        items.append(item)
    if not items:
        raise WorkbenchError("It is empty, so it is not a circuit file.")
    listed = _of_items(items)
    listed.token_roles = roles_of_text(document.value)
    return circuit_of(listed, graph)


def to_text(circuit: Circuit) -> str:
    """A table of the kept edges: source, destination, score; ends in a newline.

    An edge that is kept at some roles has a line for each, with the score of the whole edge.
    """
    lines = [f"{TOKEN_ROLES} {' '.join(circuit.at.names)}"] if circuit.at else []
    lines.append("source,destination,score")
    for name in circuit.parts():
        row, column = circuit.graph.parse_edge(split_role(name)[0])
        score = math.nan if circuit.scores is None else float(circuit.scores[row, column])
        source, _, destination = name.partition(ARROW)
        lines.append(f"{source},{destination},{'' if math.isnan(score) else repr(score)}")
    return "\n".join(lines) + "\n"


def losses(circuit: Circuit) -> tuple[str, ...]:
    """One sentence on each thing of this circuit that a table cannot hold."""
    lost = ["A table of edges does not say of which model they are."]
    n_open = len(circuit.open_reached())
    if n_open:
        lost.append(
            f"A table of edges knows no open destinations: the {n_open} of this circuit have only "
            "their kept edges there, so that it scores differently."
        )
    if circuit.groups or circuit.notes:
        lost.append("A table of edges has no place for groups and notes.")
    return tuple(lost)


def circuit_of(listed: Listed, graph: Graph) -> Circuit:
    """The circuit that a list means.

    Raises:
        WorkbenchError: the model does not have what is listed.
    """
    for node in listed.nodes:
        graph.parse_node(node)
    if not listed.edges:
        circuit = Circuit.empty(graph)
        if listed.chooses:
            circuit = node_circuit(graph, [n for n in listed.nodes if n not in (INPUT, LOGITS)])
        scored = {name: score for name, score in listed.nodes.items() if score is not None}
        if scored:
            circuit.provenance["node_scores"] = scored
        circuit.groups = tuple(RoleGroup(name, "", tuple(n)) for name, n in listed.groups.items())
        return circuit
    circuit = Circuit.empty(graph)
    scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    roles: dict[str, list[str]] = {}
    for source, written, score in listed.edges:
        reader, role = split_role(written)
        for cell in edges_between(graph, source, reader):
            circuit.mask[cell] = True
            if score is not None:
                scores[cell] = score
            roles.setdefault(graph.edge_name(*cell), []).append(role)
    circuit.at = edges_at_listed(listed.token_roles, roles)
    known = int((~np.isnan(scores)).sum())
    if known:
        circuit.scores = scores
    if known == graph.n_edges and not circuit.at:  # importances of all edges, not a choice of some
        circuit.mask[:] = False
    return circuit


def _of_items(items: Iterable[Any]) -> Listed:
    listed = Listed()
    for item in items:
        edge = _edge(item)
        if edge is not None:
            listed.edges.append(edge)
            continue
        node = node_named(item) if not isinstance(item, dict) else _node_of_object(item)
        if node is None:
            raise WorkbenchError(
                f"Its entry {ascii(item)[:60]} is neither an edge nor a node: write m0->a1.h0<q>, "
                '["m0", "a1.h0.q"], a1.h0 or [1, 0].'
            )
        score = item.get("score") if isinstance(item, dict) else None
        listed.nodes[node] = _number(score)
        listed.chooses &= score is None
    if listed.edges and listed.nodes:
        raise WorkbenchError("It lists edges and nodes in one: list the edges alone.")
    return listed


def _of_object(value: dict[str, Any]) -> Listed:
    listed = Listed()
    for name, held in value.items():
        number = _number(held)
        edge, node = _edge(name), node_named(name)
        if isinstance(held, list):
            nodes = [node_named(item) for item in held]
            if None in nodes:
                raise WorkbenchError(f"Its group {name[:40]!r} names something that is no node.")
            listed.groups[name] = [node for node in nodes if node is not None]
            listed.nodes |= dict.fromkeys(listed.groups[name])
        elif number is None or (edge is None and node is None):
            raise WorkbenchError(f"Its entry {name[:60]!r} is no edge or node with a score.")
        elif edge is not None:
            listed.edges.append((*edge[:2], number))
        elif node is not None:
            listed.nodes[node] = number
            listed.chooses = False
    if listed.edges and listed.nodes:
        raise WorkbenchError("It scores edges and nodes in one: list the edges alone.")
    return listed


def _is_item(item: Any) -> bool:
    node = _node_of_object(item) if isinstance(item, dict) else node_named(item)
    edge = _edge(item)
    known = edge is not None and named(edge[0]) is not None and _read_by(edge[1])
    return known or node is not None


def _read_by(reader: str) -> bool:
    """Whether it names what an edge ends in, at a role or not."""
    return named(split_role(reader)[0]) is not None


def _edge(item: Any) -> Edge | None:
    """Both ends and the score of an entry; None if it is none of the ways to write an edge."""
    if isinstance(item, str):
        source, arrow, reader = item.partition(ARROW)
        return (source.strip(), reader.strip(), None) if arrow else None
    if isinstance(item, list | tuple) and len(item) in (2, 3):
        source, reader = item[:2]
        score = _number(item[2]) if len(item) == 3 else None
        if isinstance(source, str) and isinstance(reader, str):
            return source, reader, score
        if isinstance(source, str) and ARROW in source and _number(reader) is not None:
            start, _, end = source.partition(ARROW)
            return start.strip(), end.strip(), _number(reader)
        return None
    if isinstance(item, dict):
        score = next((_number(item[key]) for key in SCORES if key in item), None)
        ends = [
            next((item[key] for key in keys if key in item), None) for keys in (SOURCES, READERS)
        ]
        if isinstance(ends[0], str) and isinstance(ends[1], str):
            return ends[0], ends[1], score
        name = next((item[key] for key in EDGES if isinstance(item.get(key), str)), "")
        edge = _edge(name)
        return None if edge is None else (*edge[:2], score)
    return None


def _node_of_object(item: dict[str, Any]) -> str | None:
    if type(item.get("layer")) is int and type(item.get("head")) is int:
        return node_named([item["layer"], item["head"]])
    name = next((item[key] for key in ("node", "head", "name") if key in item), None)
    return node_named(name)


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and abs(value) < 1e300 else None


def _rows(text: str) -> Iterator[list[str]]:
    """The lines of a table, split at tabs, semicolons, commas or blanks; comments left out."""
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        mark = next((mark for mark in "\t;," if mark in line), None)
        if mark is None:
            if ARROW in line:
                yield _around_arrow(line)
            else:
                yield [line] if named(line) else line.split()
        else:
            yield [cell.strip() for cell in next(csv.reader([line], delimiter=mark))]


def _around_arrow(line: str) -> list[str]:
    """An edge in one cell, with blanks around its arrow or not, and what follows it."""
    source, _, rest = line.partition(ARROW)
    reader, *others = rest.split() or [""]
    return [f"{source.strip()}{ARROW}{reader}", *others]


def _row_item(row: list[str]) -> Any:
    """The edge or node of a line; None for a heading or anything else."""
    cells = [cell for cell in row if cell]
    if not cells:
        return None
    if len(cells) == 2 and all(cell.isdigit() for cell in cells):
        return [int(cells[0]), int(cells[1])]  # the layer and the head
    score = _score(cells[-1]) if len(cells) > 1 else None
    if score is not None:
        cells = cells[:-1]
    if len(cells) == 1:
        edge = _edge(cells[0])
        if edge is not None:
            return (*edge[:2], score)
        node = node_named(cells[0])
        return node if node is None or score is None else {"node": node, "score": score}
    if len(cells) == 2 and named(cells[0]) and _read_by(cells[1]):
        return (*cells, score)
    return None


def _score(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
