"""Completeness: whether circuit and model do alike without the same nodes.

Wang et al. 2022 (2211.00593): a complete circuit has a small |F(C without K) - F(M without K)| for
every set K of its nodes, F being the mean metric. Nodes are removed by ablating all that they
write. K is drawn at random, grown greedily towards the largest gap, each of the circuit's role
groups, and each single node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, get_args

from workbench.assessment.results.completeness import Completeness, Gaps, Kind, Knockout
from workbench.base.work import Work, part
from workbench.circuits.graph import INPUT, LOGITS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.engine.evaluator import Evaluator
    from workbench.experiment.experiment import Experiment

STARTS, STEPS, CANDIDATES = 5, 10, 10
"""Of the greedy search: how often it starts anew, how many nodes it takes, and among how many drawn
at random it chooses each (Wang et al. 2022, appendix)."""


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Completeness]:
    """Knock sets of the circuit's nodes out of the circuit and of the model.

    The nodes are heads and MLPs of which a kept edge matters. `settings.n_subsets` sets are drawn
    at random, their sizes as well.

    Raises:
        WorkbenchError: the circuit is not closed.
    """
    import numpy as np

    from workbench.assessment.tools.variants import alive
    from workbench.engine.evaluator import Evaluator

    kept = alive(circuit, experiment.batch.roles)
    gaps = _Knockouts(experiment, Evaluator(experiment, kept))
    nodes = [node for node in kept.nodes() if node not in (INPUT, LOGITS)]
    random = np.random.default_rng(settings.seed)
    yield from part(gaps.measure([()]), 0.0, 0.01)
    whole = gaps.knockout("whole", "", ())
    remarks: list[str] = []
    if not nodes:
        remarks.append("No head or MLP of the circuit matters, so that there is none to take away.")
        return Completeness(experiment.metric_name, whole, (), (), tuple(remarks))
    sets: list[tuple[Kind, str, tuple[str, ...]]] = []
    sets += [("random", "", drawn) for drawn in _random_sets(nodes, settings.n_subsets, random)]
    groups = [(g.name, [node for node in nodes if node in g.nodes]) for g in circuit.groups]
    sets += [("group", name, tuple(members)) for name, members in groups if members]
    sets += [("node", node, (node,)) for node in nodes]
    remarks += [
        f"No node of the group {name} matters in the circuit." for name, own in groups if not own
    ]
    if not groups:
        remarks.append("The circuit has no groups, so that none were knocked out.")
    yield from part(gaps.measure([members for _, _, members in sets]), 0.01, 0.3)
    points = [gaps.knockout(kind, name, members) for kind, name, members in sets]
    points += yield from part(_greedy(gaps, nodes, random), 0.3, 1.0)
    kinds = [_summary(kind, [p for p in points if p.kind == kind]) for kind in get_args(Kind)[1:]]
    return Completeness(
        experiment.metric_name,
        whole,
        tuple(points),
        tuple(summary for summary in kinds if summary is not None),
        tuple(remarks),
    )


def _random_sets(
    nodes: Sequence[str], n: int, random: np.random.Generator
) -> list[tuple[str, ...]]:
    """Sets of random size, from one node to all, in the graph's order."""
    drawn = []
    for _ in range(n):
        size = int(random.integers(1, len(nodes) + 1))
        chosen = sorted(random.choice(len(nodes), size, replace=False).tolist())
        drawn.append(tuple(nodes[i] for i in chosen))
    return drawn


