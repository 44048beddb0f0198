"""What may be changed in a run of the whole model: attention and residual.

In plain values. A `Knockout` masks attention before the softmax: chosen queries do not see chosen
keys in chosen layers and heads. A `Replacement` puts something else in the place of the residual
stream after a block. Positions count from the prompt's start, or from its end if negative, so that
-1 is the last token of prompts of every length. Importing this loads no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from workbench.errors import WorkbenchError
from workbench.experiment.knockouts import Knockout, check_knockout, check_numbers, read_numbers

Source = Literal["corrupted", "mean", "context-mean", "pair", "own"]

SOURCES: dict[Source, str] = {
    "corrupted": "the residual of the pair's corrupted prompt",
    "mean": "the mean over the clean prompts of this length, at this position",
    "context-mean": (
        "the mean over the clean prompts of this length that have the same token at this position "
        "(at the last position over all of them)"
    ),
    "pair": "the residual of another pair's clean prompt, at this position",
    "own": "the clean residual of the prompt itself, of another layer",
}
"""What can stand in for a residual."""
assert set(SOURCES) == set(get_args(Source))


@dataclass(frozen=True)
class Replacement:
    """A residual that something else takes the place of.

    Attributes:
        layer: after which block; -1 is before the first, the embedding.
        positions: where; None for all.
        by: one of `SOURCES`.
        from_layer: after which block it is taken; None for the same.
        pair: which pair's, by its number from 0, with `pair`.
    """

    layer: int
    positions: tuple[int, ...] | None = None
    by: Source = "corrupted"
    from_layer: int | None = None
    pair: int | None = None

    @property
    def source_layer(self) -> int:
        """After which block what stands in is taken."""
        return self.layer if self.from_layer is None else self.from_layer


@dataclass(frozen=True)
class Changes:
    """All that is changed in one run; nothing, if both are empty."""

    knockouts: tuple[Knockout, ...] = ()
    replacements: tuple[Replacement, ...] = ()

    @property
    def takes_means(self) -> bool:
        """Whether means stand in for some residual."""
        return any(one.by in ("mean", "context-mean") for one in self.replacements)

    def first_layer(self, n_layers: int) -> int:
        """The first block that computes anything else; `n_layers` if none does."""
        starts = [0 if k.layers is None else min(k.layers, default=n_layers)
                  for k in self.knockouts]  # fmt: skip
        return min([*starts, *(r.layer + 1 for r in self.replacements)], default=n_layers)


def check_changes(changes: Changes, n_layers: int, n_heads: int, n_pairs: int) -> None:
    """Refuse what the model or the task does not have.

    Raises:
        WorkbenchError: no such layer, head, pair or source, or nothing is masked or replaced.
    """
    for knockout in changes.knockouts:
        check_knockout(knockout, n_layers, n_heads)
    for one in changes.replacements:
        if one.by not in SOURCES:
            raise WorkbenchError(
                f"A residual cannot be replaced by {one.by!r}; choose one of: {', '.join(SOURCES)}."
            )
        check_numbers((one.layer, one.source_layer), -1, n_layers, "layer")
        if (one.by == "pair") != (one.pair is not None):
            raise WorkbenchError("A pair is named if, and only if, a residual is another pair's.")
        if one.pair is not None and not 0 <= one.pair < n_pairs:
            raise WorkbenchError(f"There is no pair {one.pair + 1}: the task has {n_pairs}.")
        if one.by == "own" and one.source_layer == one.layer:
            raise WorkbenchError("A prompt's own residual of the same layer changes nothing.")


def read_replacement(text: str) -> Replacement:
    """A replacement as it is typed: LAYER:POSITIONS=SOURCE, as "5:all=context-mean".

    The source may say from which layer, "own@12", and "pair 3" (from 1) is another pair's.

    Raises:
        WorkbenchError: it is not of this form.
    """
    found = re.fullmatch(
        r"\s*(-?\d+)\s*:([^=]+)=\s*([a-z-]+)(?:\s+(\d+))?(?:\s*@\s*(-?\d+))?\s*", text
    )
    if found is None or found[3] not in SOURCES:
        raise WorkbenchError(
            f"A replacement is LAYER:POSITIONS=SOURCE, such as 5:all=context-mean, with one of "
            f"{', '.join(SOURCES)}, not {text[:40]!r}."
        )
    layer, positions, source, pair, from_layer = found.groups()
    by = next(name for name in SOURCES if name == source)
    return Replacement(
        int(layer),
        read_numbers(positions, "Positions"),
        by,
        None if from_layer is None else int(from_layer),
        None if pair is None else int(pair) - 1,
    )
