"""The formats of circuit files: how a file is recognised, and what reads and writes it.

Pure data; the functions are named, and imported when a file is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workbench.base.text import counted
from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue, resolve

if TYPE_CHECKING:
    from workbench.base.read_json import Document
    from workbench.circuits.circuit import Circuit
    from workbench.circuits.graph import Graph

NEURONS_LOST = (
    "This format does not say which neurons of an MLP are kept: an MLP of the circuit has all of "
    "them there, so that the circuit scores differently."
)


class NeedsGraph(WorkbenchError):
    """A file that does not say of which model it is, read where none is at hand."""

    def __init__(self, shown: str = "It") -> None:
        super().__init__(
            f"{shown} does not say how many layers and heads its model has: convert it first, with "
            "`workbench convert IN OUT --shape LAYERSxHEADS`."
        )


@dataclass(frozen=True)
class Format:
    """One format. Functions are named as "package.module:function".

    Attributes:
        name: as the command line takes it.
        title: what to expect of it, in a few words.
        matches: says of a file's content whether it is of this format; empty for one only written.
        read: makes the circuit from a `Document`; raises WorkbenchError with a sentence.
        write: makes the file's text, or its bytes, from a circuit; raises WorkbenchError with a
            sentence. Empty for a format that is only read; so is `read` for one only written.
        losses: gives a sentence on each thing of a circuit that it cannot hold; None if it holds
            everything.
        scores: whether an exported file has the scores of the kept edges or of all.
        suffix: of its files.
        is_json: its files are JSON, and content means the parsed value; otherwise they are text
            and known by their suffix, and content means the text.
        is_binary: its files are neither: content means a `workbench.formats.binary.Binary`, and
            `write` gives bytes.
        needs_graph: its files do not say of which model they are: `read` takes the graph too.
        suffixes: further ones that its files have.
        neurons: its files say which neurons of an MLP are kept.
        token_roles: its files say at which token roles an edge is kept.
    """

    name: str
    title: str
    matches: str
    read: str
    write: str = ""
    losses: str | None = None
    scores: Literal["kept", "all"] = "kept"
    suffix: str = ".json"
    is_json: bool = True
    is_binary: bool = False
    needs_graph: bool = False
    suffixes: tuple[str, ...] = ()
    neurons: bool = False
    token_roles: bool = False

    def recognises(self, content: Any) -> bool:
        """Whether a file of this content is of the format."""
        function: Callable[[Any], bool] = resolve(self.matches)
        return bool(function(content))

    def circuit_of(self, document: Document, graph: Graph | None = None) -> Circuit:
        """The circuit that a file holds; `graph` is that of the model, where it is known.

        Raises:
            NeedsGraph: the file does not say of which model it is.
            WorkbenchError: it cannot be used.
        """
        if not self.needs_graph:
            of_file: Callable[[Document], Circuit] = resolve(self.read)
            return of_file(document)
        of_both: Callable[[Document, Graph | None], Circuit] = resolve(self.read)
        return of_both(document, graph)

    def text_of(self, circuit: Circuit) -> str | bytes:
        """The text or the bytes of a circuit's file. Raises WorkbenchError."""
        function: Callable[[Circuit], str | bytes] = resolve(self.write)
        return function(circuit)

    def lost(self, circuit: Circuit) -> tuple[str, ...]:
        """A sentence on each thing of a circuit that the format cannot hold."""
        from workbench.formats.token_roles import roles_lost

        narrowed = (NEURONS_LOST,) if circuit.neurons and not self.neurons else ()
        whole = () if self.token_roles else roles_lost(circuit)
        if self.losses is None:
            return *narrowed, *whole
        function: Callable[[Circuit], tuple[str, ...]] = resolve(self.losses)
        return *function(circuit), *narrowed, *whole, *self._lost_interventions(circuit)

    def _lost_interventions(self, circuit: Circuit) -> tuple[str, ...]:
        n = len(circuit.provenance.get("interventions", ()))
        if not n:
            return ()
        return (
            f"What was done to the model ({counted(n, 'intervention')}) is left out: the circuit "
            "was measured in the model so changed.",
        )