class _Knockouts:
    """The metrics of circuit and model without sets of nodes, each set computed once."""

    def __init__(self, experiment: Experiment, evaluator: Evaluator) -> None:
        self.experiment = experiment
        self._evaluator = evaluator
        self._circuit = evaluator.circuit
        self._known: dict[tuple[str, ...], tuple[float, float]] = {}

    def measure(
        self, sets: Iterable[tuple[str, ...]], bases: Iterable[tuple[str, ...]] = ((),)
    ) -> Work[None]:
        """Compute those that are not known yet.

        Args:
            bases: each of the sets holds one of these, from which the circuit without it departs.
        """
        from workbench.assessment.tools.knockout import model_without

        new = [nodes for nodes in dict.fromkeys(sets) if nodes not in self._known]
        model = yield from part(model_without(self.experiment, new), 0.0, 0.7)
        of_model = dict(zip(new, model, strict=True))
        for base in dict.fromkeys(bases):
            own = [nodes for nodes in new if nodes not in self._known and set(base) <= set(nodes)]
            circuit = yield from part(self._without(base, own), 0.7, 1.0)
            for nodes, values in zip(own, circuit, strict=True):
                self._known[nodes] = float(of_model[nodes].mean()), float(values.mean())

    def _without(
        self, base: tuple[str, ...], sets: Sequence[tuple[str, ...]]
    ) -> Work[NDArray[np.float64]]:
        """The metric [set, pair] of the circuit without sets that all hold the base."""
        from workbench.assessment.tools.carrying import with_kept
        from workbench.assessment.tools.variants import alive, scores, without_nodes

        if sets:
            without = with_kept(self._circuit, without_nodes(self._circuit, base))
            self._evaluator.become(alive(without, self.experiment.batch.roles))
        targets = [partial(without_nodes, self._circuit, nodes) for nodes in sets]
        return (yield from scores(self._evaluator, targets))

    def gap(self, nodes: tuple[str, ...]) -> float:
        model, circuit = self._known[nodes]
        return abs(circuit - model)

    def knockout(self, kind: Kind, name: str, nodes: tuple[str, ...]) -> Knockout:
        from workbench.assessment.tools.variants import change_of_faithfulness

        model, circuit = self._known[nodes]
        share = change_of_faithfulness(self.experiment, circuit - model)
        return Knockout(
            kind=kind,
            name=name,
            nodes=nodes,
            model=model,
            circuit=circuit,
            model_faithfulness=self.experiment.faithfulness(model),
            circuit_faithfulness=self.experiment.faithfulness(circuit),
            gap=abs(circuit - model),
            gap_share=None if share is None else abs(share),
        )


def _greedy(
    gaps: _Knockouts, nodes: Sequence[str], random: np.random.Generator
) -> Work[list[Knockout]]:
    """Grow sets towards the largest gap, each time by the best of random candidates.

    All starts take a step together. A step is taken even if the gap shrinks by it.
    """
    order = {node: i for i, node in enumerate(nodes)}
    grown: list[tuple[str, ...]] = [()] * STARTS
    found: list[Knockout] = []
    steps = min(STEPS, len(nodes))
    for step in range(steps):
        options: list[list[tuple[str, ...]]] = []
        for members in grown:
            rest = [node for node in nodes if node not in members]
            picked = random.choice(len(rest), min(CANDIDATES, len(rest)), replace=False)
            options.append(
                [tuple(sorted((*members, rest[i]), key=order.__getitem__)) for i in picked]
            )
        flat = [option for of_start in options for option in of_start]
        yield from part(gaps.measure(flat, grown), step / steps, (step + 1) / steps)
        grown = [max(of_start, key=gaps.gap) for of_start in options]
        for start, members in enumerate(grown):
            name = f"start {start + 1}, step {step + 1}"
            found.append(gaps.knockout("greedy", name, members))
    return found


def _summary(kind: Kind, points: Sequence[Knockout]) -> Gaps | None:
    if not points:
        return None
    shares = [point.gap_share for point in points if point.gap_share is not None]
    gaps = [point.gap for point in points]
    return Gaps(
        kind=kind,
        n=len(points),
        largest=max(gaps),
        mean=sum(gaps) / len(gaps),
        largest_share=max(shares, default=None),
        mean_share=sum(shares) / len(shares) if shares else None,
        worst=max(points, key=lambda point: point.gap).nodes,
    )
