"""The parts of an assessment: their names, the question that each answers, and its definition.

Pure data, so that the command line, the report and the screens name them alike and wait for
nothing. A part stands in a module of its name, which defines

    assess_part(experiment, circuit, settings) -> Work[result]

where the result is a frozen dataclass of plain values with `to_json`. A part that compares circuits
defines `compare_circuits(experiments, circuits, settings)` in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: as the command line takes it; also the module's.
        title: a few words.
        question: what it answers, as a researcher would ask it.
        definition: the formulas, and where they are from.
        cost: how long it takes beside the others, for the progress; of no meaning by itself.
        compares: it is about several circuits together.
    """

    name: str
    title: str
    question: str
    definition: str
    cost: float = 1
    compares: bool = False


_PARTS = (
    Part(
        "faithfulness",
        "Faithfulness",
        "Does the circuit do what the model does, and on which prompts does it fail?",
        "F = (m(C) - m(corrupted)) / (m(model) - m(corrupted)), a ratio of means over the pairs, "
        "with every edge outside the circuit ablated (Hanna et al. 2024, 2403.17806). F may lie "
        "above 1 or below 0. Intervals are percentiles of a bootstrap that draws the pairs anew, "
        "the metric of model, corrupted run and circuit together, and takes the ratio of the means "
        "of each draw. KL is KL(model || circuit) at the last position, summed over the "
        "vocabulary, in nats. Agreement is the share of pairs on which circuit and model have the "
        "same most likely token. A prompt's shortfall is how much worse than the model's the "
        "circuit's metric is on it.",
    ),
    Part(
        "curve",
        "Circuits of all sizes",
        "How many edges does it take, and how do the scores order them?",
        "Of N edges the int(p N) first by score are kept, for p = .001, .002, .005, .01, .02, .05, "
        ".1, .2, .5 and 1; dead ends are pruned; f is the faithfulness of what is left. CPR is the "
        "area under f, CMD that between f and 1 on both sides, by trapezoids over the nominal p, "
        "as in MIB (Mueller et al. 2025, 2504.13151): a perfect CPR is .999, and circuits of more "
        "than a fifth of all edges make four fifths of it; over ln p a perfect CPR is 6.908. The "
        "area below 5 % of the edges is that of the same trapezoids from .001 to .05, divided by "
        "the width .049: a perfect CPR there is 1. Signed takes the edges that the task needs most "
        "first, absolute those whose score is largest either way.",
        cost=3,
    ),
    Part(
        "directions",
        "Noising and denoising",
        "Is anything needed that one direction of patching does not see?",
        "Noising corrupts one component in the model: (m(model) - m(model with it corrupted)) / "
        "span. Denoising makes one component clean in the corrupted run: (m(corrupted run with it "
        "clean) - m(corrupted)) / span, where the span is m(model) - m(corrupted) and what "
        "follows from the change runs through the whole model. Both are exact, and positive for "
        "what the task needs. An OR of two paths hides both from noising, since either will do; an "
        "AND hides both from denoising, since neither will do alone. For the whole circuit, "
        "denoising is its faithfulness, and noising the share of the span that is lost when all "
        "its edges are ablated in the model.",
        cost=3,
    ),
    Part(
        "completeness",
        "Completeness",
        "Does the circuit react to knock-outs as the model does?",
        "For every subset K of the circuit, F(C without K) and F(model without K) should be "
        "alike (Wang et al. 2022, 2211.00593): random subsets, those by role, and the worst that a "
        "greedy search finds.",
        cost=6,
    ),
    Part(
        "minimality",
        "Minimality",
        "Is every edge and every node of the circuit needed?",
        "The exact change of the circuit's metric when one edge, or one node with all its edges, "
        "is taken out, over the span.",
        cost=2,
    ),
    Part(
        "chance",
        "Against chance",
        "Would a random circuit do as well?",
        "The faithfulness of random circuits of the same number of edges, and of random circuits "
        "of the same shape, beside the circuit's own.",
        cost=6,
    ),
    Part(
        "hypotheses",
        "Hypothesis tests",
        "Which of these claims does the evidence bear?",
        "Tests for equivalence, independence, sufficiency and minimality (Shi et al. 2024, "
        "2410.13032), with correction for multiple testing.",
        cost=6,
    ),
    Part(
        "stability",
        "Stability",
        "Would other prompts have given the same circuit?",
        "The circuit is found again on resampled prompts: for each edge, the share of times that "
        "it is kept.",
        cost=12,
    ),
    Part(
        "overlap",
        "Overlap",
        "How alike are these circuits?",
        "Jaccard index, recall and hypergeometric p of every two circuits' edges, the signed "
        "difference edge by edge, and the faithfulness of each on the others' tasks.",
        compares=True,
    ),
)

PARTS: dict[str, Part] = {part.name: part for part in _PARTS}


def find_parts(names: Iterable[str] | None) -> tuple[Part, ...]:
    """The parts of these names in the catalogue's order; all for None.

    Raises:
        WorkbenchError: there is none of a name, or no name at all.
    """
    if names is None:
        return tuple(_PARTS)
    wanted = list(names)
    for name in wanted:
        if name not in PARTS:
            raise WorkbenchError(
                f"There is no part {name[:60]!r} of an assessment; choose from: {', '.join(PARTS)}."
            )
    if not wanted:
        raise WorkbenchError(f"Choose at least one part of: {', '.join(PARTS)}.")
    return tuple(part for part in _PARTS if part.name in wanted)


def choose_parts(names: Iterable[str] | None, n_circuits: int) -> tuple[Part, ...]:
    """The parts of these names; None for all that so many circuits have.

    Raises:
        WorkbenchError: there is no such part, it compares and there is one circuit only, or there
            is no circuit.
    """
    parts = find_parts(names)
    if n_circuits < 1:
        raise WorkbenchError("There is no circuit to assess: name at least one.")
    if n_circuits > 1:
        return parts
    alone = tuple(part for part in parts if not part.compares)
    if names is not None and len(alone) < len(parts):
        raise WorkbenchError("The part overlap compares circuits: name two or more.")
    return alone
