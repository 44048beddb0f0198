"""Which activations can be patched at single positions. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.errors import WorkbenchError

RESIDUAL, ATTENTION, MLP, HEAD = "residual", "attention", "mlp", "head"
KINDS = {
    RESIDUAL: "the residual before a layer",
    ATTENTION: "what the attention of a layer writes",
    MLP: "what the MLP of a layer writes",
    HEAD: "what a head writes",
}
"""Kinds of activations, each with its words."""


@dataclass(frozen=True, order=True)
class Point:
    """An activation that can be patched.

    Attributes:
        layer: its layer.
        kind: one of `KINDS`.
        head: of a head; else None.
    """

    layer: int
    kind: str
    head: int | None = None

    @property
    def name(self) -> str:
        """`r3` for the residual before layer 3, `a3`, `m3`, or a head's `a3.h1`."""
        letter = {RESIDUAL: "r", MLP: "m"}.get(self.kind, "a")
        return f"{letter}{self.layer}" + (f".h{self.head}" if self.head is not None else "")

    @property
    def stage(self) -> tuple[int, bool]:
        """After which part of which layer the residual is another one.

        The layer, -1 for the embeddings, and whether it is its attention.
        """
        if self.kind == RESIDUAL:
            return self.layer - 1, False
        return self.layer, self.kind != MLP


def check_kind(kind: str) -> str:
    """The kind back.

    Raises:
        WorkbenchError: there is none of this name.
    """
    if kind not in KINDS:
        raise WorkbenchError(f"What is patched is one of {', '.join(KINDS)}, not {kind[:40]!r}.")
    return kind


def points(n_layers: int, n_heads: int, kind: str) -> list[Point]:
    """All points of a kind, layer by layer.

    Raises:
        WorkbenchError: there is no such kind.
    """
    check_kind(kind)
    heads: Sequence[int | None] = range(n_heads) if kind == HEAD else (None,)
    return [Point(layer, kind, head) for layer in range(n_layers) for head in heads]
