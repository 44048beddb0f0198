"""Files that are no circuit files, named for what they are, with what to do.

People have many files beside their circuits, and give the wrong one. Each is told by a sign that
others of its kind have too.
"""

from __future__ import annotations

from typing import Any

from workbench.formats.binary import Binary

NO_CIRCUIT = (
    "It is JSON, but no circuit file that is known here: `docs/files.md` lists those that are."
)

# The first bytes of a binary file -> what it is.
BEGINNINGS = (
    (b"GGUF", "It is a model (GGUF): give it as MODEL."),
    (b"\x89PNG", "It is a picture, not the circuit that was drawn."),
    (b"%PDF", "It is a picture or a text (PDF), not the circuit that was drawn."),
    (b"PAR1", "It is a table (Parquet), no circuit: save the edges as CSV."),
    (b"\x1f\x8b", "It is packed (gzip): unpack it first."),
    (b"\x93NUMPY", "It is an array of numpy without names of edges: save the edges as CSV."),
    (b"\x89HDF", "It is an HDF5 file, no circuit: save the edges as CSV."),
    (
        b"PK\x03\x04",
        "It is a binary file (a zip), no circuit: scores that `workbench discover --scores` wrote "
        "are for `workbench assess --scores`.",
    ),
)

Sign = tuple[frozenset[str], str]


def _sign(keys: str, sentence: str) -> Sign:
    return frozenset(keys.split()), sentence


# Keys that an object of this kind has -> what it is. The first that fits is told.
OBJECTS: tuple[Sign, ...] = (
    _sign(
        "metadata nodes links",
        "It is an attribution graph over transcoder features (circuit-tracer, Neuronpedia), not a "
        "circuit of heads and MLPs: look at it on Neuronpedia.",
    ),
    _sign(
        "model_type architectures", "It is the configuration of a model: give its folder as MODEL."
    ),
    _sign(
        "model_type hidden_size", "It is the configuration of a model: give its folder as MODEL."
    ),
    _sign("added_tokens model", "It is a tokenizer: give the folder it is in as MODEL."),
    _sign("prompts", "It is a task file (AutoCircuit's prompts): give it as TASK."),
    _sign("clean corrupted", "It is a task file: give it as TASK."),
    _sign(
        "representations intervenable_model_type",
        "It is a configuration of pyvene, which says where to intervene and not which edges.",
    ),
    _sign("area_under faithfulnesses", "It is a result of MIB's evaluation, not a circuit."),
    _sign("safety_units", "It is a file of CircuitKIT without scores of nodes, and no circuit."),
)

TENSORS: tuple[Sign, ...] = (
    _sign(
        "adjacency_matrix active_features",
        "It is circuit-tracer's graph over transcoder features, not a circuit of heads and MLPs: "
        "look at it on Neuronpedia.",
    ),
    _sign("J n_prompts", "It is a Jacobian lens, not a circuit."),
    _sign("W_enc W_dec", "It is a sparse autoencoder or a transcoder, not a circuit."),
)


def other_json(value: Any) -> str:
    """What a parsed JSON file is that is no circuit file, in one sentence."""
    if isinstance(value, dict):
        return _told(value, OBJECTS) or NO_CIRCUIT
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict):
        return _told(first, OBJECTS) or NO_CIRCUIT
    return NO_CIRCUIT


def other_binary(content: Binary | bytes) -> str:
    """What a binary file is that is no circuit file; "" for bytes that show nothing."""
    if isinstance(content, bytes):
        told = (sentence for start, sentence in BEGINNINGS if content.startswith(start))
        return next(
            told,
            "It holds the weights of a model (safetensors): give its folder as MODEL."
            if content[8:10] == b'{"' and content[2:8] == bytes(6)
            else "",
        )
    plain = content.plain
    if isinstance(plain, dict):
        if found := _told(plain, TENSORS) or _told(plain, OBJECTS):
            return found
        if any(isinstance(key, str) and key.endswith((".weight", ".W_Q", ".W_O")) for key in plain):
            return "It holds the weights of a model: give the model's folder as MODEL."
    kind = "torch.save" if content.kind == "torch" else "pickle"
    return (
        f"It is a binary file ({kind}) of plain values or tensors, but no circuit that is known "
        "here: `docs/files.md` lists those that are."
    )


def _told(value: dict[Any, Any], signs: tuple[Sign, ...]) -> str:
    return next((sentence for keys, sentence in signs if keys <= value.keys()), "")