BUILT_IN = (
    Format(
        "circuit",
        "ours: with scores, groups, notes, commands",
        matches="workbench.formats.circuit_json:matches",
        read="workbench.formats.circuit_json:read",
        write="workbench.formats.circuit_json:to_text",
        neurons=True,
        token_roles=True,
    ),
    Format(
        "eap-ig",
        "EAP-IG's graph JSON, as EAP-IG and MIB read it",
        matches="workbench.formats.eap_ig:matches",
        read="workbench.formats.eap_ig:read",
        write="workbench.formats.eap_ig:to_text",
        losses="workbench.formats.eap_ig:losses",
        scores="all",
    ),
    Format(
        "eap-ig-pt",
        "EAP-IG's and MIB's .pt, of edges, nodes or neurons",
        matches="workbench.formats.eap_ig_pt:matches",
        read="workbench.formats.eap_ig_pt:read",
        write="workbench.formats.eap_ig_pt:to_bytes",
        losses="workbench.formats.eap_ig_pt:losses",
        scores="all",
        suffix=".pt",
        is_json=False,
        is_binary=True,
    ),
    Format(
        "csv",
        "a table of edges or nodes, one a line",
        matches="workbench.formats.edge_list:is_table",
        read="workbench.formats.edge_list:read_table",
        write="workbench.formats.edge_list:to_text",
        losses="workbench.formats.edge_list:losses",
        token_roles=True,
        suffix=".csv",
        suffixes=(".tsv", ".txt"),
        is_json=False,
        needs_graph=True,
    ),
    Format(
        "roles",
        "roles and their heads, written by hand",
        matches="workbench.formats.roles:is_roles",
        read="workbench.formats.roles:read",
        suffix=".roles",
        suffixes=(".txt",),
        is_json=False,
        needs_graph=True,
    ),
    Format(
        "neuronpedia",
        "Neuronpedia's graph JSON, for its site",
        matches="",
        read="",
        write="workbench.formats.neuronpedia:to_text",
        losses="workbench.formats.neuronpedia:losses",
    ),
    Format(
        "circuitkit",
        "CircuitKIT's scores and artifacts",
        matches="workbench.formats.circuitkit:matches",
        read="workbench.formats.circuitkit:read",
        needs_graph=True,
    ),
    Format(
        "edges",
        "a list of edges, heads or nodes; Edge-Pruning's edges.json",
        matches="workbench.formats.edge_list:matches",
        read="workbench.formats.edge_list:read",
        needs_graph=True,
    ),
    Format(
        "auto-circuit",
        "AutoCircuit's scores, saved by torch",
        matches="workbench.formats.auto_circuit:matches",
        read="workbench.formats.auto_circuit:read",
        suffix=".pkl",
        is_json=False,
        is_binary=True,
    ),
    Format(
        "acdc",
        "ACDC's edges: its pickle, and its .pth",
        matches="workbench.formats.pickled_edges:is_acdc",
        read="workbench.formats.pickled_edges:read_acdc",
        suffix=".pth",
        suffixes=(".pkl",),
        is_json=False,
        is_binary=True,
        needs_graph=True,
    ),
    Format(
        "interpbench",
        "InterpBench's edges.pkl, and CircuitKIT's circuit.pt",
        matches="workbench.formats.pickled_edges:matches",
        read="workbench.formats.pickled_edges:read",
        suffix=".pkl",
        suffixes=(".pt",),
        is_json=False,
        is_binary=True,
        needs_graph=True,
    ),
)

FORMATS: Catalogue[Format] = Catalogue("formats", "format", Format, BUILT_IN)


def writable() -> tuple[str, ...]:
    """The names of the formats that can be written; no plug-in is imported."""
    read_only = {entry.name for entry in BUILT_IN if not entry.write}
    return tuple(name for name in FORMATS if name not in read_only)


def find_format(name: str) -> Format:
    """The format of this name to write, or in a file, `FILE.py:NAME`.

    Raises:
        WorkbenchError: there is none, or it is only read.
    """
    found = FORMATS.get(name) or FORMATS.from_file(name)
    if found is None or not found.write:
        *others, last = writable()
        known = f"{', '.join(others)} or {last}"
        none = "There is no format" if found is None else "Files are not written in the format"
        raise WorkbenchError(f"{none} {name[:60]!r}: choose {known}.")
    return found


def format_of(document: Document, *, binary: bool = False) -> Format | None:
    """The format of a JSON or binary file; plug-ins' are asked if it is none of ours."""
    for name in FORMATS:
        known = FORMATS.get(name)
        if known is None or not known.read or known.is_binary != binary:
            continue
        if (known.is_json or binary) and known.recognises(document.value):
            return known
    return None


def text_format(suffix: str) -> Format | None:
    """The format of a file that is neither JSON nor binary, by its suffix."""
    if suffix in ("", ".json"):
        return None
    texts = (f for f in FORMATS.values() if f.read and not f.is_json and not f.is_binary)
    return next((f for f in texts if suffix in (f.suffix, *f.suffixes)), None)
