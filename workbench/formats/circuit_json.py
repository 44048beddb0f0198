"""Circuit files of our own: all that is known of a circuit, for people and for scripts.

One JSON object, what it is first and the long lists last, one edge a line, so that two versions of
a circuit differ where they differ. The same circuit always gives the same bytes. Characters outside
ASCII
are escaped: such a file is harmless to look at in a terminal, whatever its notes hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_arrays import edge_indices, edge_names, graph_of_shape, real_edges
from workbench.circuits.kept_neurons import checked
from workbench.circuits.names import is_edge
from workbench.errors import WorkbenchError
from workbench.formats.circuit_schema import FORMAT, PROVENANCE, VERSION, CircuitFile
from workbench.formats.token_roles import edges_at

# A field longer than this is written over several lines, one item each.
LINE = 100
FLOAT32_END = 2**128
INFINITE = ("Infinity", "-Infinity")
# How a number that JSON lacks stands in `other`: {"$number": "NaN"}.
NUMBER = "$number"


def matches(value: Any) -> bool:
    """Whether this parsed JSON means to be a circuit file of ours, of whatever version."""
    return isinstance(value, dict) and value.get("format") == FORMAT


def from_json(value: dict[str, Any], *, strict: bool = True) -> Circuit:
    """The circuit that a parsed file describes.

    Args:
        strict: whether the text was JSON proper; if not, it held NaN or Infinity somewhere.

    Raises:
        WorkbenchError: of a newer version, a field missing, unknown or of the wrong type, a
            score that is
            not a number, or a name that is no edge or node of its graph.
    """
    version = value.get("version")
    if type(version) is int and version > VERSION:
        raise WorkbenchError(
            f"It has version {str(version)[:12]} and this Circuit Workbench reads version "
            f"{VERSION}: update Circuit Workbench."
        )
    file = _validated(value)
    if not strict:
        raise WorkbenchError("It holds NaN or Infinity, which JSON does not allow: use null.")
    graph = graph_of_shape(file.graph.n_layers, file.graph.n_heads, file.graph.parallel)
    circuit = Circuit.empty(graph)
    circuit.mask[edge_indices(graph, file.edges)] = True
    if circuit.mask[edge_indices(graph, file.dropped)].any():
        both = next(name for name in file.dropped if name in file.edges)
        raise WorkbenchError(f"The edge {both!r} is listed both as kept and as dropped.")
    circuit.scores = _score_matrix(file.edges | file.dropped, circuit)
    circuit.open = frozenset(file.open)
    circuit.groups = tuple(RoleGroup(g.name, g.role, tuple(g.nodes)) for g in file.groups)
    circuit.notes = dict(file.notes)
    if file.neurons and file.version == 1:
        raise WorkbenchError("It is of version 1, which knows no neurons: its version is 2.")
    circuit.neurons = checked(graph, file.neurons)
    if (file.at or file.token_roles) and file.version < 3:
        raise WorkbenchError(
            f"It is of version {file.version}, which knows no edges at roles: its version is 3."
        )
    circuit.at = edges_at(file.token_roles, file.at, file.edges)
    # From the parsed JSON and not from the models, whose defaults the file did not state.
    circuit.provenance = {key: value[key] for key in PROVENANCE if key in value}
    circuit.provenance |= {key: _untagged(item) for key, item in file.other.items()}
    _refuse_twice("destination", file.open)
    _check_names(circuit)
    return circuit


def read(document: Document) -> Circuit:
    """The circuit of a file; errors as of `from_json`."""
    return from_json(document.value, strict=document.strict)


def to_text(circuit: Circuit) -> str:
    """The text of the circuit's file, ending in a newline.

    Scores stand as the float64 of the same value, which reads back as the same float32. A number in
    the provenance that is not finite (a faithfulness over nothing) becomes null.

    Raises:
        WorkbenchError: the provenance holds something that JSON cannot, or names are not the
            graph's.
    """
    try:
        fields = _fields(circuit)
        _validated(fields)
        _check_names(circuit)
        lines = [f'  "{key}": {_field_text(key, value)}' for key, value in fields.items()]
    except RecursionError:
        raise WorkbenchError("What is known of the circuit is nested too deeply.") from None
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _fields(circuit: Circuit) -> dict[str, Any]:
    """The file's content, in the order of the fields of `CircuitFile`."""
    graph, provenance = circuit.graph, circuit.provenance
    real = real_edges(graph)
    if (circuit.mask & ~real).any():
        raise WorkbenchError("The circuit keeps an edge that its model does not have.")
    fields = {key: _plain(provenance[key], _null) for key in PROVENANCE if key in provenance}
    fields |= {
        "format": FORMAT,
        "version": VERSION if circuit.at else 2 if circuit.neurons else 1,
        "graph": {
            "n_layers": graph.n_layers,
            "n_heads": graph.n_heads,
            "parallel": graph.parallel,
        },
        "open": [d for d in graph.destinations if d in circuit.open],
        "edges": _scores(circuit, circuit.mask),
    }
    if len(fields["open"]) != len(circuit.open):
        raise WorkbenchError("An open destination of the circuit is not one of its model's.")
    optional = {
        "groups": [
            {"name": g.name, "role": g.role, "nodes": list(g.nodes)} for g in circuit.groups
        ],
        "notes": dict(sorted(circuit.notes.items())),
        "neurons": {mlp: list(kept) for mlp, kept in checked(graph, circuit.neurons).items()},
        **_roles(circuit),
        "other": {k: _plain(v, _tag) for k, v in provenance.items() if k not in PROVENANCE},
    }
    if circuit.scores is not None:
        scored = ~np.isnan(circuit.scores) & real
        optional["dropped"] = _scores(circuit, scored & ~circuit.mask)
    fields |= {key: value for key, value in optional.items() if value}
    return {key: fields[key] for key in CircuitFile.model_fields if key in fields}


