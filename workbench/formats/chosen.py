"""From a file with scores to a circuit: never an empty one without a word.

MIB's importances, a file of EAP-IG before it is thresholded, AutoCircuit's scores and CircuitKIT's
say how much each edge or node matters and choose none. Such a file is used with a selection from
its own scores, or refused with a sentence that asks for one. A file that marks nodes and no edges
means all edges among them.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.base.home import meant_path
from workbench.base.text import counted, shown_path
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.circuits.node_circuit import node_circuit
from workbench.circuits.selection import Selected, Selection, select_edges, select_nodes
from workbench.errors import WorkbenchError
from workbench.formats import eap_ig, load_circuit

_ASKED = re.compile(
    r"(?P<path>.+?)(?P<options>(?:\s+--(?:(?:edges|nodes)\s+[0-9]{1,9}|select\s+\S+|signed))+)"
)

NODE_SCORES = "node_scores"
"""Where a circuit's provenance has the scores of nodes, by their names."""


@dataclass(frozen=True)
class FileSelection:
    """How a circuit is selected from the scores that a file has.

    Attributes:
        edges: how many edges.
        nodes: how many nodes, with all edges among them; one of the two is given.
        select: the best of all edges, or the best upward from the logits.
        signed: by the score as it stands in the file, the largest first; else by |score|.
    """

    edges: int | None = None
    nodes: int | None = None
    select: Literal["top", "greedy"] = "top"
    signed: bool = False

    def __post_init__(self) -> None:
        if (self.edges is None) == (self.nodes is None):
            raise WorkbenchError(
                "To select from a file's scores say how many edges (--edges N) or how many nodes "
                "(--nodes N)."
            )
        if self.nodes is not None and self.select == "greedy":
            raise WorkbenchError("Nodes are not selected greedily: leave out --select greedy.")
        # Checks the number.
        Selection(self.select, self.edges if self.edges is not None else self.nodes)


def asked_for(text: str) -> tuple[Path, FileSelection | None]:
    """A path as typed and what may follow it: `scores.json --edges 200 --select greedy`.

    Raises:
        WorkbenchError: what follows the path is not said like this.
    """
    found = _ASKED.fullmatch(text.strip())
    if found is None:
        return meant_path(text.strip()), None
    told = found["options"].split()
    numbers = dict(pairwise(told))
    how = numbers.get("--select", "top")
    if how not in ("top", "greedy"):
        raise WorkbenchError(f"Select top or greedy, not {how[:20]!r}.")
    edges, nodes = (
        int(numbers[name]) if name in numbers else None for name in ("--edges", "--nodes")
    )
    signed = "--signed" in told
    select: Literal["top", "greedy"] = "greedy" if how == "greedy" else "top"
    return meant_path(found["path"]), FileSelection(edges, nodes, select, signed)


def load_chosen(
    path: str | os.PathLike[str],
    graph: Graph | None = None,
    selection: FileSelection | None = None,
    tell: Callable[[str], object] | None = None,
) -> Circuit:
    """The circuit of a file, or the one that a selection takes from the file's scores.

    Args:
        graph: as of `load_circuit`.
        selection: None for what the file itself chooses.
        tell: is given a sentence on how many edges were chosen and kept.

    Raises:
        WorkbenchError: as of `load_circuit`; the file has scores and chooses nothing; or there is
            nothing in it to select by.
    """
    circuit = load_circuit(path, graph)
    shown = shown_path(path)
    if selection is None:
        return _as_it_is(circuit, shown)
    selected = _selected(circuit, selection, shown)
    whole = EdgeRoles(circuit.at.names)
    made = replace(circuit, mask=selected.circuit.mask, open=frozenset(), at=whole)
    made.provenance = circuit.provenance | {
        "selection": asdict(selection)
        | {"file": shown, "chosen": selected.chosen, "kept": selected.kept}
    }
    if tell is not None:
        tell(
            f"{shown}: {selected.asked:,} {selected.unit} asked for, {selected.chosen:,} chosen by "
            f"its scores, {selected.kept:,} kept after pruning dead ends."
        )
    return made


def node_scores(circuit: Circuit) -> NDArray[np.float32] | None:
    """What a file says of nodes: float32 [source], NaN where there is none; None if nothing."""
    given: dict[str, Any] = {}
    stored = circuit.provenance.get(NODE_SCORES)
    if isinstance(stored, dict):
        given = stored
    else:
        for name, entry in _marked_nodes(circuit).items():
            if isinstance(entry, dict) and "score" in entry:
                given[name] = entry["score"]
    graph = circuit.graph
    scores = np.full(graph.n_sources, np.nan, dtype=np.float32)
    for name, score in given.items():
        number = isinstance(score, int | float) and not isinstance(score, bool)
        if number and math.isfinite(score) and name != LOGITS and graph.has_node(name):
            scores[graph.source_index(name)] = score
    return None if np.isnan(scores).all() else scores


def _marked_nodes(circuit: Circuit) -> dict[str, Any]:
    layout = circuit.provenance.get(eap_ig.KEY)
    nodes = layout.get("nodes") if isinstance(layout, dict) else None
    return nodes if isinstance(nodes, dict) else {}


def _as_it_is(circuit: Circuit, shown: str) -> Circuit:
    if circuit.mask.any() or circuit.open:
        return circuit
    marked = []
    for name, entry in _marked_nodes(circuit).items():
        flag = entry.get("in_graph") if isinstance(entry, dict) else entry
        if flag and name not in (INPUT, LOGITS) and circuit.graph.has_node(name):
            marked.append(name)
    if marked:
        return replace(circuit, mask=node_circuit(circuit.graph, marked).mask)
    by = []
    if _has_edge_scores(circuit):
        by.append("--edges N, --edges N --select greedy")
    if node_scores(circuit) is not None:
        by.append("--nodes N")
    if by:
        n = circuit.graph.n_edges
        raise WorkbenchError(
            f"{shown} has scores and chooses no edge of the {counted(n, 'edge')} of its model: say "
            f"how many to select from its scores ({' or '.join(by)}; `workbench convert` writes "
            "the circuit)."
        )
    return circuit


def _has_edge_scores(circuit: Circuit) -> bool:
    if circuit.scores is None:
        return False
    known = circuit.scores[real_edges(circuit.graph)]
    return bool(np.any(np.nan_to_num(known) != 0))


def _selected(circuit: Circuit, selection: FileSelection, shown: str) -> Selected:
    graph = circuit.graph
    if selection.nodes is not None:
        scores = node_scores(circuit)
        if scores is None:
            raise WorkbenchError(f"{shown} has no scores of nodes to select by: give --edges N.")
        how = Selection("top", selection.nodes)
        return select_nodes(graph, scores, how, 1 if selection.signed else 0)
    if not _has_edge_scores(circuit) or circuit.scores is None:
        instead = "" if node_scores(circuit) is None else ", but has some of nodes: give --nodes N"
        raise WorkbenchError(f"{shown} has no scores of edges to select by{instead}.")
    values = circuit.scores if selection.signed else np.abs(circuit.scores)
    return select_edges(graph, values, Selection(selection.select, selection.edges))
