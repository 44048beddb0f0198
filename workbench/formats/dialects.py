"""How other tools write the names of nodes, of their inputs and of edges.

    ours, EAP-IG   input  a9.h1  a9.h1<q>  m10  logits
    Edge-Pruning   tok_embeds, pos_embeds  a9.h1  a9.h1.q  m10  resid_post
    AutoCircuit    Resid Start  A9.1  A9.1.Q  MLP 10  Resid End
    CircuitKIT     A9.1, L9H1  MLP 10
    ACDC, TransformerLens, InterpBench
                   hook_embed  blocks.9.attn.hook_result[1]  blocks.9.hook_q_input[1]
                   blocks.10.hook_mlp_out  blocks.11.hook_resid_post
    in lists       9.1  [9, 1]

Both embeddings are our input. What a tool draws inside of one node, as from a head's q to its
output, is no edge here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workbench.circuits.graph import Graph
from workbench.circuits.names import HEAD_INPUTS, INPUT, LOGITS, head_name, mlp_name, parse_name
from workbench.errors import WorkbenchError

_N = r"(\d{1,4})"
_INPUT = re.compile(
    r"(?:input|embed|embeds|embeddings|tok_embeds|pos_embeds|resid[ _]start|hook_embed"
    r"|hook_pos_embed|blocks\.0\.hook_resid_pre)",
    re.IGNORECASE,
)
_LOGITS = re.compile(
    rf"(?:logits|output|unembed|resid_post|resid[ _]end|blocks\.{_N}\.hook_resid_post)",
    re.IGNORECASE,
)
_HEADS = (
    re.compile(rf"a{_N}\.h?{_N}(?:[.<_]([qkvo])>?)?", re.IGNORECASE),
    re.compile(rf"(?:head[ _])?{_N}\.{_N}(?:\.([qkvo]))?", re.IGNORECASE),
    re.compile(rf"L{_N}[._ ]?H{_N}(?:[._ ]([qkvo]))?", re.IGNORECASE),
)
_MLP = re.compile(
    rf"(?:mlp|m)[ _.]?{_N}|L{_N}[._ ]?MLP|blocks\.{_N}\.hook_mlp_(?:in|out)", re.IGNORECASE
)
_HOOKS = (
    re.compile(rf"blocks\.{_N}\.hook_([qkv])_input"),
    re.compile(rf"blocks\.{_N}\.attn\.hook_([qkv])"),
    re.compile(rf"blocks\.{_N}\.(?:attn\.hook_(?:result|z)|hook_attn_in)"),
)
# An index behind a hook's name: [1], [:, :, 1], [None, None, 1].
_INDEX = re.compile(r"(.+?)\[(?:(?::|None),\s*)*(\d{1,4}|:|None)?\]")


@dataclass(frozen=True)
class Named:
    """A node, or an input of it, as some tool writes it.

    Attributes:
        node: our name of the node.
        input: q, k or v, where one is meant.
        last: of a name that is the logits' only in the last layer, that layer.
    """

    node: str
    input: str | None = None
    last: int | None = None


@lru_cache(maxsize=65536)
def named(text: str) -> Named | None:
    """What a name means; None if no tool writes one like it."""
    own = parse_name(text)
    if own is not None:
        return Named(own.node, own.input)
    text = text.strip()
    index = None
    if found := _INDEX.fullmatch(text):
        text = found[1]
        index = int(found[2]) if found[2] and found[2].isdigit() else None
    if _INPUT.fullmatch(text):
        return Named(INPUT)
    if found := _LOGITS.fullmatch(text):
        return Named(LOGITS, last=None if found[1] is None else int(found[1]))
    if found := _MLP.fullmatch(text):
        return Named(mlp_name(int(next(filter(None, found.groups())))))
    for pattern in _HEADS:
        if found := pattern.fullmatch(text):
            which = (found[3] or "").lower()
            return Named(
                head_name(int(found[1]), int(found[2])), which if which in HEAD_INPUTS else None
            )
    for pattern in _HOOKS:
        if (found := pattern.fullmatch(text)) and index is not None:
            which = found[2] if pattern.groups > 1 else None
            return Named(head_name(int(found[1]), index), which)
    return None


def node_named(item: Any) -> str | None:
    """The node that an entry of a list names: a text, or the numbers of a head; None if none."""
    if isinstance(item, str):
        found = named(item)
        return None if found is None else found.node
    if isinstance(item, list | tuple) and len(item) == 2 and all(type(n) is int for n in item):
        layer, head = item
        return head_name(layer, head) if 0 <= layer < 10**4 and 0 <= head < 10**4 else None
    return None


def edges_between(graph: Graph, source: str, reader: str) -> list[tuple[int, int]]:
    """Our edges, as rows and columns, that an edge of some tool stands for.

    A reader that is a head without saying which input stands for all three.

    Returns:
        None at all for what lies within one node.

    Raises:
        WorkbenchError: a name is no node's, the model has no such node, or it runs backward.
    """
    start, end = (_known(graph, name) for name in (source, reader))
    if start.node == end.node:
        return []
    if start.node == LOGITS or end.node == INPUT:
        raise WorkbenchError(
            f"The edge from {source[:40]!r} to {reader[:40]!r} leaves the output or enters the "
            "input."
        )
    inputs = graph.destinations_of(end.node)
    if end.input is not None:
        inputs = (f"{end.node}<{end.input}>",)
    return [graph.parse_edge(f"{start.node}->{which}") for which in inputs]


def _known(graph: Graph, name: str) -> Named:
    found = named(name)
    if found is None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        raise WorkbenchError(
            f"There is no node {shown!r} in the ways of naming that are known: write a0.h1, "
            "a0.h1<q>, m0, input or logits."
        )
    if found.last not in (None, graph.n_layers - 1):
        raise WorkbenchError(f"{name[:60]!r} lies within the model, which has no such node here.")
    graph.parse_node(found.node)
    return found
