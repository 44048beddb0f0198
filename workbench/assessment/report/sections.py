"""What each part found, as blocks of a report: tables and pictures of plain values.

A table has at most `MOST_ROWS` rows, and says so where it is cut; `--json` has them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.assessment.catalogue import PARTS
from workbench.assessment.report.document import Block, Bullets, Figure, Heading, Paragraph, Table
from workbench.assessment.report.headlines import UNDEFINED, estimate, headline, share
from workbench.assessment.report.plots import plots_of, with_own_names
from workbench.assessment.results.chance import Chance
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.results.curve import Curves
from workbench.assessment.results.directions import Component, Directions
from workbench.assessment.results.faithfulness import Faithfulness
from workbench.assessment.results.hypotheses import Hypotheses, Test
from workbench.assessment.results.minimality import Loss, Minimality
from workbench.assessment.results.overlap import Cross, Overlap
from workbench.assessment.results.stability import Stability
from workbench.plugins import resolve

MOST_ROWS = 40


def section(name: str, result: Any, prefix: str) -> Iterator[Block]:
    """All that is said of one part.

    Args:
        name: of the part.
        result: what it found.
        prefix: what the names of its figures begin with.
    """
    part = PARTS[name]
    yield Heading(part.title, 3)
    yield Paragraph(part.question, quiet=True)
    yield Paragraph(headline(name, result))
    for of_part, svg, caption in plots_of(name, result):
        figure = f"{prefix}-{of_part}"
        yield Figure(figure, with_own_names(svg, figure), caption)
    yield from resolve(part.sections)(result)
    yield from (Paragraph(remark) for remark in getattr(result, "remarks", ()))
    yield Paragraph(part.definition, quiet=True)


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, code: Sequence[int] = ()
) -> Iterator[Block]:
    """A table whose first `left` columns are words, the others numbers; none for no rows."""
    if rows:
        right = frozenset(range(left, len(columns))) - frozenset(code)
        shown = tuple(tuple(row) for row in rows[:MOST_ROWS])
        yield Table(tuple(columns), shown, right, frozenset(code))
    if len(rows) > MOST_ROWS:
        yield Paragraph(f"The first {MOST_ROWS} of {len(rows)} rows.", quiet=True)


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.4g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def faithfulness(result: Faithfulness) -> Iterator[Block]:
    yield from _table(
        ("", f"mean [{result.confidence:.0%} interval]"),
        [
            (f"{result.metric} of the model", estimate(result.model, 4)),
            (f"{result.metric} of the corrupted run", estimate(result.corrupted, 4)),
            (f"{result.metric} of the circuit", estimate(result.circuit, 4)),
            ("faithfulness", estimate(result.faithfulness)),
            ("KL(model || circuit), nats", estimate(result.kl)),
            ("accuracy of the circuit", estimate(result.accuracy)),
            ("accuracy of the model", estimate(result.model_accuracy)),
            ("same most likely token", estimate(result.agreement)),
        ],
    )
    said = f"{result.resamples:,} resamples of the prompts, seed {result.seed}."
    if result.undefined and result.faithfulness.value is not None:
        said += f" In {result.undefined:,} of them there is no faithfulness; they are left out."
    yield Paragraph(said, quiet=True)
    yield from _table(
        ("pair", "prompt", "circuit says", "model says", "right", "rank", *_METRICS, "shortfall"),
        [
            (
                str(p.index + 1),
                p.clean,
                p.top,
                p.model_top,
                _yes(p.right) + ("" if p.right or p.model_right else ", nor is the model"),
                str(p.rank),
                _number(p.model_metric),
                _number(p.circuit_metric),
                _number(p.corrupted_metric),
                _number(p.shortfall),
            )
            for p in result.prompts
        ],
        left=5,
        code=(1, 2, 3),
    )


_METRICS = ("model", "circuit", "corrupted")


def curve(result: Curves) -> Iterator[Block]:
    yield from _table(
        ("selection", "CPR", "CMD", "CPR, log", "CMD, log", "CPR to 5 %", "CMD to 5 %", "mean"),
        [
            (
                "absolute" if curve.absolute else "signed",
                *(
                    share(value)
                    for area in (curve.linear, curve.log, curve.small)
                    for value in (area.cpr, area.cmd)
                ),
                share(curve.mean),
            )
            for curve in result.curves
        ],
    )
    columns = ["share", "edges selected"]
    for curve in result.curves:
        name = "absolute" if curve.absolute else "signed"
        columns += [f"{name}: kept", f"{name}: f"]
    sizes = zip(*(curve.points for curve in result.curves), strict=True)
    rows = []
    for points in sizes:
        row = [f"{points[0].share:.1%}", f"{points[0].asked:,}"]
        for point in points:
            row += [f"{point.kept:,}", share(point.faithfulness)]
        rows.append(row)
    yield from _table(columns, rows, left=0)


def directions(result: Directions) -> Iterator[Block]:
    if result.warned:
        yield Paragraph("The two directions disagree on these:")
        yield from _table(
            ("component", "warning", "noising", "denoising"),
            [(p.name, p.warning, share(p.noising), share(p.denoising)) for p in result.warned],
            left=2,
        )
    for title, parts in (("node", result.nodes), ("edge", result.edges)):
        yield from _table(
            (title, "noising", "denoising"),
            [(p.name, share(p.noising), share(p.denoising)) for p in _largest(parts)],
        )


def _largest(parts: Sequence[Component]) -> list[Component]:
    return sorted(parts, key=lambda p: -max(abs(p.noising or 0.0), abs(p.denoising or 0.0)))


def completeness(result: Completeness) -> Iterator[Block]:
    yield from _table(
        ("sets K", "worst K", "tried", "largest gap", "of the span", "mean gap"),
        [
            (
                gaps.kind,
                ", ".join(gaps.worst),
                str(gaps.n),
                _number(gaps.largest),
                share(gaps.largest_share),
                _number(gaps.mean),
            )
            for gaps in result.kinds
        ],
        left=2,
    )


def minimality(result: Minimality) -> Iterator[Block]:
    for title, losses in (("edge", result.edges), ("node", result.nodes)):
        yield from _table(
            (title, "", "change of the metric", "change of faithfulness", "share of all change"),
            [
                (
                    loss.name,
                    _said_of(loss),
                    _number(loss.change),
                    share(loss.faithfulness),
                    f"{loss.share:.2%}",
                )
                for loss in losses
            ],
            left=2,
        )


def _said_of(loss: Loss) -> str:
    return "dead" if loss.dead else "better without" if loss.improves else ""


def chance(result: Chance) -> Iterator[Block]:
    yield from _table(
        ("random circuits", "how many", "different", "mean", "largest", "p", "p, nearer the model"),
        [
            (
                f"same {baseline.kind}: {baseline.definition}",
                str(len(baseline.metrics)),
                str(baseline.distinct),
                _mean(baseline.faithfulness or baseline.metrics),
                _number(max(baseline.faithfulness or baseline.metrics, default=None)),
                share(baseline.p),
                share(baseline.p_nearer),
            )
            for baseline in result.baselines
        ],
    )


def _mean(values: Sequence[float]) -> str:
    return _number(sum(values) / len(values) if values else None)


def hypotheses(result: Hypotheses) -> Iterator[Block]:
    numbers = ("value", "n", "p", "Holm", "BH", f"at {result.alpha:g}")
    whole = [test for test in result.tests if not test.edge]
    edges = [test for test in result.tests if test.edge]
    yield from _table(
        ("test", "H0", "statistic", *numbers),
        [(test.name, test.hypothesis, test.statistic_name, *_outcome(test)) for test in whole],
        left=3,
    )
    if edges:
        # The same for each but for the edge's name.
        first = edges[0]
        hypothesis = first.hypothesis.replace(first.edge, "the edge")
        yield Paragraph(f"{first.name.capitalize()}. H0: {hypothesis} ({first.statistic_name})")
        yield from _table(
            ("edge", *numbers), [(test.edge, *_outcome(test)) for test in edges], left=1
        )


def _outcome(test: Test) -> tuple[str, ...]:
    """The value, n, the three p-values, and what follows by Holm's."""
    verdict = "not rejected"
    if test.rejected_holm:
        verdict = "rejected, " + ("against it" if test.speaks_against else "for it")
    p_values = (_number(p) for p in (test.p, test.holm, test.benjamini_hochberg))
    return (_number(test.statistic), str(test.n), *p_values, verdict)


