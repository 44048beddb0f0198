"""The parts of an assessment: names, questions, definitions and functions.

Pure data, so that the command line, the report and the screens name them alike and wait for
nothing. The functions, which answer the question and tell the answer, are named, and imported when
they are needed.

Glossary: docs/glossary.md#part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.plugins import Catalogue


@dataclass(frozen=True)
class Part:
    """One part. Functions are named as "package.module:function".

    What is found is a frozen dataclass of plain values with `to_json`; its `remarks`, if it has
    any, are sentences that the report adds.

    Attributes:
        name: as the command line takes it.
        title: a few words.
        question: what it answers, as a researcher would ask it.
        definition: the formulas, and where they are from.
        assess: answers it, `assess(experiment, circuit, settings) -> Work[result]`; of a part that
            compares, `assess(experiments, named, settings)`, where `named` are names with circuits.
        headline: tells the answer in one sentence of plain text, `headline(result) -> str`.
        sections: and at length, `sections(result)`, as blocks of `report.document`.
        pictures: draws it for the report, `pictures(result)`: each picture a name within the part,
            SVG, and a caption.
        lines: tells it on the screen, `lines(result, width)`, as Rich's Text; by default there is
            what `headline` and `sections` say.
        summary: the one number that says most of it, in at most 14 characters.
        plot: draws it on the screen into a Plotext figure, `plot(figure, result) -> bool`, False if
            there is nothing to see.
        cost: how long it takes beside the others, for the progress; of no meaning by itself.
        compares: it is about several circuits together.
    """

    name: str
    title: str
    question: str
    definition: str
    assess: str
    headline: str
    sections: str
    pictures: str | None = None
    lines: str | None = None
    summary: str | None = None
    plot: str | None = None
    cost: float = 1
    compares: bool = False


_PARTS = "workbench.assessment.parts"
_REPORT = "workbench.assessment.report"
_HEADLINES, _SECTIONS, _PICTURES = (f"{_REPORT}.{x}" for x in ("headlines", "sections", "plots"))
_LINES, _PLOT = "screens.assessment.text", "screens.assessment.plot"

BUILT_IN = (
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
        assess=f"{_PARTS}.faithfulness:assess_part",
        headline=f"{_HEADLINES}:faithfulness",
        sections=f"{_SECTIONS}:faithfulness",
        pictures=f"{_PICTURES}:faithfulness_pictures",
        lines=f"{_LINES}:faithfulness",
        summary=f"{_LINES}:faithfulness_summary",
        plot=f"{_PLOT}:faithfulness",
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
        "first, absolute those whose score is largest either way. Of a circuit that keeps edges at "
        "some token roles, N and n count edges at roles that can carry something.",
        cost=3,
        assess=f"{_PARTS}.curve:assess_part",
        headline=f"{_HEADLINES}:curve",
        sections=f"{_SECTIONS}:curve",
        pictures=f"{_PICTURES}:curve_pictures",
        lines=f"{_LINES}:curve",
        summary=f"{_LINES}:curve_summary",
        plot=f"{_PLOT}:curve",
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
        "its edges are ablated in the model. An edge that is kept at some token roles is a "
        "component at each.",
        cost=3,
        assess=f"{_PARTS}.directions:assess_part",
        headline=f"{_HEADLINES}:directions",
        sections=f"{_SECTIONS}:directions",
        pictures=f"{_PICTURES}:directions_pictures",
        lines=f"{_LINES}:directions",
        summary=f"{_LINES}:directions_summary",
        plot=f"{_PLOT}:directions",
    ),
    Part(
        "completeness",
        "Completeness",
        "Does the circuit react to knock-outs as the model does?",
        "For every subset K of the circuit, F(C without K) and F(model without K) should be "
        "alike (Wang et al. 2022, 2211.00593): random subsets, those by role, and the worst that a "
        "greedy search finds.",
        cost=6,
        assess=f"{_PARTS}.completeness:assess_part",
        headline=f"{_HEADLINES}:completeness",
        sections=f"{_SECTIONS}:completeness",
        pictures=f"{_PICTURES}:completeness_pictures",
        lines=f"{_LINES}:completeness",
        summary=f"{_LINES}:completeness_summary",
        plot=f"{_PLOT}:completeness",
    ),
    Part(
        "minimality",
        "Minimality",
        "Is every edge and every node of the circuit needed?",
        "The exact change of the circuit's metric when one edge, one edge at a token role where "
        "the circuit keeps it at some, or one node with all its edges is taken out, over the span.",
        cost=2,
        assess=f"{_PARTS}.minimality:assess_part",
        headline=f"{_HEADLINES}:minimality",
        sections=f"{_SECTIONS}:minimality",
        pictures=f"{_PICTURES}:minimality_pictures",
        lines=f"{_LINES}:minimality",
        summary=f"{_LINES}:minimality_summary",
        plot=f"{_PLOT}:minimality",
    ),
    Part(
        "chance",
        "Against chance",
        "Would a random circuit do as well?",
        "The faithfulness of random circuits of the same number of edges, and of random circuits "
        "of the same shape, beside the circuit's own; where it keeps edges at some token roles, so "
        "do they.",
        cost=6,
        assess=f"{_PARTS}.chance:assess_part",
        headline=f"{_HEADLINES}:chance",
        sections=f"{_SECTIONS}:chance",
        pictures=f"{_PICTURES}:chance_pictures",
        lines=f"{_LINES}:chance",
        summary=f"{_LINES}:chance_summary",
        plot=f"{_PLOT}:chance",
    ),
    Part(
        "hypotheses",
        "Hypothesis tests",
        "Which of these claims does the evidence bear?",
        "Tests for equivalence, independence, sufficiency and minimality (Shi et al. 2024, "
        "2410.13032), with correction for multiple testing; of a circuit that keeps edges at some "
        "token roles by edges at roles.",
        cost=6,
        assess=f"{_PARTS}.hypotheses:assess_part",
        headline=f"{_HEADLINES}:hypotheses",
        sections=f"{_SECTIONS}:hypotheses",
        lines=f"{_LINES}:hypotheses",
        summary=f"{_LINES}:hypotheses_summary",
    ),
    Part(
        "stability",
        "Stability",
        "Would other prompts have given the same circuit?",
        "The circuit is found again on resampled prompts: for each edge, or edge at a token role "
        "where the circuit keeps it at some, the share of times that it is kept.",
        cost=12,
        assess=f"{_PARTS}.stability:assess_part",
        headline=f"{_HEADLINES}:stability",
        sections=f"{_SECTIONS}:stability",
        pictures=f"{_PICTURES}:stability_pictures",
        lines=f"{_LINES}:stability",
        summary=f"{_LINES}:stability_summary",
        plot=f"{_PLOT}:stability",
    ),
    Part(
        "overlap",
        "Overlap",
        "How alike are these circuits?",
        "Jaccard index, recall and hypergeometric p of every two circuits' edges, the signed "
        "difference edge by edge, and the faithfulness of each on the others' tasks.",
        compares=True,
        assess=f"{_PARTS}.overlap:compare_named",
        headline=f"{_HEADLINES}:overlap",
        sections=f"{_SECTIONS}:overlap",
    ),
)

PARTS: Catalogue[Part] = Catalogue("parts", "part of an assessment", Part, BUILT_IN)


def parts_of_one() -> tuple[Part, ...]:
    """The parts that are about one circuit."""
    return tuple(part for part in PARTS.values() if not part.compares)


def find_parts(names: Iterable[str] | None) -> tuple[Part, ...]:
    """The parts of these names, `FILE.py:NAME` too, in the catalogue's order; all for None.

    Raises:
        WorkbenchError: there is none of a name, or no name at all.
    """
    if names is None:
        return tuple(PARTS.values())
    wanted = set()
    for name in names:
        found = PARTS.get(name) or PARTS.from_file(name)
        if found is None:
            raise WorkbenchError(
                f"There is no part {name[:60]!r} of an assessment; choose from: {', '.join(PARTS)}."
            )
        wanted.add(found.name)
    if not wanted:
        raise WorkbenchError(f"Choose at least one part of: {', '.join(PARTS)}.")
    return tuple(PARTS[name] for name in PARTS if name in wanted)


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
        comparing = next(part.name for part in parts if part.compares)
        raise WorkbenchError(f"The part {comparing} compares circuits: name two or more.")
    return alone
