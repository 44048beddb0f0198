"""Knock-outs: attention that is masked before the softmax, in plain values.

Chosen queries do not see chosen keys in chosen layers and heads (Geva et al. 2023, 2304.14767).
Positions count from the prompt's start, or from its end if negative, so that -1 is the last token
of prompts of every length. Importing this loads no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.experiment.positions import ROLE

OfRole = Callable[[str], Sequence[int]]
"""Gives the positions of a token role in the prompts at hand."""


@dataclass(frozen=True)
class Knockout:
    """Attention that is masked before the softmax.

    Attributes:
        layers: in which layers; None for all.
        queries: positions that look; None for all.
        keys: positions that they do not see; None for all.
        heads: of these layers; None for all.
        keep_self: a query still sees itself.
        keep_first: every query still sees the first position.
    """

    layers: tuple[int, ...] | None = None
    queries: tuple[int, ...] | None = (-1,)
    keys: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    keep_self: bool = False
    keep_first: bool = False

    def in_layer(self, layer: int) -> bool:
        """Whether something is masked there."""
        return self.layers is None or layer in self.layers


def check_knockout(knockout: Knockout, n_layers: int, n_heads: int) -> None:
    """Raises WorkbenchError where the model has no such layer or head, or nothing is masked."""
    check_numbers(knockout.layers or (), 0, n_layers, "layer")
    check_numbers(knockout.heads or (), 0, n_heads, "head")
    if any(named == () for named in (knockout.layers, knockout.queries, knockout.keys)):
        raise WorkbenchError("A knock-out of no layer, query or key masks nothing: name some.")


def check_numbers(numbers: Sequence[int], least: int, end: int, what: str) -> None:
    """Raises WorkbenchError where the model has no layer, head, ... of such a number."""
    for number in numbers:
        if not least <= number < end:
            raise WorkbenchError(
                f"There is no {what} {number}: the model has {what}s {least} to {end - 1}."
            )


def resolve_positions(positions: tuple[int, ...] | None, length: int) -> list[int]:
    """Positions from the start of prompts of so many tokens, in order.

    Raises:
        WorkbenchError: a prompt is too short.
    """
    if positions is None:
        return list(range(length))
    for position in positions:
        if not -length <= position < length:
            raise WorkbenchError(f"There is no position {position} in prompts of {length} tokens.")
    return sorted({position % length for position in positions})


_SPAN = re.compile(r"(-?\d+)(?:\.\.(-?\d+))?")


def read_numbers(text: str, what: str) -> tuple[int, ...] | None:
    """Numbers as they are typed: "3", "5..8", "0,2,-1"; "all" is None, "last" is -1.

    A range includes both ends, which have to lie on one side of zero.

    Raises:
        WorkbenchError: it is none of these.
    """
    words = text.strip().lower()
    if words == "all":
        return None
    if words == "last":
        return (-1,)
    numbers: list[int] = []
    for part in words.split(","):
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            break
        start, end = int(found[1]), int(found[2] or found[1])
        if (start < 0) != (end < 0) or start > end:
            break
        numbers += range(start, end + 1)
    else:
        return tuple(dict.fromkeys(numbers))
    raise WorkbenchError(
        f"{what} are numbers, such as 3 or 5..8 or 0,2, or all or last, not {text[:40]!r}."
    )


def read_places(text: str, what: str, of_role: OfRole | None) -> tuple[int, ...] | None:
    """Positions as they are typed: as `read_numbers`, and token roles between commas.

    Args:
        of_role: the positions of a role; None where there are no roles.

    Raises:
        WorkbenchError: it is none of these, or there is no such role.
    """
    words = [word.strip() for word in text.split(",")]
    named = [word for word in words if _is_role(word)]
    if of_role is None or not named or "all" in map(str.lower, words):
        return read_numbers(text, what)
    found: list[int] = []
    for word in words:
        found += of_role(word) if word in named else read_numbers(word, what) or ()
    return tuple(dict.fromkeys(found))


def _is_role(word: str) -> bool:
    known = word.lower() in ("all", "last") or _SPAN.fullmatch(word)
    return not known and re.fullmatch(ROLE, word) is not None


def read_knockout(text: str, *, of_role: OfRole | None = None) -> Knockout:
    """A knock-out as it is typed: LAYERS:QUERIES<KEYS, as "5..8:last<0..3".

    Heads may follow the layers, "5[0,2]:last<0..3". "self" and "first" after a slash are spared:
    "all:all<all/self,first".

    Args:
        of_role: the positions of a token role, which may then stand among queries and keys, as in
            "5..8:END<S1"; None: there are numbers alone.

    Raises:
        WorkbenchError: it is not of this form, or there is no such role.
    """
    found = re.fullmatch(r"([^:<[]+)(?:\[([^:<]+)\])?:([^:<]+)<([^:</]+)(?:/([a-z, ]+))?", text)
    if found is None:
        raise WorkbenchError(
            f"A knock-out is LAYERS:QUERIES<KEYS, such as 5..8:last<0..3, not {text[:40]!r}."
        )
    layers, heads, queries, keys, spared = found.groups()
    kept = {word.strip() for word in (spared or "").split(",") if word.strip()}
    if not kept <= {"self", "first"}:
        raise WorkbenchError("What a knock-out can spare is self and first, after a slash.")
    return Knockout(
        read_numbers(layers, "Layers"),
        read_places(queries, "Queries", of_role),
        read_places(keys, "Keys", of_role),
        None if heads is None else read_numbers(heads, "Heads"),
        "self" in kept,
        "first" in kept,
    )
