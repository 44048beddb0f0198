"""The two definitions of self-repair, and the targets that it is measured on. No torch.

Glossary: docs/glossary.md#self-repair.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Definition:
    """One way to say how much of a node's direct effect is made up for.

    Attributes:
        name: as commands and scripts take it.
        source: who says it so.
        words: in full, with its source.
        direct: what the total effect is compared with, as a formula.
        target: the target that it is measured on unless another is asked for.
    """

    name: str
    source: str
    words: str
    direct: str
    target: str


ANSWERS, TOP = "answers", "top"
"""Targets: the answers less the wrong answers; the token that the model itself ranks first."""
TARGETS = {
    ANSWERS: "mean logit of the answers less that of the wrong answers",
    TOP: "logit of the model's own top token, less the mean over the vocabulary",
}

CHANGE, REMOVAL = "change", "removal"
DEFINITIONS: dict[str, Definition] = {
    CHANGE: Definition(
        CHANGE,
        "Rushing and Nanda",
        "Self-repair after Rushing and Nanda (2024): the total effect less the change of the "
        "node's own direct effect, SR = total - (DE* - DE). What the ablated node still writes "
        "counts as written.",
        "DE* - DE",
        ANSWERS,
    ),
    REMOVAL: Definition(
        REMOVAL,
        "McGrath et al.",
        "Compensation after McGrath et al. (2023, the Hydra effect): the total effect against the "
        "whole direct effect, SR = total + DE, as if the ablated node wrote nothing along the "
        "target; there of whole layers, of the model's top token, by resample ablation.",
        "-DE",
        TOP,
    ),
}
"""By name; both are of one run, in which everything later reacts.

Where the ablated node writes nothing along the target, as with zero ablation, they agree.
"""
DIFFERENCE = (
    "The two definitions, change and removal, differ by DE*, what the ablated node still writes: "
    "by zero ablation that is nothing and they agree; by patching or a mean, removal counts it as "
    "repaired and change does not."
)

METRIC = "metric"
"""As a destination of a map: the metric itself, whatever lies in between."""
JOINED = "+"
"""Between the names of nodes that are ablated together."""
COLUMNS: dict[str, str] = {
    "direct": "direct effect of ablating it: what it writes itself",
    "total": "total effect of ablating it: everything later reacts",
    "repaired": "self-repair: total less direct",
    "undone": "share of the direct effect made up for, 1 - total / direct",
    "heads": "of the repair, by other heads' direct effects",
    "mlps": "by other MLPs'",
    "norm": "by norms that have another scale",
    "writes": "DE, what it writes along the target",
    "left": "DE*, what it writes so when ablated",
    "fraction": "SR / DE",
    "metric": "change of the task's metric",
}
"""The numbers of a row of direct and total effects, attributes of a `Repair`, and what each is."""

REPAIRED = 0.5
"""A node is called repaired if its total effect is smaller than this share of its direct one."""
NOTICED = 0.02
"""Of the logit difference: direct effects below this share of it have no verdict."""


def find_definition(name: str) -> Definition:
    """The definition of this name.

    Raises:
        WorkbenchError: there is none.
    """
    if name not in DEFINITIONS:
        raise WorkbenchError(
            f"There is no definition {name!r} of self-repair; choose one of: "
            f"{', '.join(DEFINITIONS)}."
        )
    return DEFINITIONS[name]
