"""The rules by which all that is open is expanded, and the effects that they go by.

The catalogue from which commands, dialog, help and documents are made. Importing this loads no
torch; what a rule does at a node stands in `expansion`.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.discovery.options import Number, OneOf, Whole
from workbench.engine.effect_settings import EAP, NAMES, SETTINGS
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: as it is told.
        title: what is kept, in a few words.
        value: its one number; a default of None stands for the session's threshold.
        help: a sentence for whoever chooses.

    Glossary: docs/glossary.md#rule.
    """

    name: str
    title: str
    value: Number | Whole
    help: str

    def checked(self, value: float) -> float:
        """The value back if the rule can have it. Raises WorkbenchError."""
        if isinstance(self.value, Whole) and isinstance(value, float) and value.is_integer():
            value = int(value)
        self.value.check(value)
        return float(value)

    def words(self, value: float) -> str:
        """The rule with its value, such as "threshold 0.05"."""
        return f"{self.value.label or self.value.name} {value:.4g}"


THRESHOLD = Rule(
    "threshold",
    "what reaches a threshold",
    Number("threshold", least=0.0, help="In units of the metric."),
    "Keep every edge whose |effect| is at least the threshold.",
)
TOP_K = Rule(
    "top-k",
    "the strongest edges",
    Whole("k", default=3, least=1, help="Edges kept into each node.", label="top k"),
    "Keep the k edges of largest |effect| into each node, its q, k and v taken together.",
)
LOSS = Rule(
    "loss",
    "as little as faithfulness allows",
    Number("loss", default=0.1, least=0.0, help="Of faithfulness, all steps together."),
    "Keep as few of the strongest edges as possible while no more faithfulness is lost in all.",
)

RULES: dict[str, Rule] = {rule.name: rule for rule in (THRESHOLD, TOP_K, LOSS)}

EFFECTS = OneOf(
    "effects",
    ((EAP, "EAP estimates"), *((setting, f"exact {NAMES[setting]}") for setting in SETTINGS)),
    EAP,
    "Which effects it goes by: estimates, or exact ones, computed at every node it comes to.",
)


def find_rule(name: str) -> Rule:
    """The rule of this name.

    Raises:
        WorkbenchError: if there is none.
    """
    if name not in RULES:
        raise WorkbenchError(f"There is no rule {name!r}; choose one of: {', '.join(RULES)}.")
    return RULES[name]
