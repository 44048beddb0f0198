"""What each part found, in one sentence of plain text.

For the command line and the top of the report.

Only plain values are read here; no torch.
"""

from __future__ import annotations

from typing import Any

from workbench.assessment.catalogue import PARTS
from workbench.assessment.results.chance import Chance
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.results.curve import Area, Curves
from workbench.assessment.results.directions import Directions
from workbench.assessment.results.faithfulness import Estimate, Faithfulness
from workbench.assessment.results.hypotheses import Hypotheses
from workbench.assessment.results.minimality import Minimality
from workbench.assessment.results.overlap import Overlap, Shared
from workbench.assessment.results.stability import Stability
from workbench.plugins import resolve

UNDEFINED = "undefined"


def headline(name: str, result: Any) -> str:
    """What the part of this name found."""
    return str(resolve(PARTS[name].headline)(result))


def share(value: float | None, digits: int = 3) -> str:
    """A number to so many decimals, or that there is none."""
    return UNDEFINED if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def estimate(value: Estimate, digits: int = 3) -> str:
    """A number with its interval."""
    if value.value is None or value.low is None or value.high is None:
        return share(value.value, digits)
    middle, low, high = (share(v, digits) for v in (value.value, value.low, value.high))
    return f"{middle} [{low}, {high}]"


def areas(area: Area) -> str:
    return f"CPR {share(area.cpr)}, CMD {share(area.cmd)}"


def faithfulness(result: Faithfulness) -> str:
    n = len(result.prompts)
    right = sum(prompt.right for prompt in result.prompts)
    model_right = sum(prompt.model_right for prompt in result.prompts)
    agree = sum(prompt.agrees for prompt in result.prompts)
    return (
        f"Faithfulness {estimate(result.faithfulness)}, KL {estimate(result.kl)} nats; right on "
        f"{right} of {n} prompts (the model on {model_right}), with the model's own most likely "
        f"token on {agree}."
    )


def curve(result: Curves) -> str:
    curves = "; ".join(
        f"{'absolute' if curve.absolute else 'signed'} {areas(curve.linear)}, below 5 % of the "
        f"edges {areas(curve.small)}"
        for curve in result.curves
    )
    return f"Edges by {result.scores} scores: {curves}."


def directions(result: Directions) -> str:
    n = len(result.warned)
    disagree = "no node or edge"
    if n:
        names = ", ".join(part.name for part in result.warned[:3])
        plural = "" if n == 1 else "s"
        disagree = f"{n} component{plural} ({names}{', ...' if n > 3 else ''})"
    return (
        f"Alone it restores {share(result.sufficiency)} of the span, without it "
        f"{share(result.necessity)} is lost; the two directions disagree on {disagree}."
    )


def completeness(result: Completeness) -> str:
    if not result.kinds:
        return "The circuit has no nodes to knock out."
    worst = max(result.kinds, key=lambda gaps: gaps.largest)
    return (
        f"The largest gap between circuit and model is {worst.largest:.4g} "
        f"({share(worst.largest_share)} of the span), of a {worst.kind} set of "
        f"{len(worst.worst)} nodes."
    )


def minimality(result: Minimality) -> str:
    dead = sum(loss.dead for loss in result.edges)
    better = sum(loss.improves for loss in result.edges)
    tail = [loss for loss in result.edges if loss.share < 0.001]
    return (
        f"Of {len(result.edges)} edges {len(tail)} make up less than 0.1 % of all change each "
        f"({dead} of them dead), and without {better} the circuit scores better."
    )


def chance(result: Chance) -> str:
    said = "; ".join(
        f"same {baseline.kind}: p = {share(baseline.p)} over {len(baseline.metrics)}"
        for baseline in result.baselines
    )
    return f"Faithfulness {share(result.faithfulness)} against random circuits: {said}."


def hypotheses(result: Hypotheses) -> str:
    if not result.tests:
        return "No test could be made."
    rejected = [test for test in result.tests if test.rejected_holm]
    against = sum(test.speaks_against for test in rejected)
    return (
        f"Rejected at {result.alpha:g} after Holm's correction: {len(rejected)} of "
        f"{len(result.tests)} hypotheses, {len(rejected) - against} for the circuit and {against} "
        "against it."
    )


def stability(result: Stability) -> str:
    if not result.resamplings:
        return "It could not be found again."
    said = "; ".join(
        f"{again.kind}: Jaccard {again.jaccard.mean:.3f} "
        f"[{again.jaccard.low:.3f}, {again.jaccard.high:.3f}]"
        for again in result.resamplings
    )
    return f"Found again by {result.method} with {result.size} edges: {said}."


def _elsewhere(other_roles: int) -> str:
    return f" ({other_roles:,} of them at other token roles)" if other_roles else ""


def _at_roles(shared: Shared | None) -> str:
    if shared is None:
        return ""
    return f"; of edges at single roles {shared.both:,}, Jaccard {share(shared.jaccard)}"


def overlap(result: Overlap) -> str:
    said = "; ".join(
        f"{result.names[pair.first]} and {result.names[pair.second]} share {pair.edges.both} "
        f"edges{_elsewhere(pair.other_roles)}, Jaccard {share(pair.edges.jaccard)}, "
        f"p = {pair.edges.p:.3g}{_at_roles(pair.at_roles)}"
        for pair in result.pairs
    )
    return f"{said}."
