"""The format `edge-list`: a line with the model's shape, then the kept edges, one a line."""

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError

HEADER = "layers {} heads {} parallel {}"


def matches(text: str) -> bool:
    """Whether a text begins with a shape."""
    return text.startswith("layers ")


def read(document: Document) -> Circuit:
    """The circuit of a file.

    Raises:
        WorkbenchError: it has no shape, or a line that is no edge of its graph.
    """
    head, *edges = document.value.splitlines() or [""]
    words = head.split()
    try:
        layers, heads = int(words[1]), int(words[3])
        graph = Graph(layers, heads, parallel=words[5] == "True")
    except (IndexError, ValueError):
        raise WorkbenchError("Its first line is no shape.") from None
    return Circuit.from_edges(graph, [edge for edge in edges if edge])


def write(circuit: Circuit) -> str:
    """The text of a circuit's file."""
    graph = circuit.graph
    head = HEADER.format(graph.n_layers, graph.n_heads, graph.parallel)
    return "\n".join([head, *circuit.edges()]) + "\n"


def losses(circuit: Circuit) -> tuple[str, ...]:
    """What is left out."""
    lost = "An edge list has edges alone: no scores, groups, notes, provenance."
    return (lost,) if circuit.scores is not None or circuit.groups or circuit.notes else ()
