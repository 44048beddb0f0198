"""The ablations: what an edge outside the circuit carries; no number is shown without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.errors import WorkbenchError
from workbench.plugins import resolve


@dataclass(frozen=True)
class Ablation:
    """One ablation.

    Attributes:
        name: as the command line takes it.
        words: what a dropped edge carries, for help, the glossary and the report.
        cells: of one that puts means in place of outputs, the function that says which tokens are
            averaged together, as "package.module:function"; see `experiment.means`.
    """

    name: str
    words: str
    cells: str | None = None

    @property
    def needs_corrupted(self) -> bool:
        """Whether it makes use of the corrupted prompts."""
        return self.name == PATCHING

    @property
    def takes_means(self) -> bool:
        """Whether a data set can be named over which the means are taken."""
        return self.cells is not None

    def load_cells(self) -> Callable[[Any], Any]:
        """Import the function that says which tokens are averaged together."""
        assert self.cells is not None, self.name
        function: Callable[[Any], Any] = resolve(self.cells)
        return function


PATCHING, ZERO = "patching", "zero"
_MEANS = "workbench.experiment.means"

_ABLATIONS = (
    Ablation(PATCHING, "a dropped edge carries what its source writes on the corrupted prompt"),
    Ablation(ZERO, "a dropped edge carries nothing: its source counts as writing zero"),
    Ablation(
        "mean",
        "a dropped edge carries its source's mean over all positions of the clean prompts",
        cells=f"{_MEANS}:of_all_tokens",
    ),
    Ablation(
        "positional-mean",
        "a dropped edge carries its source's mean over the clean prompts of this length, position "
        "by position",
        cells=f"{_MEANS}:by_position",
    ),
    Ablation(
        "context-mean",
        "a dropped edge carries its source's mean over the clean prompts of this length that have "
        "the same token at this position (context-aware mean ablation)",
        cells=f"{_MEANS}:by_token",
    ),
)

ABLATIONS: dict[str, Ablation] = {ablation.name: ablation for ablation in _ABLATIONS}


def names_of_means() -> list[str]:
    """The ablations for which a data set can be named over which the means are taken."""
    return [name for name, ablation in ABLATIONS.items() if ablation.takes_means]


def check_ablation(ablation: str) -> str:
    """The ablation back, if it is one.

    Raises:
        WorkbenchError: if it is not.
    """
    if ablation not in ABLATIONS:
        raise WorkbenchError(
            f"There is no ablation {ablation!r}; choose one of: {', '.join(ABLATIONS)}."
        )
    return ablation


def check_means(source: str | None, ablation: str) -> None:
    """Refuse prompts for means where the ablation takes none.

    Raises:
        WorkbenchError: that is so.
    """
    if source is not None and ablation not in names_of_means():
        raise WorkbenchError(
            f"The ablation {ablation} takes no means: choose one of "
            f"{', '.join(names_of_means())}, or leave out where the means come from."
        )
