"""Direct and total effects of nodes, and who makes up for what: plain values. No torch.

Every effect is of ablating: the change that it makes, so that a node which writes for the answer
has a negative direct effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.names import kind_of
from workbench.effects.definitions import (
    COLUMNS,
    JOINED,
    NOTICED,
    REMOVAL,
    REPAIRED,
    find_definition,
)
from workbench.errors import WorkbenchError

BACKUP, NEGATIVE = "backup", "negative"
"""What a repairer is: it writes more for what was lost, or less against it."""


@dataclass(frozen=True)
class Repairer:
    """A later node whose own direct effect changes when another is ablated.

    Attributes:
        change: of its direct effect, DE* - DE.
        writes: its direct effect DE in the run as it is.
        kind: `BACKUP` or `NEGATIVE`, after the sign of what it writes.
        attention: of a head how far it looks elsewhere from the last position then, the sum over
            keys of |pattern* - pattern|: 0 to 2, the mean over pairs. None of an MLP.
    """

    node: str
    change: float
    writes: float
    kind: str
    attention: float | None = None


@dataclass(frozen=True)
class Repair:
    """One node, or several ablated together; all means over pairs, in logits, unless told.

    Attributes:
        node: its name; of several, joined by `JOINED`.
        writes: DE, what it writes directly along the target.
        left: DE*, the same when it is ablated.
        total: the change of the target's logit when it is ablated, everything later reacting.
        heads, mlps: changes of the other heads' and MLPs' direct effects.
        norm: what comes of norms that have another scale then.
        metric: the change of the task's metric, in its own units.
        definition: a name of `definitions.DEFINITIONS`.
        noticed: the direct effect from which there is a verdict.
    """

    node: str
    writes: float
    left: float
    total: float
    heads: float
    mlps: float
    norm: float
    metric: float
    definition: str
    noticed: float

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that are ablated."""
        return tuple(self.node.split(JOINED))

    @property
    def direct(self) -> float:
        """The direct effect of ablating it, by the definition."""
        return -self.writes if self.definition == REMOVAL else self.left - self.writes

    @property
    def repaired(self) -> float:
        """Self-repair SR, the total effect less the direct one."""
        return self.total - self.direct

    @property
    def fraction(self) -> float | None:
        """SR / DE, not clipped; None where it writes nothing."""
        return self.repaired / self.writes if self.writes else None

    @property
    def undone(self) -> float | None:
        """The share of the direct effect that is made up for, 1 - total / direct; not clipped."""
        return 1 - self.total / self.direct if self.direct else None

    @property
    def is_repaired(self) -> bool:
        """The total effect hides more than half of a direct one that is worth a word."""
        return abs(self.direct) >= self.noticed and abs(self.total) < REPAIRED * abs(self.direct)

    @property
    def is_overturned(self) -> bool:
        """More than made up for: the total effect is of the other sign, and no small one."""
        worth = abs(self.direct) >= self.noticed and not self.is_repaired
        return worth and self.total * self.direct < 0

    @property
    def is_negative(self) -> bool:
        """It writes against the target, enough to be worth a word."""
        return self.writes <= -self.noticed

    @property
    def verdict(self) -> str:
        """`repaired` or `overturned`, `negative`, or nothing."""
        told = [
            ("repaired", self.is_repaired),
            ("overturned", self.is_overturned),
            ("negative", self.is_negative),
        ]
        return ", ".join(word for word, holds in told if holds)


