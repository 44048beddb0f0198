"""Signs and words for where an edge or node stands beside a reference; always the same."""

from __future__ import annotations

from screens.base.numbers import count, plain
from workbench.circuits.comparison import Agreement, Standing

SIGNS: dict[Standing, str] = {"both": "=", "missing": "−", "extra": "+", "undecided": "?"}
MEANING: dict[Standing, str] = {
    "both": "kept, and in the reference",
    "missing": "in the reference, but not kept",
    "extra": "kept, but not in the reference",
    "undecided": "undecided: it enters an open input",
}
LEGEND = {
    **{SIGNS[standing]: words for standing, words in MEANING.items()},
    "++ −−": "in the circuit: the whole node is extra, or missing",
    "○ −": "in the circuit: a missing edge, shown where it would stand; "
    "{key:bench.keep_or_drop} keeps it",
}


def node_sign(edge: Standing | None, node: Standing | None) -> str:
    """The sign of an edge that differs, doubled if its whole source does so; else nothing."""
    if edge is None or edge == "both":
        return ""
    return SIGNS[edge] * (2 if node == edge != "undecided" else 1)


def node_words(edge: Standing | None, node: Standing | None) -> str:
    """The same in words."""
    if edge is None or edge == "both":
        return ""
    return f"{edge} node" if node == edge != "undecided" else edge


def counted(overlap: Agreement) -> str:
    """Kept of the reference, then what differs, as far as there is any: "9/11, 2 extra"."""
    parts = [f"{count(len(overlap.both))}/{count(overlap.n_reference)}"]
    for standing in ("missing", "undecided", "extra"):
        if names := getattr(overlap, standing):
            parts.append(f"{count(len(names))} {standing}")
    return ", ".join(parts)


def shares(overlap: Agreement) -> list[tuple[str, str]]:
    """Recall, precision and Jaccard index, by name."""
    values = (overlap.recall, overlap.precision, overlap.jaccard)
    return [
        (name, "undefined" if value is None else plain(value, 2))
        for name, value in zip(("recall", "precision", "Jaccard"), values, strict=True)
    ]
