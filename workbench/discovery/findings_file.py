"""Findings in a file: an .npz that numpy reads, with what they are about as JSON inside.

Arrays: `edges` [source, destination], the names of both axes as `sources` and `destinations`, and
where the method has them `nodes`, `positions`, `kept`, and `neurons/m3` for each MLP. `about` is
the JSON text. Nothing in such a file is ever run: it holds no pickles.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.home import meant_path
from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes
from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.graph import Graph
from workbench.discovery.catalogue import METHODS
from workbench.discovery.findings import Findings
from workbench.engine.role_layout import RoleLayout
from workbench.errors import WorkbenchError

FORMAT = "circuit-workbench-findings"
VERSION = 1
NEURONS = "neurons/"

DAMAGE = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError),
    *(ValueError, SyntaxError, zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged archive can raise."""


def save_findings(
    path: str | os.PathLike[str], findings: Findings, about: Mapping[str, Any] | None = None
) -> None:
    """Write findings, complete or not, whole or not at all.

    Args:
        about: what else is to be known of them, in JSON's types: where they come from.

    Raises:
        WorkbenchError: the file could not be written; whatever stood there before is as it was.
    """
    graph = findings.graph
    head = {
        "format": FORMAT,
        "version": VERSION,
        "graph": asdict(graph),
        "method": findings.method,
        "needed": findings.needed,
        "tried": findings.tried,
        "same_input": findings.same_input,
        "complete": findings.complete,
        "remarks": findings.remarks,
        "about": dict(about or {}),
    }
    if findings.layout is not None:
        head["roles"] = {"names": findings.roles, **findings.layout.to_json()}
    arrays: dict[str, NDArray[Any]] = {
        "about": np.array(json.dumps(head)),
        "edges": findings.edges,
        "sources": np.array(graph.sources),
        "destinations": np.array(graph.destinations),
    }
    for name in ("nodes", "positions", "at_roles", "kept"):
        if (array := getattr(findings, name)) is not None:
            arrays[name] = array
    arrays |= {NEURONS + mlp: scores for mlp, scores in findings.neurons.items()}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_bytes(path, file.getvalue())


def load_findings(
    path: str | os.PathLike[str], graph: Graph | None = None
) -> tuple[Findings, dict[str, Any]]:
    """Read findings back, and what was said to be known of them.

    Args:
        graph: of the model that they are to be used with; None takes any.

    Raises:
        WorkbenchError: one sentence: there is no such file, it is damaged or something else, or the
            findings are of a model of another shape.
    """
    shown = shown_path(path)
    data = _bytes(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            findings, about = _read(archive)
    except MemoryError:
        raise WorkbenchError(f"There is not enough memory to read {shown}.") from None
    except WorkbenchError as error:
        raise WorkbenchError(f"{shown} cannot be used: {error}") from None
    except DAMAGE:
        raise WorkbenchError(
            f"{shown} is not a file of findings, or is damaged: run the method again."
        ) from None
    if graph is not None and findings.graph != graph:
        raise WorkbenchError(f"{shown} holds findings about a model of another shape.")
    return findings, about


def _bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        return meant_path(path).read_bytes()
    except FileNotFoundError:
        raise WorkbenchError(f"There is no file {shown_path(path)}.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise WorkbenchError(
            f"{shown_path(path)} cannot be read: {why or 'it is not a possible path'}."
        ) from None


def _read(archive: Any) -> tuple[Findings, dict[str, Any]]:
    """Raises one of `DAMAGE` for whatever `save_findings` would not have written."""
    head = json.loads(str(archive["about"]))
    if head["format"] != FORMAT:
        raise ValueError
    if head["version"] != VERSION:
        raise WorkbenchError("it is of another version: use the one that wrote it.")
    graph = Graph(**head["graph"])
    if head["method"] not in METHODS:
        raise WorkbenchError(f"its method {head['method'][:60]!r} is not known here.")
    shape = (graph.n_sources, graph.n_destinations)
    findings = Findings(
        graph,
        head["method"],
        _array(archive, "edges", shape),
        needed=_one_of(head["needed"], (-1, 0, 1)),
        tried=int(head["tried"]),
        same_input=_one_of(head.get("same_input", False), (False, True)),
        complete=_one_of(head["complete"], (False, True)),
        remarks=[str(remark) for remark in head["remarks"]],
    )
    if "nodes" in archive.files:
        findings.nodes = _array(archive, "nodes", shape[:1])
    if "positions" in archive.files:
        findings.positions = _array(archive, "positions", (graph.n_sources, None))
    if (roles := head.get("roles")) is not None:
        findings.roles = tuple(str(name) for name in roles["names"])
        findings.layout = RoleLayout.from_json(roles)
        findings.at_roles = _array(archive, "at_roles", (len(findings.roles), *shape))
    if "kept" in archive.files:
        kept = archive["kept"]
        wanted = bool if findings.layout is None else np.uint64
        if kept.dtype != wanted or kept.shape != shape or kept[~real_edges(graph)].any():
            raise ValueError
        findings.kept = kept
    for name in archive.files:
        if name.startswith(NEURONS):
            mlp = name.removeprefix(NEURONS)
            if graph.is_head(mlp) or not graph.has_node(mlp):
                raise ValueError
            findings.neurons[mlp] = _array(archive, name, (None,))
    return findings, dict(head["about"])


def _array(archive: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """A float32 array of this shape; None stands for any length."""
    array: NDArray[np.float32] = archive[name]
    fits = len(array.shape) == len(shape) and all(
        want in (None, n) for n, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != np.float32 or not fits:
        raise ValueError
    return array


def _one_of(value: Any, values: tuple[Any, ...]) -> Any:
    if type(value) is not type(values[0]) or value not in values:
        raise ValueError
    return value