def _roles(circuit: Circuit) -> dict[str, Any]:
    if not circuit.at:
        return {}
    kept = circuit.edges()
    at = edges_at(circuit.at.names, circuit.at.only(kept).kept, frozenset(kept))
    return {
        "token_roles": list(at.names),
        "at": {edge: list(at.kept[edge]) for edge in kept if edge in at.kept},
    }


def _scores(circuit: Circuit, mask: NDArray[np.bool_]) -> dict[str, float | str | None]:
    """Scores by edge name, ordered by destination and then source, as `Circuit.edges` is."""
    destinations, sources = np.nonzero(mask.T)
    names = edge_names(circuit.graph, sources, destinations)
    if circuit.scores is None:
        return dict.fromkeys(names)
    values = circuit.scores[sources, destinations]
    scores: dict[str, float | str | None] = dict(zip(names, values.tolist(), strict=True))
    for i in np.flatnonzero(~np.isfinite(values)):
        value = float(values[i])
        if math.isnan(value):
            scores[names[i]] = None
        else:
            scores[names[i]] = "Infinity" if value > 0 else "-Infinity"
    return scores


def _score_matrix(
    scores: Mapping[str, float | str | None], circuit: Circuit
) -> NDArray[np.float32] | None:
    """float32 [source, destination], NaN where there is none; None if no edge has a score."""
    if all(score is None for score in scores.values()):
        return None
    numbers = np.array([math.nan if v is None else float(v) for v in scores.values()])
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float32)
    beyond = np.isinf(rounded) & np.isfinite(numbers)
    if beyond.any():
        name = list(scores)[int(np.flatnonzero(beyond)[0])]
        raise WorkbenchError(f"The score of the edge {name!r} is too large for a float32.")
    matrix = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    matrix[edge_indices(circuit.graph, scores)] = rounded
    return matrix


