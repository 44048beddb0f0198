"""Tests of hypotheses on the circuit, with p-values corrected for being many.

After Shi et al. 2024 (2410.13032).

In some, rejecting the null hypothesis speaks for the circuit, in others against it: each says
which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from workbench.assessment.results.hypotheses import Hypotheses, Test
from workbench.base.work import Work, part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.engine.evaluator import Evaluator
    from workbench.engine.kept_edges import Kept
    from workbench.experiment.experiment import Experiment

EQUIVALENCE, INDEPENDENCE = "equivalence", "independence"
PERMUTATIONS = 1000
"""Of the test of independence."""
FEWEST_PAIRS = 4
"""For a test of independence: of three pairs there are but six permutations."""
MOST_COMPLEMENTS = 50
"""Random circuits of the test of partial necessity at most: the model without some edges costs
several times as much as a circuit of them."""

SUFFICIENCY, PARTIAL_NECESSITY, MINIMALITY = "sufficiency", "partial necessity", "minimality"


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Hypotheses]:
    """Make all tests that can be made.

    Raises:
        WorkbenchError: the circuit is not closed.
    """
    from workbench.assessment.tools.variants import alive, on_roles
    from workbench.engine.evaluator import Evaluator

    circuit = on_roles(circuit, experiment.batch.roles)
    kept = alive(circuit, experiment.batch.roles)
    evaluator = Evaluator(experiment, kept)
    remarks: list[str] = []
    found = [_equivalence(experiment, evaluator, settings)]
    if experiment.n_pairs < FEWEST_PAIRS:
        remarks.append(
            f"Independence is not tested: it takes at least {FEWEST_PAIRS} pairs, and there are "
            f"{experiment.n_pairs}."
        )
    else:
        found.append((yield from part(_independence(experiment, kept, settings), 0.0, 0.05)))
    if kept.n_edges == 0:
        remarks.append("No edge of the circuit matters, so that it is not compared with others.")
    else:
        found.append((yield from part(_sufficiency(experiment, evaluator, settings), 0.05, 0.3)))
        found.append((yield from part(_necessity(experiment, kept, settings), 0.3, 0.7)))
    if not _has_room(experiment, kept):
        remarks.append("Minimality is not tested: to a circuit of all edges none can be added.")
    elif circuit.n_edges:
        found += yield from part(_minimality(circuit, evaluator, settings), 0.7, 1.0)
    return Hypotheses(
        settings.alpha,
        settings.epsilon,
        settings.q,
        _corrected(found, settings.alpha),
        tuple(remarks),
    )


@dataclass(frozen=True)
class _Found:
    """A test before the correction; see `Test`."""

    name: str
    edge: str
    hypothesis: str
    statistic: float
    statistic_name: str
    n: int
    p: float
    speaks_against: bool


def _corrected(found: Sequence[_Found], alpha: float) -> tuple[Test, ...]:
    from scipy.stats import false_discovery_control

    from workbench.assessment.tools.statistics import holm

    p_values = [test.p for test in found]
    discovery = false_discovery_control(p_values, method="bh").tolist()
    return tuple(
        Test(
            **asdict(test),
            holm=by_holm,
            benjamini_hochberg=by_discovery,
            rejected=test.p <= alpha,
            rejected_holm=by_holm <= alpha,
            rejected_benjamini_hochberg=by_discovery <= alpha,
        )
        for test, by_holm, by_discovery in zip(found, holm(p_values), discovery, strict=True)
    )


def _equivalence(
    experiment: Experiment, evaluator: Evaluator, settings: AssessmentSettings
) -> _Found:
    from workbench.assessment.tools.statistics import equivalence_p
    from workbench.assessment.tools.variants import rounding

    pairs = zip(evaluator.value().per_pair, experiment.clean.per_pair, strict=True)
    differences = [circuit - model for circuit, model in pairs]
    level = rounding(experiment)
    wins = sum(1.0 if d > level else 0.5 if d >= -level else 0.0 for d in differences)
    n = len(differences)
    return _Found(
        EQUIVALENCE,
        "",
        "On a prompt, the probability that the circuit scores higher than the model is within "
        f"{settings.epsilon:g} of one half.",
        wins / n,
        "share of pairs on which the circuit scores higher, ties counted half",
        n,
        equivalence_p(wins, n, settings.epsilon),
        speaks_against=True,
    )


def _independence(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[_Found]:
    import numpy as np

    from workbench.assessment.tools.statistics import hsic_permutations
    from workbench.assessment.tools.variants import complement_scores
    from workbench.engine.kept_edges import kept_edges

    (rest,) = yield from part(complement_scores(experiment, [kept_edges(circuit)]), 0.0, 0.5)
    model = np.array(experiment.clean.per_pair)
    random = np.random.default_rng(settings.seed)
    statistic, p = yield from part(hsic_permutations(model, rest, PERMUTATIONS, random), 0.5, 1.0)
    return _Found(
        INDEPENDENCE,
        "",
        "The model's score of a prompt and the score of the model without the circuit's edges are "
        "independent.",
        statistic,
        f"HSIC, {PERMUTATIONS} permutations",
        experiment.n_pairs,
        p,
        speaks_against=True,
    )


def _sufficiency(
    experiment: Experiment, evaluator: Evaluator, settings: AssessmentSettings
) -> Work[_Found]:
    from workbench.assessment.parts.chance import random_metrics
    from workbench.assessment.results.chance import SIZE

    model = experiment.clean.metric
    metrics, _ = yield from random_metrics(experiment, evaluator.circuit, SIZE, settings)
    own = abs(evaluator.value().metric - model)
    return _against_quantile(
        SUFFICIENCY,
        "",
        "The circuit's metric is at least as near to the model's as that of a random circuit of "
        f"as many edges{_at_roles(evaluator.circuit)} with a probability of at most "
        f"{settings.q:g}.",
        "share of random circuits that the circuit is at least as near to the model as",
        sum(own <= abs(metric - model) for metric in metrics),
        len(metrics),
        settings.q,
        speaks_against=False,
    )


def _necessity(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[_Found]:
    from workbench.assessment.tools.random_by_role import of_same_size, random_circuits
    from workbench.assessment.tools.variants import complement_scores
    from workbench.engine.kept_edges import kept_edges

    n = min(settings.n_random, MOST_COMPLEMENTS)
    random = random_circuits(experiment, circuit, settings.seed)
    taken = [kept_edges(circuit), *(of_same_size(random, circuit) for _ in range(n))]
    scores = yield from complement_scores(experiment, taken)
    effects = abs(scores.mean(axis=1) - experiment.clean.metric)
    return _against_quantile(
        PARTIAL_NECESSITY,
        "",
        "Taking the circuit's edges from the model changes its metric more than taking those of a "
        f"random circuit of as many{_at_roles(circuit)} with a probability of at most "
        f"{settings.q:g}.",
        "share of random circuits whose loss changes the model's metric less",
        int((effects[0] > effects[1:]).sum()),
        n,
        settings.q,
        speaks_against=False,
    )


def _minimality(
    circuit: Circuit, evaluator: Evaluator, settings: AssessmentSettings
) -> Work[list[_Found]]:
    """Of every edge of the circuit, dead ones among them, whose loss changes nothing."""
    import numpy as np

    from workbench.assessment.tools.variants import rounding, scores, without_edge

    kept, whole = evaluator.circuit, evaluator.value().metric
    edges = kept.parts()
    targets = [partial(without_edge, kept, edge) for edge in edges]
    dropped = yield from part(scores(evaluator, targets), 0.0, 0.4)
    effects = dict(zip(edges, abs(dropped.mean(axis=1) - whole), strict=True))
    random = yield from part(_effects_of_added_edges(evaluator, settings), 0.4, 1.0)
    least = rounding(evaluator.experiment)
    return [
        _against_quantile(
            MINIMALITY,
            edge,
            f"Dropping {edge} changes the circuit's metric more than dropping an edge of a random "
            "path that was added to the circuit with a probability of at least "
            f"{settings.q:g}.",
            "share of added paths an edge of which changes the metric less when dropped",
            int(np.count_nonzero(effects.get(edge, 0.0) > random + least)),
            len(random),
            settings.q,
            speaks_against=True,
        )
        for edge in circuit.parts()
    ]


def _effects_of_added_edges(
    evaluator: Evaluator, settings: AssessmentSettings
) -> Work[NDArray[np.float64]]:
    """What an edge of a random path, added to the circuit, does: |change of the metric|.

    One for each of `settings.n_random` paths, when the edge is dropped again.
    """
    from workbench.assessment.tools.random_by_role import random_circuits, random_path
    from workbench.assessment.tools.variants import scores
    from workbench.engine.kept_edges import kept_edges

    kept = kept_edges(evaluator.circuit)
    random = random_circuits(evaluator.experiment, evaluator.circuit, settings.seed)
    targets = []
    for _ in range(settings.n_random):
        path = random_path(random, kept)
        out = path[random.one_of(len(path))]
        targets += [
            partial(_with_edges, kept, path),
            partial(_with_edges, kept, [edge for edge in path if edge != out]),
        ]
    metrics = (yield from scores(evaluator, targets)).mean(axis=1)
    return abs(metrics[0::2] - metrics[1::2])


def _with_edges(kept: Kept, edges: Sequence[tuple[int, int, np.uint64]]) -> Kept:
    inflated = kept.copy()
    for source, destination, bits in edges:
        inflated[source, destination] |= bits if inflated.dtype == bits.dtype else True
    return inflated


def _at_roles(circuit: Circuit) -> str:
    return ", whole and at token roles," if circuit.at else ""


def _has_room(experiment: Experiment, circuit: Circuit) -> bool:
    """Whether the model has edges, or edges at roles, that the circuit lacks."""
    from workbench.assessment.tools.random_by_role import RandomByRole
    from workbench.engine.kept_edges import as_bits, kept_edges

    if not circuit.at:
        return circuit.n_edges < circuit.graph.n_edges
    return RandomByRole(experiment, 0).has_room(as_bits(kept_edges(circuit)))


def _against_quantile(
    name: str,
    edge: str,
    hypothesis: str,
    statistic_name: str,
    count: int,
    n: int,
    quantile: float,
    *,
    speaks_against: bool,
) -> _Found:
    """Whether a share of n is above a quantile, or below if that is against the circuit."""
    from scipy.stats import binomtest

    alternative = "less" if speaks_against else "greater"
    p = float(binomtest(count, n, quantile, alternative=alternative).pvalue)
    return _Found(name, edge, hypothesis, count / n, statistic_name, n, p, speaks_against)
