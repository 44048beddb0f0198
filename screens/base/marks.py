"""Marks of nodes and edges, what each means, and names for the settings of exact effects."""

from __future__ import annotations

from workbench.engine.effect_settings import ALONG, EAP, FULL, WITHIN

KEPT, PREVIEWED, DROPPED = "●", "◌", "○"
PROPOSED = "◇"
NOTED = "✎"
ESTIMATE = "~"
EDGE_LEGEND = {
    KEPT: "kept: the edge is in the circuit",
    PREVIEWED: "would be kept at this threshold",
    DROPPED: "not kept: the edge is corrupted",
    f"{DROPPED}{PROPOSED} {KEPT}{PROPOSED}": "a discovery proposes to keep it, or to drop it",
    NOTED: "there is a note on the edge",
}
"""Marks of candidate edges."""

MARKS = {"open": "◌", "partly": "◐", "expanded": "●", "dead": "✗", "input": "■"}
"""Marks of nodes, by state."""
NOT_KEPT = DROPPED
REPEATED, FOLDED = "↑", "▹"
NARROWED = "⊂"
TREE_LEGEND = {
    "◌": "open: kept but not expanded; its inputs still read the clean residual",
    "◐": "partly expanded: some of its q, k and v are still open",
    "●": "expanded: its inputs are made of its kept edges",
    "✗": "dead: nothing live feeds it any more, so it does nothing",
    "■": "the embeddings",
    "↑": "stands further up already, with what feeds it",
    "▹": "folded: what feeds it is hidden",
    ESTIMATE: "the effect of the edge is an estimate (EAP); without it, exact",
    NARROWED: "an MLP narrowed to so many of its neurons",
    NOTED: "there is a note on it, or on its edge into the node above",
}
"""Marks in the circuit's tree."""

SETTINGS = {
    FULL: ("in the full model", "Δ {metric} when the edge is corrupted"),
    ALONG: ("along the circuit", "Δ {metric}, passed on by kept edges"),
    WITHIN: ("within the circuit", "Δ {metric}, the rest corrupted too"),
    EAP: ("estimates alone", "nothing exact is computed, keys go by EAP"),
}
"""Name and definition of each setting of the exact effects, short enough for a panel."""
