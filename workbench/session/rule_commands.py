"""The commands that change many edges by one number: expanding by a rule, and pruning."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.base.text import counted
from workbench.session.command import Command, kept_words
from workbench.session.steps import StepTaken


@dataclass(frozen=True, kw_only=True)
class ExpandAll(Command):
    """All that was open was expanded by a rule, as far as it went.

    Attributes:
        rule, value, setting: the rule, its number, and the effects that it went by.
        steps: what it did, in its order.
        left: open nodes that it did not come to, or could not expand by this rule.
        ended: why it ended before its end, in a sentence; "" if it did not.

    Glossary: docs/glossary.md#expand-all.
    """

    kind = "expand-all"
    rule: str
    value: float
    setting: str
    steps: tuple[StepTaken, ...]
    left: int = 0
    ended: str = ""

    def describe(self) -> str:
        nodes = counted(len(self.steps), "node")
        kept = kept_words(self.change)
        by = f"{self.rule} {self.value:.4g}"
        if not self.ended and not self.left:
            return f"Expanded {nodes} by {by}: {kept}."
        what = f"{nodes} by {by}, {self.left:,} still open: {kept}."
        if not self.ended:
            return f"Expanded {what}"
        why = "" if self.ended == STOPPED else f" {self.ended}"
        return f"Stopped after {what}{why}"


STOPPED = "stopped"
"""`ExpandAll.ended` where the user stopped it."""


@dataclass(frozen=True, kw_only=True)
class Prune(Command):
    """Kept edges below a cut were dropped, and what is a dead end without them.

    Attributes:
        score: which score the cut is of.
        cut: the least |score| that stays.

    Glossary: docs/glossary.md#cut.
    """

    kind = "prune"
    score: str
    cut: float

    def describe(self) -> str:
        dropped, at = counted(len(self.change.removed), "edge"), self.change.n_at_roles
        left = f", {at:,} left at fewer roles" if at else ""
        return f"Pruned below {self.cut:.3g} by {self.score}: {dropped} dropped{left}."
