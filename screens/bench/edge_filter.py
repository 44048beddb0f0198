"""Which candidate edges a few typed words let through."""

from __future__ import annotations

from workbench.circuits.names import AT, LOGITS, input_of, kind_of, layer_of_heads, parse_name
from workbench.session.views import Candidate

HELP = "a9  a9.h1  m3  heads  mlps  kept  dropped  preview  q  k  v  @S1  >0.05  words; -word: not"


class EdgeFilter:
    """All words must hold: words of `HELP`, or parts of a source's name or group's role.

    Attributes:
        depends_on_values: the answer may change while effects are computed.
    """

    def __init__(self, words: str) -> None:
        self.words = words.strip()
        self._tests = [_test(word) for word in self.words.split()]
        self.depends_on_values = any(
            word.lstrip("-") in ("kept", "dropped", "preview") or word.lstrip("-")[:1] in "<>"
            for word in self.words.split()
        )

    def __bool__(self) -> bool:
        return bool(self._tests)

    def matches(self, edge: Candidate) -> bool:
        return all(_holds(kind, value, edge) != negated for negated, kind, value in self._tests)


def _test(word: str) -> tuple[bool, str, str]:
    negated = word.startswith("-") and len(word) > 1
    word = word.removeprefix("-") if negated else word
    lower = word.lower()
    if lower in ("kept", "dropped", "preview", "heads", "mlps", "q", "k", "v"):
        return negated, lower, ""
    if lower.startswith(AT) and len(lower) > 1:
        return negated, AT, lower[1:]
    if lower[0] in "<>":
        try:
            float(lower[1:].lstrip("="))
        except ValueError:
            raise ValueError(f"{word!r} needs a number, as in >0.05.") from None
        return negated, lower[0], lower[1:].lstrip("=")
    if (layer := layer_of_heads(lower)) is not None:
        return negated, "layer", str(layer)
    if lower != LOGITS and (name := parse_name(lower)) is not None and name.node == lower:
        return negated, "node", lower
    return negated, "part", lower


def _holds(kind: str, value: str, edge: Candidate) -> bool:
    source = edge.source
    if kind == "kept":
        return edge.kept
    if kind == "dropped":
        return not edge.kept
    if kind == "preview":
        return edge.preview
    if kind == "heads":
        return kind_of(source) == "head"
    if kind == "mlps":
        return kind_of(source) == "mlp"
    if kind in ("q", "k", "v"):
        return input_of(edge.destination) == kind
    if kind == AT:
        return value in (role.lower() for role in edge.at)
    if kind == ">":
        return abs(edge.score) >= float(value)
    if kind == "<":
        return abs(edge.score) <= float(value)
    if kind == "node":
        return source == value
    if kind == "layer":
        name = parse_name(source)
        return name is not None and name.kind == "head" and name.layer == int(value)
    return value in source or value in (edge.role or "").lower()
