"""Nodes ablated together: what they do jointly that they do not do one by one.

With E(S) the change of the metric when all nodes of S are ablated at once,

    I(a, b) = E({a, b}) - E({a}) - E({b}).

Where I is large and of E's sign, each is a backup of the other (an OR): losing one costs little,
losing both costs much. Where it is of the other sign, the second adds nothing once the first is
gone (an AND, or one that works against the other).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from workbench.base.table import Table
from workbench.base.work import Stop, Work, finish
from workbench.effects.definitions import JOINED
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

MOST = 24
"""Nodes of a set, so that its pairs stay a few hundred."""


@dataclass(frozen=True)
class Joint:
    """What a set of nodes does together.

    Attributes:
        nodes: of the set.
        alone: E of each node.
        interactions: (a, b, I(a, b)) of every two.
        together: E of the whole set.
        metric, metric_name: of the run as it is.
        ablation, run: how it was measured.
    """

    nodes: tuple[str, ...]
    alone: tuple[float, ...]
    interactions: tuple[tuple[str, str, float], ...]
    together: float
    metric: float
    metric_name: str
    ablation: str
    run: str

    @property
    def beyond(self) -> float:
        """What the whole set does beyond the sum of what each does alone."""
        return self.together - sum(self.alone)

    def table(self) -> Table:
        """Each node, every two, and all, with their effects and interactions."""
        rows: list[tuple[str, float, float | None]] = [
            (node, value, None) for node, value in zip(self.nodes, self.alone, strict=True)
        ]
        alone = dict(zip(self.nodes, self.alone, strict=True))
        rows += [
            (f"{a}{JOINED}{b}", alone[a] + alone[b] + found, found)
            for a, b, found in self.interactions
        ]
        if len(self.nodes) > 2:
            rows.append((JOINED.join(self.nodes), self.together, self.beyond))
        return Table("joint effects", ("nodes", "effect", "interaction"), tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **{n: getattr(self, n) for n in ("metric", "metric_name", "ablation", "run")},
            "alone": dict(zip(self.nodes, self.alone, strict=True)),
            "interactions": [
                {"nodes": [a, b], "interaction": found} for a, b, found in self.interactions
            ],
            "together": self.together,
            "beyond": self.beyond,
        }


def joint_effects(
    experiment: Experiment,
    nodes: Sequence[str],
    *,
    ablation: str | None = None,
    run: str = "clean",
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> Joint:
    """Ablate nodes one by one, in pairs, and all together.

    Args:
        nodes: two at least.
        ablation, run: as of `self_repair`.

    Raises:
        WorkbenchError: there are too few or too many nodes, or as of `self_repair`.
        Cancelled: if `cancel` was set.
    """
    return finish(joint_work(experiment, nodes, ablation=ablation, run=run), progress, cancel)


def joint_work(
    experiment: Experiment,
    nodes: Sequence[str],
    *,
    ablation: str | None = None,
    run: str = "clean",
) -> Work[Joint]:
    """`joint_effects` in pieces."""
    from workbench.effects.definitions import TOP
    from workbench.effects.requests import RepairRequest
    from workbench.effects.self_repair import repair_work

    chosen = tuple(dict.fromkeys(nodes))
    if not 2 <= len(chosen) <= MOST:
        raise WorkbenchError(
            f"A joint test is of 2 to {MOST} different nodes, not of {len(chosen)}."
        )
    two = list(combinations(chosen, 2))
    sets = [*chosen, *(JOINED.join(pair) for pair in two)]
    if len(chosen) > 2:
        sets.append(JOINED.join(chosen))
    # The metric alone is of interest here, so that pairs need no answers.
    request = RepairRequest(tuple(sets), ablation=ablation, run=run, target=TOP)
    found = yield from repair_work(experiment, request)
    effects = [row.metric for row in found.rows]
    alone = dict(zip(chosen, effects, strict=False))
    of_two = effects[len(chosen) : len(chosen) + len(two)]
    interactions = tuple(
        (a, b, value - alone[a] - alone[b]) for (a, b), value in zip(two, of_two, strict=True)
    )
    how = (found.metric, found.metric_name, found.ablation, found.run)
    return Joint(chosen, tuple(alone.values()), interactions, effects[-1], *how)
