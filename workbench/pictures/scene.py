"""What a picture of a circuit holds before anything has a place: boxes and lines.

A box is a node, or a group with its role; a line is an edge, or all edges from one box into another
with their scores summed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from workbench.base.text import counted, printable
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import HEAD_INPUTS, split_role
from workbench.pictures.members import Member, depth, group_of, letter, members_of
from workbench.pictures.role_graph import EVERY_TITLE, role_graph

MOST_NODES = 8
"""Names of nodes that a group's box lists."""


@dataclass(frozen=True)
class Box:
    """A node or a group.

    Attributes:
        key: unique.
        kind: input, head, mlp, logits, group, or rest for all that is in no group.
        label: its name, printable; `short` is what is enough beside the number of its layer.
        layer: -1 of the input, the number of layers of the logits; of a group the mean.
        group: number of its group.
        lines: words below the label.
        inputs: of a head, those that edges enter, as 'qk'.
        open: an input of it is not yet expanded.
        role, nodes: of a group.
    """

    key: str
    kind: str
    label: str
    short: str
    layer: float
    group: int | None = None
    lines: tuple[str, ...] = ()
    inputs: str = ""
    open: bool = False
    role: str = ""
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """An edge, or several.

    Attributes:
        source, destination: keys of boxes.
        input: q, k or v of the destination; "" where it has one input only, or is a group.
        score: of the edge, or the sum of those that are known; None if none is.
        n_edges: how many it stands for.
    """

    source: str
    destination: str
    input: str = ""
    score: float | None = None
    n_edges: int = 1

    @property
    def size(self) -> float:
        """|score|, 0 where there is none."""
        return 0.0 if self.score is None else abs(self.score)


@dataclass(frozen=True)
class Scene:
    """A picture without places.

    Attributes:
        n_layers: of the model.
        boxes: from the input up; those of a layer in the graph's order.
        lines: by rising |score|, so that the strongest are drawn over the others.
        groups: title by number of the groups that are told by colour.
        notes: name and note of what is drawn.
        columns: titles of the columns of a picture by position, from the left; else none.
        column_of: by key of a box the number of its column.
        left_out: kept edges that are read nowhere at their role, and so have no place in it.
    """

    n_layers: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    groups: dict[int, str] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()
    column_of: dict[str, int] = field(default_factory=dict)
    left_out: int = 0

    @property
    def largest(self) -> float:
        """The largest |score|."""
        return max((line.size for line in self.lines), default=0.0)


def scene_of(circuit: Circuit, groups_as: str = "colour", by_position: bool = False) -> Scene:
    """What is drawn of a circuit; arguments as of `DrawingSettings`."""
    if by_position:
        return _of_roles(circuit, groups_as)
    return _of_groups(circuit) if groups_as == "boxes" else _of_nodes(circuit, groups_as)


def _of_nodes(circuit: Circuit, groups_as: str) -> Scene:
    graph = circuit.graph
    grouped = group_of(circuit.groups) if groups_as == "colour" else {}
    lines, inputs = [], defaultdict(set)
    for edge in circuit.edges():
        s, d = graph.parse_edge(edge)
        reader = graph.destination_table[d]
        inputs[reader.node.name].add(reader.input or "")
        lines.append(
            Line(graph.sources[s], reader.node.name, reader.input or "", _score(circuit, s, d))
        )
    boxes = [_single(circuit, name, name, grouped, inputs[name]) for name in circuit.nodes()]
    return Scene(
        graph.n_layers,
        tuple(boxes),
        _sorted(lines),
        _titles(circuit, boxes),
        _notes(circuit),
    )