def stability(result: Stability) -> Iterator[Block]:
    for again in result.resamplings:
        yield Paragraph(f"{again.kind}: {again.n} times {again.definition}.")
        yield from _table(
            ("edge of the circuit", "found"),
            [(edge.edge, f"{edge.share:.0%}") for edge in again.edges],
        )
        yield from _table(
            ("edge outside it", "found"),
            [(edge.edge, f"{edge.share:.0%}") for edge in again.others],
        )


def overlap(result: Overlap) -> Iterator[Block]:
    yield from _table(
        ("circuits", "what", "both", "of the first", "of the second", "Jaccard", "p by chance"),
        [
            (
                f"{result.names[pair.first]}, {result.names[pair.second]}",
                what,
                f"{shared.both:,}",
                f"{shared.first:,}",
                f"{shared.second:,}",
                share(shared.jaccard),
                _number(shared.p),
            )
            for pair in result.pairs
            for what, shared in (
                ("edges", pair.edges),
                ("edges at roles", pair.at_roles),
                ("nodes", pair.nodes),
            )
            if shared is not None
        ],
        left=2,
    )
    if result.cross is not None:
        yield from _crossed(result.cross)
    for pair in result.pairs:
        first, second = result.names[pair.first], result.names[pair.second]
        yield from _table(
            ("edge", "kept by", f"score in {first}", f"in {second}", "difference"),
            [
                (
                    d.edge,
                    "both" if d.in_first and d.in_second else first if d.in_first else second,
                    _number(d.first),
                    _number(d.second),
                    _number(d.difference),
                )
                for d in pair.differences
            ],
            left=2,
        )


def _crossed(cross: Cross) -> Iterator[Block]:
    yield Paragraph("The faithfulness of each circuit on each task, by that task's own two runs:")
    yield from _table(
        ("task", *cross.circuits),
        [
            (task, *(share(value) for value in row))
            for task, row in zip(cross.tasks, cross.faithfulness, strict=True)
        ],
    )


def bullets(items: Sequence[str]) -> Iterator[Block]:
    if items:
        yield Bullets(tuple(items))
