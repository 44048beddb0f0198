"""How the flow between tokens is asked about, in plain values. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from workbench.errors import WorkbenchError

Others = Literal["own", "all"]

OTHERS: dict[Others, str] = {
    "own": "after the wait every other token sees itself and the first one only, as in the paper",
    "all": "after the wait the other tokens see all before them, as ever",
}
"""What the tokens but the last may look at."""

Measure = Literal["accuracy", "metric"]

DRAWN = 256
"""Prompts of a built-in task over which context-aware means are taken, where none are named."""


@dataclass(frozen=True)
class AllForOneSettings:
    """The settings of all for one.

    Attributes:
        level: the share of the model's own accuracy, or metric, that counts as all of it.
        measure: which of the two.
        others: a key of `OTHERS`.
        keep_first: every token sees the first one too, where models keep what they attend to when
            there is nothing to look at; false: itself alone.
    """

    level: float = 0.9
    measure: Measure = "accuracy"
    others: Others = "own"
    keep_first: bool = True

    def __post_init__(self) -> None:
        """Raises WorkbenchError for a number or name that means nothing."""
        if not 0 < self.level <= 1:
            raise WorkbenchError(f"level lies above 0 and up to 1, and {self.level} does not.")
        if self.measure not in get_args(Measure):
            raise WorkbenchError(
                f"What has to be kept is the accuracy or the metric, not {self.measure!r}."
            )
        if self.others not in get_args(Others):
            raise WorkbenchError(
                f"The other tokens see {' or '.join(OTHERS)}, and {self.others!r} is neither."
            )


@dataclass(frozen=True)
class KnockoutSettings:
    """The settings of a knock-out map.

    Attributes:
        reach: k of the window of layers l - k to l + k; None for a tenth of the layers.
        query: the position that does not see; from the end if negative.
        pair: which pair, from 0; None for the mean over all.
    """

    reach: int | None = None
    query: int = -1
    pair: int | None = None

    def __post_init__(self) -> None:
        """Raises WorkbenchError for a reach below 0."""
        if self.reach is not None and self.reach < 0:
            raise WorkbenchError(f"A window reaches 0 layers or more, not {self.reach}.")

    def reach_in(self, n_layers: int) -> int:
        """How far a window reaches in a model of so many layers."""
        return round(n_layers / 10) if self.reach is None else self.reach