def _of_roles(circuit: Circuit, groups_as: str) -> Scene:
    graph, drawn = circuit.graph, role_graph(circuit)
    grouped = group_of(circuit.groups) if groups_as == "colour" else {}
    lines, inputs = [], defaultdict(set)
    for edge in drawn.edges:
        inputs[edge.destination].add(edge.input)
        score = _score(circuit, *graph.parse_edge(split_role(edge.edge)[0]))
        lines.append(Line(edge.source, edge.destination, edge.input, score))
    boxes = [
        _single(circuit, node.name, node.node, grouped, inputs[node.name]) for node in drawn.nodes
    ]
    columns = {role: number for number, role in enumerate(drawn.columns)}
    return Scene(
        graph.n_layers,
        tuple(boxes),
        _sorted(lines),
        _titles(circuit, boxes),
        _notes(circuit),
        tuple(role or EVERY_TITLE for role in drawn.columns),
        {node.name: columns[node.role] for node in drawn.nodes},
        len(drawn.unread),
    )


def _single(
    circuit: Circuit, key: str, name: str, grouped: Mapping[str, int], inputs: Collection[str]
) -> Box:
    """The box of a node; `inputs` are those that edges enter."""
    graph = circuit.graph
    node = graph.parse_node(name)
    return Box(
        key,
        node.kind,
        name,
        {"head": f"h{node.head}", "mlp": "m"}.get(node.kind, name),
        node.layer,
        grouped.get(name),
        inputs="".join(which for which in HEAD_INPUTS if which in inputs),
        open=any(d in circuit.open for d in graph.destinations_of(name)),
    )


def _titles(circuit: Circuit, boxes: Iterable[Box]) -> dict[int, str]:
    """The titles of the groups that are told by colour."""
    drawn = {box.group for box in boxes}
    return {
        i: _title(i, group.name, group.role) for i, group in enumerate(circuit.groups) if i in drawn
    }


def _of_groups(circuit: Circuit) -> Scene:
    graph = circuit.graph
    layers = {node: graph.layer_of(node) for node in circuit.nodes()}
    members = members_of(layers, graph.n_layers, circuit.groups)
    home = {node: member.key for member in members for node in member.nodes}
    within: dict[str, int] = defaultdict(int)
    merged: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for edge in circuit.edges():
        s, d = graph.parse_edge(edge)
        ends = home[graph.sources[s]], home[graph.destination_table[d].node.name]
        if ends[0] == ends[1]:
            within[ends[0]] += 1
        else:
            merged[ends].append(_score(circuit, s, d))
    lines = [
        Line(source, destination, "", _sum(scores), len(scores))
        for (source, destination), scores in merged.items()
    ]
    boxes = [
        _box(member, depth(member, layers), within[member.key]) for member in reversed(members)
    ]
    return Scene(graph.n_layers, tuple(boxes), _sorted(lines), {}, _notes(circuit))


def _box(member: Member, layer: float, within: int) -> Box:
    group = member.group
    name = printable(member.name)
    if group is None and len(member.nodes) == 1 and member.key == member.name:
        return Box(member.key, member.key, name, name, layer)
    nodes = " ".join(member.nodes[:MOST_NODES]) or "no node of the circuit"
    if len(member.nodes) > MOST_NODES:
        nodes += f" and {len(member.nodes) - MOST_NODES} more"
    words = [printable(member.role)] if member.role else []
    words.append(nodes)
    if within:
        words.append(f"{counted(within, 'edge')} among them")
    title = name if group is None else f"{letter(group)}  {name}"
    kind = "rest" if group is None else "group"
    role = printable(member.role)
    return Box(
        member.key, kind, title, title, layer, group, tuple(words), role=role, nodes=member.nodes
    )


def _score(circuit: Circuit, s: int, d: int) -> float | None:
    if circuit.scores is None or math.isnan(circuit.scores[s, d]):
        return None
    return float(circuit.scores[s, d])


def _sum(scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) if known else None


def _sorted(lines: list[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: line.size))


def _title(number: int, name: str, role: str) -> str:
    return f"{letter(number)}  {printable(name)}" + (f": {printable(role)}" if role else "")


def _notes(circuit: Circuit) -> tuple[tuple[str, str], ...]:
    return tuple((printable(name), printable(note)) for name, note in circuit.notes.items() if note)