def _check_names(circuit: Circuit) -> None:
    graph = circuit.graph
    for destination in circuit.open:
        graph.destination_index(destination)
    _refuse_twice("group", [group.name for group in circuit.groups])
    for group in circuit.groups:
        _refuse_twice(f"node of the group {_short(group.name)}", group.nodes)
        for node in group.nodes:
            if not graph.has_node(node):
                graph.source_index(node)  # says so
    for target in circuit.notes:
        if is_edge(target):
            graph.parse_edge(target)
        elif target and not graph.has_node(target):
            graph.source_index(target)


def _refuse_twice(what: str, names: list[str] | tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WorkbenchError(f"The {what} {_short(name)} is listed twice: list it once.")
        seen.add(name)


def _validated(value: dict[str, Any]) -> CircuitFile:
    _check_plain(value)
    try:
        return CircuitFile.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    field = _short(".".join(str(part) for part in first["loc"]))
    if first["type"] == "missing":
        raise WorkbenchError(f"Its field {field} is missing.")
    if first["type"] == "extra_forbidden":
        raise WorkbenchError(f"Its field {field} is unknown: correct or remove it.")
    message = first["msg"][:1].lower() + first["msg"][1:]
    raise WorkbenchError(f"Its field {field} is wrong: {message}.")


def _check_plain(value: dict[str, Any]) -> None:
    """Find the first fault in the long mappings; pydantic would report every one."""
    for key in value:
        if key not in CircuitFile.model_fields:
            raise WorkbenchError(f"Its field {_short(key)} is unknown: correct or remove it.")
    for key in ("edges", "dropped"):
        scores = value.get(key)
        for name, score in scores.items() if isinstance(scores, dict) else ():
            if not _is_score(score):
                raise WorkbenchError(
                    f"The score of the edge {_short(name)} is {_short_value(score)}: a score is a "
                    "finite number, or null where there is none."
                )
    at = value.get("at")
    for edge, roles in at.items() if isinstance(at, dict) else ():
        if not isinstance(roles, list):
            raise WorkbenchError(f"Its field {_short(f'at.{edge}')} is wrong: not a list of roles.")
    for key in ("notes", "versions"):
        texts = value.get(key)
        for name, text in texts.items() if isinstance(texts, dict) else ():
            if not isinstance(text, str):
                raise WorkbenchError(f"Its field {_short(f'{key}.{name}')} is wrong: not a text.")


def _is_score(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int:
        return -FLOAT32_END < value < FLOAT32_END
    return value is None or value in INFINITE


def _short(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def _short_value(value: Any) -> str:
    return str(value) if isinstance(value, float) else f"of type {type(value).__name__}"


def _null(number: float) -> Any:
    return None


def _tag(number: float) -> Any:
    return {NUMBER: "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"}


def _plain(value: Any, unfinite: Callable[[float], Any]) -> Any:
    """The value in JSON's types; `unfinite` says what becomes of a number that JSON lacks."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else unfinite(value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, unfinite) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, unfinite) for key, item in value.items()}
    raise WorkbenchError(
        f"The circuit's provenance holds a {type(value).__name__}, which a circuit file cannot."
    )


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {NUMBER} and value[NUMBER] in ("NaN", "Infinity", "-Infinity"):
            return float(value[NUMBER])
        return {key: _untagged(item) for key, item in value.items()}
    return [_untagged(item) for item in value] if isinstance(value, list) else value


def _dump(value: Any, item_separator: str = ", ") -> str:
    return json.dumps(value, allow_nan=False, separators=(item_separator, ": "))


def _field_text(key: str, value: Any) -> str:
    if not value or not isinstance(value, dict | list):
        return _dump(value)
    if key in ("edges", "dropped"):
        # Flat, so that the separator falls between edges only: one call for a million of them.
        return "{\n    " + _dump(value, ",\n    ")[1:-1] + "\n  }"
    compact = _dump(value)
    if len(compact) <= LINE:
        return compact
    if isinstance(value, dict):
        items = [f"{_dump(name)}: {_dump(item)}" for name, item in value.items()]
        return "{\n    " + ",\n    ".join(items) + "\n  }"
    return "[\n    " + ",\n    ".join(map(_dump, value)) + "\n  ]"
