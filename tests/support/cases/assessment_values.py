"""A small assessment of values written down, with names and tokens that are awkward on purpose."""

from __future__ import annotations

from workbench.assessment.results.assessment import Assessment, CircuitAssessment
from workbench.assessment.results.chance import DEFINITIONS, Chance, RandomBaseline
from workbench.assessment.results.completeness import Completeness, Gaps, Knockout
from workbench.assessment.results.curve import Area, Curve, Curves, Point
from workbench.assessment.results.directions import Component, Directions
from workbench.assessment.results.faithfulness import Estimate, Faithfulness, PromptScore
from workbench.assessment.results.hypotheses import Hypotheses, Test
from workbench.assessment.results.minimality import Loss, Minimality
from workbench.assessment.results.overlap import Cross, Difference, Overlap, PairOverlap, Shared
from workbench.assessment.results.stability import Frequency, Interval, Resampling, Stability
from workbench.assessment.settings import AssessmentSettings

HOSTILE = "</table><script>alert('1 & 2')</script>|`*_$x$\n"
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def prompt(index: int, text: str, shortfall: float, top: str) -> PromptScore:
    return PromptScore(
        index=index,
        clean=text,
        corrupted="The other",
        answers=(" a",),
        wrong_answers=(" b",),
        model_metric=2.0,
        corrupted_metric=-1.0,
        circuit_metric=2.0 - shortfall,
        shortfall=shortfall,
        right=shortfall < 2,
        model_right=True,
        top=top,
        model_top=" a",
        agrees=top == " a",
        rank=1 if shortfall < 2 else 7,
        model_rank=1,
        kl=0.25,
    )


def faithfulness() -> Faithfulness:
    return Faithfulness(
        metric="logit_diff",
        model=Estimate(2.0, 1.9, 2.1),
        corrupted=Estimate(-1.0, -1.2, -0.8),
        circuit=Estimate(0.875, 0.5, 1.25),
        faithfulness=Estimate(0.625, 0.5, 0.75),
        kl=Estimate(0.25, 0.2, 0.3),
        accuracy=Estimate(0.5, 0.0, 1.0),
        model_accuracy=Estimate(1.0, 1.0, 1.0),
        agreement=Estimate(0.5, 0.0, 1.0),
        prompts=(prompt(1, HOSTILE, 2.25, HOSTILE), prompt(0, "The key", 0.0, " a")),
        closed=True,
        confidence=0.95,
        resamples=2000,
        seed=3,
        undefined=12,
    )


def curves() -> Curves:
    def curve(absolute: bool, slope: float) -> Curve:
        points = tuple(
            Point(
                p, int(p * 262), int(p * 200), slope * p, None if p == 0.2 else min(1.2, slope * p)
            )
            for p in SHARES
        )
        areas = Area(0.9, 0.125), Area(4.5, 2.5), Area(0.25, 0.75)
        return Curve("top", absolute, points, *areas, mean=0.5)

    return Curves(262, "eap", 2.0, -1.0, (curve(False, 8), curve(True, 4)), 11, 0.625, ("Odd.",))


def directions() -> Directions:
    nodes = (
        Component("input", "node", -1.0, 2.0, 1.0, 1.0, None),
        Component("a0.h1", "node", 2.0, 1.7, 0.0, 0.9, "or"),
    )
    edges = (Component("a0.h1->m1", "edge", -0.7, -1.0, 0.9, 0.0, "and"),)
    return Directions(2.0, -1.0, nodes, edges, 0.625, 0.5, 0.5, 0.1, 0.25)


def completeness() -> Completeness:
    whole = Knockout("whole", "", (), 2.0, 0.875, 1.0, 0.625, 1.125, 0.375)
    node = Knockout("node", "a0.h1", ("a0.h1",), 1.0, 0.5, 0.667, 0.5, 0.5, 0.167)
    gaps = Gaps("node", 1, 0.5, 0.5, 0.167, 0.167, ("a0.h1",))
    return Completeness("logit_diff", whole, (node,), (gaps,))


def minimality() -> Minimality:
    losses = (
        Loss("a0.h1->m1", 1, -0.5, -1.375, -0.458, 0.9, False, False),
        Loss("m0->logits", 1, 1.0, 0.125, 0.042, 0.1, True, False),
        Loss("m1->a1.h0<v>", 1, 0.875, 0.0, 0.0, 0.0, False, True),
    )
    return Minimality("logit_diff", 0.875, 0.625, losses, losses[:1])


def chance() -> Chance:
    def baseline(kind: str, values: tuple[float, ...]) -> RandomBaseline:
        return RandomBaseline(kind, DEFINITIONS[kind], values, values, len(set(values)), 0.25, 0.5)

    return Chance(
        "logit_diff",
        0.875,
        0.625,
        11,
        (baseline("size", (0.1, 0.3, 0.7)), baseline("shape", (0.5,))),
    )


def hypotheses() -> Hypotheses:
    names = ("equivalence", "", "H0: they differ", 0.5, "share of wins", 2, 0.001, 0.002, 0.002)
    return Hypotheses(0.05, 0.1, 0.9, (Test(*names, True, True, True, True),), ("No more.",))


def stability() -> Stability:
    edges = (Frequency("a0.h1->m1", 0.95), Frequency("m0->logits", 0.4))
    again = Resampling("bootstrap", "as many, drawn", 20, edges, (), *[Interval(0.7, 0.5, 0.9)] * 2)
    return Stability("eap", 11, (again,))


def overlap() -> Overlap:
    shared = Shared(11, 9, 6, 262, 0.429, 0.545, 0.667, 1e-6)
    difference = Difference("m0->logits", 0.5, -0.25, 0.75, True, False)
    cross = Cross(("ioi",), ("one", HOSTILE), ((1.0, 2.0),), ((0.625, None),))
    return Overlap(("one", HOSTILE), (PairOverlap(0, 1, shared, shared, (difference,)),), cross)


PARTS = {
    "faithfulness": faithfulness,
    "curve": curves,
    "directions": directions,
    "completeness": completeness,
    "minimality": minimality,
    "chance": chance,
    "hypotheses": hypotheses,
    "stability": stability,
}


def an_assessment() -> Assessment:
    results = {name: make() for name, make in PARTS.items()}
    one = CircuitAssessment("one", 11, 7, results, {}, dict.fromkeys(results, 0.5))
    two = CircuitAssessment(
        HOSTILE, 9, 5, {"directions": directions()}, {"curve": "EAP follows a slope."}, {}
    )
    return Assessment(
        origin={
            "model": {
                "name": "tiny",
                "family": "gpt2",
                "dtype": "float32",
                "device": "cpu",
                "bos": False,
            },
            "task": {
                "name": "ioi",
                "source": "built in",
                "seed": 0,
                "pairs": 2,
                "dropped": 1,
                "pairs_sha256": "0" * 64,
            },
            "metric": {"name": "logit_diff", "definition": "logit of the answer, minus the other"},
            "ablation": {"name": "mean", "means_from": {"task": "ioi", "pairs_sha256": "1" * 64}},
            "seed": 3,
            "versions": {"python": "3.11.0", "torch": "2.6.0"},
        },
        model_metric=2.0,
        corrupted_metric=-1.0,
        n_edges=262,
        settings=AssessmentSettings(seed=3),
        circuits=(one, two),
        compared={"overlap": overlap()},
        remarks=("The model hardly does this task.",),
        command="workbench assess tiny ioi one.json --report r.html",
        created="2026-01-02T03:04:05+00:00",
    )
