"""The computational graph of an architecture: nodes, destinations, edges; names, indices.

Pure Python: no weights, no torch. Names are those of EAP-IG (``input``, ``a9.h1``, ``m10``,
``logits``, ``m0->a9.h1<v>``), and so is the (source, destination) layout of every score matrix in
the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from workbench.circuits.names import (
    ARROW,
    HEAD_INPUTS,
    INPUT,
    LOGITS,
    NodeKind,
    head_name,
    mlp_name,
)
from workbench.errors import WorkbenchError

StageKind = Literal["heads", "mlp", "logits"]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph.

    Attributes:
        layer: -1 for the input, the number of layers for the logits.
        head: None for all but a head.
    """

    name: str
    kind: NodeKind
    layer: int
    head: int | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """An input of a node.

    Attributes:
        input: q, k or v of a head; None where the node has one input only.

    Glossary: docs/glossary.md#destination.
    """

    name: str
    node: Node
    input: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Destinations that read the residual at one moment.

    They are a layer's q, k and v, its MLP, or the logits.

    Attributes:
        columns: the destinations' columns: of heads, the q of every head, then every k, then every
            v; so a matrix of them is [3, head].
        rows: the rows of the nodes that are computed from them, in the same order; none for the
            logits.
        parents: how many sources, the first so many, wrote before it.

    Glossary: docs/glossary.md#stage.
    """

    kind: StageKind
    layer: int
    columns: slice
    rows: slice
    parents: int


@dataclass(frozen=True)
class Graph:
    """Every possible edge of a decoder-only transformer.

    Sources, in the order in which they write: ``input``, then for each layer its heads and its MLP.
    Destinations, a node's inputs, in EAP-IG's column order: for each layer the q of every head, the
    k of every head, the v of every head and the MLP; ``logits`` last. The sources that may feed a
    destination are always a prefix of the sources (`n_parents`). With grouped-query attention every
    query head keeps its own q, k and v, as if the heads were not grouped.

    Attributes:
        n_layers: number of layers.
        n_heads: query heads per layer.
        parallel: attention and MLP read the same residual (GPT-NeoX), so that a head does not feed
            the MLP of its own layer.

    Glossary: docs/glossary.md#source.
    """

    n_layers: int
    n_heads: int
    parallel: bool = False

    def __post_init__(self) -> None:
        if self.n_layers < 1 or self.n_heads < 1:
            raise WorkbenchError(
                "A graph needs at least one layer and one head, "
                f"not {self.n_layers} and {self.n_heads}."
            )

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of all that writes into the residual stream, in order of depth."""
        names = [INPUT]
        for layer in range(self.n_layers):
            names += [head_name(layer, head) for head in range(self.n_heads)]
            names.append(mlp_name(layer))
        return tuple(names)

    @cached_property
    def destinations(self) -> tuple[str, ...]:
        """Names of all inputs of nodes, in order of depth."""
        names = []
        for layer in range(self.n_layers):
            for which in HEAD_INPUTS:
                names += [f"{head_name(layer, head)}<{which}>" for head in range(self.n_heads)]
            names.append(mlp_name(layer))
        names.append(LOGITS)
        return tuple(names)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the sources, then of the logits."""
        return (*self.sources, LOGITS)

    @cached_property
    def node_table(self) -> tuple[Node, ...]:
        """All nodes in the order of `nodes`, so that a source's stands at its row."""
        table = [Node(INPUT, "input", -1)]
        for layer in range(self.n_layers):
            table += [
                Node(head_name(layer, head), "head", layer, head) for head in range(self.n_heads)
            ]
            table.append(Node(mlp_name(layer), "mlp", layer))
        table.append(Node(LOGITS, "logits", self.n_layers))
        return tuple(table)

    @cached_property
    def destination_table(self) -> tuple[Destination, ...]:
        """All destinations in the order of `destinations`."""
        names = iter(self.destinations)
        table = []
        for stage in self.stages:
            nodes = self.node_table[stage.rows] or self.node_table[-1:]
            inputs = HEAD_INPUTS if stage.kind == "heads" else (None,)
            table += [Destination(next(names), node, which) for which in inputs for node in nodes]
        return tuple(table)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages in the order in which the model computes them."""
        out = []
        for layer in range(self.n_layers):
            heads, reads = self.head_rows(layer), self.head_inputs(layer)
            out.append(Stage("heads", layer, reads, heads, self.n_parents(reads.start)))
            mlp, column = self.mlp_source(layer), self.mlp_destination(layer)
            rows, columns = slice(mlp, mlp + 1), slice(column, column + 1)
            out.append(Stage("mlp", layer, columns, rows, self.n_parents(column)))
        last, end = self.logits_destination, self.n_sources
        out.append(Stage("logits", self.n_layers, slice(last, last + 1), slice(end, end), end))
        return tuple(out)

    @cached_property
    def owners(self) -> tuple[int | None, ...]:
        """The row of the node that each destination is an input of; None for the logits."""
        rows = self._source_indices
        return tuple(rows.get(destination.node.name) for destination in self.destination_table)

    @property
    def sources_per_layer(self) -> int:
        """A layer's heads and its MLP."""
        return self.n_heads + 1

    @property
    def head_inputs_per_layer(self) -> int:
        """The q, k and v of a layer's heads."""
        return len(HEAD_INPUTS) * self.n_heads

    @property
    def destinations_per_layer(self) -> int:
        """The q, k and v of a layer's heads, and its MLP."""
        return len(HEAD_INPUTS) * self.n_heads + 1

    @property
    def n_sources(self) -> int:
        """How many sources there are: rows of a score matrix."""
        return 1 + self.n_layers * (self.n_heads + 1)

    @property
    def n_destinations(self) -> int:
        """How many destinations there are: columns of a score matrix."""
        return self.n_layers * (3 * self.n_heads + 1) + 1

    @cached_property
    def n_edges(self) -> int:
        """How many edges the whole graph has."""
        return sum(self.n_parents(d) for d in range(self.n_destinations))

    @cached_property
    def _source_indices(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.sources)}

    @cached_property
    def _destination_indices(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.destinations)}

    def source_index(self, name: str) -> int:
        """Row of a source in every [source, destination] matrix."""
        try:
            return self._source_indices[name]
        except KeyError:
            raise WorkbenchError(f"{self._unknown(name)} {self._shape()}") from None

    def destination_index(self, name: str) -> int:
        """Column of a destination in every [source, destination] matrix."""
        try:
            return self._destination_indices[name]
        except KeyError:
            raise WorkbenchError(f"{self._unknown(name)} {self._shape()}") from None

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= 60 else name[:57] + "..."
        return f"There is no node or input {shown!r} in this model:"

    def _shape(self) -> str:
        return (
            f"it has layers 0 to {self.n_layers - 1} and heads 0 to {self.n_heads - 1}, named like "
            f"a0.h0<q>, a0.h0, m0, {INPUT} and {LOGITS}."
        )

    def has_node(self, name: str) -> bool:
        """Whether there is a node of this name."""
        return name == LOGITS or name in self._source_indices

    def parse_node(self, name: str) -> Node:
        """The node of this name.

        Raises:
            WorkbenchError: if this graph has none.
        """
        return self.node_table[-1 if name == LOGITS else self.source_index(name)]

    def parse_destination(self, name: str) -> Destination:
        """The destination of this name.

        Raises:
            WorkbenchError: if this graph has none.
        """
        return self.destination_table[self.destination_index(name)]

    def head_source(self, layer: int, head: int) -> int:
        """Row of a head."""
        return 1 + layer * (self.n_heads + 1) + head

    def mlp_source(self, layer: int) -> int:
        """Row of a layer's MLP."""
        return 1 + layer * (self.n_heads + 1) + self.n_heads

    def head_destination(self, layer: int, which: int, head: int) -> int:
        """`which` is 0 for q, 1 for k, 2 for v."""
        return layer * (3 * self.n_heads + 1) + which * self.n_heads + head

    def mlp_destination(self, layer: int) -> int:
        """Column of a layer's MLP."""
        return layer * (3 * self.n_heads + 1) + 3 * self.n_heads

    def head_rows(self, layer: int) -> slice:
        """Rows of a layer's heads."""
        first = self.head_source(layer, 0)
        return slice(first, first + self.n_heads)

    def layer_rows(self, layer: int) -> slice:
        """Rows of a layer's heads and of its MLP, in this order."""
        first = self.head_source(layer, 0)
        return slice(first, first + self.n_heads + 1)

    def head_sources(self, layer: int) -> range:
        """The sources that are a layer's heads, one by one."""
        first = self.head_source(layer, 0)
        return range(first, first + self.n_heads)

    def head_inputs(self, layer: int, which: int | None = None) -> slice:
        """Columns of the q (`which` 0), k (1) or v (2) of a layer's heads.

        Without `which` of all three, one after the other.
        """
        first = self.head_destination(layer, which or 0, 0)
        return slice(first, first + self.n_heads * (len(HEAD_INPUTS) if which is None else 1))

    def layer_columns(self, layer: int) -> slice:
        """Columns of a layer's destinations: those of its heads, then its MLP."""
        first = self.head_destination(layer, 0, 0)
        return slice(first, first + self.destinations_per_layer)

    @property
    def logits_destination(self) -> int:
        """Column of the logits, the last."""
        return self.n_destinations - 1

    def n_parents(self, destination: int) -> int:
        """How many sources may feed a destination: exactly the first so many."""
        if not 0 <= destination < self.n_destinations:
            raise IndexError(destination)
        layer, offset = divmod(destination, 3 * self.n_heads + 1)
        before_layer = 1 + layer * (self.n_heads + 1)
        if layer == self.n_layers or offset < 3 * self.n_heads or self.parallel:
            return before_layer
        return before_layer + self.n_heads

    def layer_of(self, node: str) -> int:
        """The layer of a node: -1 for the input, `n_layers` for the logits."""
        return self.parse_node(node).layer

    def is_head(self, node: str) -> bool:
        """Whether a node of this name is a head of the model."""
        row = self._source_indices.get(node)
        return row is not None and self.node_table[row].kind == "head"

    def destinations_of(self, node: str) -> tuple[str, ...]:
        """The inputs of a node: three of a head, one of an MLP or the logits, none of the input."""
        if node == LOGITS:
            return (LOGITS,)
        return self._inputs[self.source_index(node)]

    @cached_property
    def _inputs(self) -> tuple[tuple[str, ...], ...]:
        """The destinations of each source."""
        of_node: dict[str, list[str]] = {name: [] for name in self.nodes}
        for destination in self.destination_table:
            of_node[destination.node.name].append(destination.name)
        return tuple(tuple(of_node[name]) for name in self.sources)

    def node_of(self, destination: str) -> str:
        """The node whose input a destination is."""
        return self.destination_table[self.destination_index(destination)].node.name

    def edge_name(self, source: int, destination: int) -> str:
        """Name of the edge of this row and column."""
        return f"{self.sources[source]}{ARROW}{self.destinations[destination]}"

    def parse_edge(self, name: str) -> tuple[int, int]:
        """Indices of the edge of this name.

        Raises:
            WorkbenchError: if it is not an edge's name, names an unknown node, or runs backward.
        """
        source_name, arrow, destination_name = name.partition(ARROW)
        if not arrow:
            raise WorkbenchError(
                f"{name[:60]!r} is not an edge: an edge is written like m0->a1.h0<q> or m1->logits."
            )
        source = self.source_index(source_name)
        destination = self.destination_index(destination_name)
        if source >= self.n_parents(destination):
            raise WorkbenchError(
                f"The edge {name!r} is impossible: "
                f"{source_name} writes after {destination_name} has read."
            )
        return source, destination

    def end_indices(self, edges: Iterable[str]) -> Iterator[int]:
        """Row and column of each edge in turn, two numbers an edge; -1 for a name that is unknown.

        Whether the edge runs forward is not looked at: see `n_parents`.
        """
        rows, columns = self._source_indices, self._destination_indices
        for edge in edges:
            source, _, destination = edge.partition(ARROW)
            yield rows.get(source, -1)
            yield columns.get(destination, -1)

    def edges(self) -> Iterator[str]:
        """All edges in the order in which EAP-IG's files list them.

        For each layer: for each source so far, for each head its q, k and v; then each source into
        the MLP (after the layer's own heads joined the sources; where the block is parallel, the
        MLP's edge follows at once the head edges of the same source). At the end each source into
        the logits.
        """
        for layer in range(self.n_layers):
            mlp = self.mlp_destination(layer)
            for source in range(1 + layer * (self.n_heads + 1)):
                for head in range(self.n_heads):
                    for which in range(3):
                        yield self.edge_name(source, self.head_destination(layer, which, head))
                if self.parallel:
                    yield self.edge_name(source, mlp)
            if not self.parallel:
                for source in range(self.n_parents(mlp)):
                    yield self.edge_name(source, mlp)
        for source in range(self.n_sources):
            yield self.edge_name(source, self.logits_destination)


@lru_cache(maxsize=16)
def shared_graph(n_layers: int, n_heads: int, parallel: bool) -> Graph:
    """The one graph of this shape, so that its tables are made once for all who ask."""
    return Graph(n_layers, n_heads, parallel)