@dataclass(frozen=True, eq=False)
class SelfRepair:
    """Direct and total effects of some nodes.

    Attributes:
        rows: in the order that was asked for.
        sources: all nodes, as `changes` counts them.
        writes: [source], what each writes along the target.
        changes: [row, source], the change of each node's direct effect.
        attention: [row, source], of heads how far they look elsewhere, see `Repairer`.
        logit: of the target in the run as it is.
        definition, ablation, run, target: how it was measured.
        pair: a pair's number, or None for the mean over `n_pairs`.
    """

    rows: tuple[Repair, ...]
    sources: tuple[str, ...]
    writes: NDArray[np.float64] = field(repr=False)
    changes: NDArray[np.float64] = field(repr=False)
    attention: NDArray[np.float64] = field(repr=False)
    logit: float
    metric: float
    metric_name: str
    definition: str
    ablation: str
    run: str
    target: str
    pair: int | None
    n_pairs: int

    def row(self, node: str) -> Repair:
        """The row of a node, or of several joined by `JOINED`.

        Raises:
            WorkbenchError: there is none.
        """
        return self.rows[self.index(node)]

    def index(self, node: str) -> int:
        """The number of a node's row. Raises WorkbenchError if there is none."""
        for i, row in enumerate(self.rows):
            if row.node == node:
                return i
        raise WorkbenchError(f"There is no row for {node}.")

    def repairers(self, node: str, k: int | None = 5) -> tuple[Repairer, ...]:
        """Who makes up most for a node: later ones whose direct effect moves against its own.

        Args:
            k: how many; None for all.
        """
        at = self.index(node)
        row, changes, moved = self.rows[at], self.changes[at], self.attention[at]
        sign = -np.sign(row.direct)
        order = np.argsort(-sign * changes, kind="stable")
        found = [
            Repairer(
                self.sources[j],
                float(changes[j]),
                float(self.writes[j]),
                NEGATIVE if sign * self.writes[j] < 0 else BACKUP,
                float(moved[j]) if kind_of(self.sources[j]) == "head" else None,
            )
            for j in order
            if sign * changes[j] > 0 and self.sources[j] not in row.nodes
        ]
        return tuple(found[:k])

    def together(self, node: str, share: float = REPAIRED) -> tuple[str, ...]:
        """The node with the fewest repairers that make up for this share of what is repaired."""
        wanted, so_far, chosen = share * abs(self.row(node).repaired), 0.0, [node]
        for repairer in self.repairers(node, None):
            if so_far >= wanted:
                break
            chosen.append(repairer.node)
            so_far += abs(repairer.change)
        return tuple(chosen)

    def sorted_by(self, column: str = "direct", *, descending: bool = True) -> tuple[Repair, ...]:
        """The rows by the size of a column's number, or by name in the model's order.

        Raises:
            WorkbenchError: there is no such column.
        """
        if column == "node":
            rows = self.rows
            return rows if descending else rows[::-1]
        if column not in COLUMNS:
            raise WorkbenchError(
                f"There is no column {column!r}; choose one of: node, {', '.join(COLUMNS)}."
            )
        known = sorted(self.rows, key=lambda row: -abs(getattr(row, column) or 0.0))
        return tuple(known if descending else known[::-1])

    @property
    def said(self) -> str:
        """What was measured, in a sentence or two."""
        of = "the mean over pairs" if self.pair is None else f"pair {self.pair + 1}"
        return (
            f"Effects on {self.target}, {of}, of ablating ({self.ablation}) each node on the "
            f"{self.run} prompts; norms held at that run's scales. "
            f"{find_definition(self.definition).words}"
        )

    def to_json(self, k: int = 5) -> dict[str, Any]:
        """Plain values, with the k first repairers of each row."""
        names = ("logit", "metric", "metric_name", "definition", "ablation", "run", "target")
        return {
            **{name: getattr(self, name) for name in names},
            "pair": None if self.pair is None else self.pair + 1,
            "pairs": self.n_pairs,
            "said": self.said,
            "rows": [
                {
                    "node": row.node,
                    **{name: getattr(row, name) for name in COLUMNS},
                    "is_repaired": row.is_repaired,
                    "is_overturned": row.is_overturned,
                    "is_negative": row.is_negative,
                    "repairers": [vars(r) for r in self.repairers(row.node, k)],
                }
                for row in self.rows
            ],
        }


def least_noticed(logit: float) -> float:
    """The direct effect from which there is a verdict, for a target of this logit."""
    return NOTICED * abs(logit)
