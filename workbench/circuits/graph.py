"""The computational graph of an architecture: nodes, destinations and edges by name and by index.

Pure Python: no weights, no torch. Names are those of EAP-IG (``input``, ``a9.h1``, ``m10``,
``logits``, ``m0->a9.h1<v>``), and so is the (source, destination) layout of every score matrix in
the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from workbench.errors import WorkbenchError

INPUT = "input"
LOGITS = "logits"
HEAD_INPUTS = ("q", "k", "v")


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
        names = [INPUT]
        for layer in range(self.n_layers):
            names += [f"a{layer}.h{head}" for head in range(self.n_heads)]
            names.append(f"m{layer}")
        return tuple(names)

    @cached_property
    def destinations(self) -> tuple[str, ...]:
        names = []
        for layer in range(self.n_layers):
            for which in HEAD_INPUTS:
                names += [f"a{layer}.h{head}<{which}>" for head in range(self.n_heads)]
            names.append(f"m{layer}")
        names.append(LOGITS)
        return tuple(names)

    @property
    def nodes(self) -> tuple[str, ...]:
        return (*self.sources, LOGITS)

    @property
    def n_sources(self) -> int:
        return 1 + self.n_layers * (self.n_heads + 1)

    @property
    def n_destinations(self) -> int:
        return self.n_layers * (3 * self.n_heads + 1) + 1

    @cached_property
    def n_edges(self) -> int:
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
        return name == LOGITS or name in self._source_indices

    def head_source(self, layer: int, head: int) -> int:
        return 1 + layer * (self.n_heads + 1) + head

    def mlp_source(self, layer: int) -> int:
        return 1 + layer * (self.n_heads + 1) + self.n_heads

    def head_destination(self, layer: int, which: int, head: int) -> int:
        """`which` is 0 for q, 1 for k, 2 for v."""
        return layer * (3 * self.n_heads + 1) + which * self.n_heads + head

    def mlp_destination(self, layer: int) -> int:
        return layer * (3 * self.n_heads + 1) + 3 * self.n_heads

    @property
    def logits_destination(self) -> int:
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
        if node == INPUT:
            return -1
        if node == LOGITS:
            return self.n_layers
        return (self.source_index(node) - 1) // (self.n_heads + 1)

    def is_head(self, node: str) -> bool:
        return node in self._source_indices and ".h" in node

    def destinations_of(self, node: str) -> tuple[str, ...]:
        """The inputs of a node: three for a head, one for an MLP and the logits, none for the
        input.
        """
        if node == INPUT:
            return ()
        if node == LOGITS:
            return (LOGITS,)
        self.source_index(node)
        if self.is_head(node):
            return tuple(f"{node}<{which}>" for which in HEAD_INPUTS)
        return (node,)

    def node_of(self, destination: str) -> str:
        """The node whose input a destination is."""
        self.destination_index(destination)
        return destination.partition("<")[0]

    def edge_name(self, source: int, destination: int) -> str:
        return f"{self.sources[source]}->{self.destinations[destination]}"

    def parse_edge(self, name: str) -> tuple[int, int]:
        """Indices of the edge of this name.

        Raises:
            WorkbenchError: if it is not an edge's name, names an unknown node, or runs backward.
        """
        source_name, arrow, destination_name = name.partition("->")
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
