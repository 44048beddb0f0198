"""The ablations: what an edge outside the circuit carries; no number is shown without it."""

from __future__ import annotations

from workbench.errors import WorkbenchError

PATCHING, ZERO, MEAN = "patching", "zero", "mean"
POSITIONAL_MEAN, CONTEXT_MEAN = "positional-mean", "context-mean"
ABLATIONS: dict[str, str] = {
    PATCHING: "a dropped edge carries what its source writes on the corrupted prompt",
    ZERO: "a dropped edge carries nothing: its source counts as writing zero",
    MEAN: "a dropped edge carries its source's mean over all positions of the clean prompts",
    POSITIONAL_MEAN: "a dropped edge carries its source's mean over the clean prompts of this "
    "length, position by position",
    CONTEXT_MEAN: "a dropped edge carries its source's mean over the clean prompts of this length "
    "that have the same token at this position (context-aware mean ablation)",
}
MEANS = (MEAN, POSITIONAL_MEAN, CONTEXT_MEAN)
"""The ablations for which a data set can be named over which the means are taken."""


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
    if source is not None and ablation not in MEANS:
        raise WorkbenchError(
            f"The ablation {ablation} takes no means: choose one of "
            f"{', '.join(MEANS)}, or leave out where the means come from."
        )
