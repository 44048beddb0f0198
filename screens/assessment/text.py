"""What each part of an assessment found, as lines of a given width and as one number.

Two functions a part; the number is the one that says most.

Nothing here knows a widget or computes a number that the result does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from screens.base.numbers import ABSENT, bar, count, digits_for, percent, plain, signed
from screens.base.prose import heading, number, prose
from screens.base.tokens import fit, one_line, show_token
from workbench.assessment.results.chance import Chance
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.results.curve import Area, Curves
from workbench.assessment.results.directions import Directions
from workbench.assessment.results.faithfulness import Estimate, Faithfulness
from workbench.assessment.results.hypotheses import Hypotheses
from workbench.assessment.results.minimality import Loss, Minimality
from workbench.assessment.results.stability import Stability

PICTURE = Text()
"""Among the lines, where the picture stands."""
MOST_BAR = 16
SHOWN = 200
"""Rows of a table at most; the report has them all."""


def _estimate(estimate: Estimate, digits: int) -> str:
    if estimate.value is None:
        return "undefined"
    text = plain(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text}  [{plain(estimate.low, digits)}, {plain(estimate.high, digits)}]"


def faithfulness(result: Faithfulness, width: int) -> Iterable[Text]:
    prompts = result.prompts
    largest = max(abs(e.value or 0.0) for e in (result.model, result.corrupted, result.circuit))
    digits = digits_for(largest)
    yield number("faithfulness", _estimate(result.faithfulness, 4))
    for label, estimate in (
        (f"{result.metric} model", result.model),
        ("  corrupted", result.corrupted),
        ("  circuit", result.circuit),
    ):
        yield number(label, _estimate(estimate, digits))
    yield number("KL(model||circuit)", _estimate(result.kl, 4) + " nats")
    yield number(
        "accuracy", _estimate(result.accuracy, 3), "best answer above best wrong one", width
    )
    yield number("  of the model", _estimate(result.model_accuracy, 3))
    yield number("top-1 agreement", _estimate(result.agreement, 3), "same most likely token", width)
    left_out = f"; {result.undefined} without a ratio left out" if result.undefined else ""
    yield from prose(
        f"In brackets: {percent(result.confidence)} bootstrap intervals over the "
        f"{len(prompts)} pairs, {count(result.resamples)} resamples, seed {result.seed}{left_out}.",
        width,
        "dim",
    )
    yield PICTURE
    yield heading("Prompts, the largest shortfall first")
    yield Text(
        f"{'pair':>5} {'model':>9}{'circuit':>9}{'short by':>9}  top token, then prompt", "dim"
    )
    for prompt in prompts[:SHOWN]:
        right = " " if prompt.right else "✗"
        text = Text(f"{prompt.index + 1:>5}{right}{plain(prompt.model_metric, 3):>9}")
        text.append(f"{plain(prompt.circuit_metric, 3):>9}{signed(prompt.shortfall, 3):>9}  ")
        text.append(fit(show_token(prompt.top, 10), 11), "" if prompt.agrees else "bold")
        text.append(fit(one_line(prompt.clean), max(10, width - text.cell_len)))
        yield text
    yield from prose("✗: the best answer is not above the best wrong one. Bold: not the model's.",
                     width, "dim")  # fmt: skip


def _area(area: Area) -> str:
    return f"CPR {plain(area.cpr, 3)}  CMD {plain(area.cmd, 3)}"


def curve(result: Curves, width: int) -> Iterable[Text]:
    yield from prose(f"Scores: {result.scores}.", width)
    yield PICTURE
    for curve in result.curves:
        taken = "absolute" if curve.absolute else "signed"
        yield heading(f"{curve.selection}, {taken}")
        yield number("all sizes", _area(curve.linear), "as MIB; a perfect CPR is .999", width)
        yield number("below 5 % of edges", _area(curve.small), "a perfect CPR is 1", width)
        yield number("over log size", _area(curve.log), "a perfect CPR is 6.91", width)
        yield number("mean faithfulness", plain(curve.mean, 3))
        yield Text(f"{'share':>7} {'asked':>9} {'kept':>9} {'metric':>9} {'faithful':>9}", "dim")
        for point in curve.points:
            yield Text(
                f"{100 * point.share:>6g}% {count(point.asked):>9} {count(point.kept):>9} "
                f"{plain(point.metric, 3):>9} {plain(point.faithfulness, 3):>9}"
            )
        yield Text()
    yield number("this circuit", f"{count(result.circuit_edges)} edges, faithfulness "
                 f"{plain(result.circuit_faithfulness, 3)}")  # fmt: skip
    for remark in result.remarks:
        yield from prose(remark, width)


def directions(result: Directions, width: int) -> Iterable[Text]:
    yield number("circuit, denoised", plain(result.sufficiency, 3), "its faithfulness", width)
    yield number(
        "circuit, noised",
        plain(result.necessity, 3),
        "share lost when its edges are ablated",
        width,
    )
    if result.warned:
        yield Text()
        yield heading(f"{count(len(result.warned))} on which the two disagree")
        for part in result.warned[:SHOWN]:
            yield Text.assemble((fit(part.name, 22), "bold"), " ", part.warning)
    yield PICTURE
    yield heading("Nodes and edges, as shares of the span")
    yield Text(f"{'':<22}{'noising':>9}{'denoising':>11}", "dim")
    ordered = sorted(
        (*result.nodes, *result.edges),
        key=lambda p: (p.kind != "node", -max(abs(p.noising or 0), abs(p.denoising or 0))),
    )
    for part in ordered[:SHOWN]:
        mark = " !" if part.gate else ""
        yield Text(
            f"{fit(part.name, 22)}{signed(part.noising, 3):>9}{signed(part.denoising, 3):>11}{mark}"
        )


def completeness(result: Completeness, width: int) -> Iterable[Text]:
    digits = digits_for(max(abs(result.whole.model), abs(result.whole.circuit)))
    yield number(
        "incompleteness",
        plain(result.incompleteness, digits),
        f"largest gap, {result.metric}",
        width,
    )
    yield Text()
    yield Text(f"{'sets K':<10}{'n':>5}{'largest gap':>13}{'mean gap':>11}  worst K", "dim")
    for gaps in result.kinds:
        worst = " ".join(gaps.worst)
        text = Text(f"{gaps.kind:<10}{gaps.n:>5}")
        text.append(f"{plain(gaps.largest, digits):>13}", "bold")
        text.append(f"{plain(gaps.mean, digits):>11}  ")
        text.append(fit(worst, max(8, width - text.cell_len)), "dim")
        yield text
    yield PICTURE
    yield from prose(
        "Each dot: the model without a set K of the circuit's nodes (across) and the circuit "
        "without it (up). On the diagonal the circuit is complete.",
        width,
        "dim",
    )
    for remark in result.remarks:
        yield from prose(remark, width)


def _losses(losses: Sequence[Loss], what: str, width: int) -> Iterable[Text]:
    digits = digits_for(max((abs(loss.change) for loss in losses), default=0.0))
    improving = sum(loss.improves for loss in losses)
    dead = sum(loss.dead for loss in losses)
    yield heading(
        f"{count(len(losses))} {what}, {count(improving)} of which the circuit is better "
        f"without (!), {count(dead)} dead (×)"
    )
    yield Text(f"  {'without':<22}{'change':>11}{'faithfulness':>14}", "dim")
    largest = max((abs(loss.change) for loss in losses), default=0.0)
    half = max(0, min(MOST_BAR, (width - 54) // 2))
    for loss in losses[:SHOWN]:
        mark = "!" if loss.improves else "×" if loss.dead else " "
        text = f"{mark} {fit(loss.name, 22)}{signed(loss.change, digits):>11}"
        text += f"{signed(loss.faithfulness, 4):>14}  "
        yield Text(text + (bar(loss.change, largest, half) if half >= 3 else ""))


def minimality(result: Minimality, width: int) -> Iterable[Text]:
    yield number("circuit", f"{result.metric} {plain(result.circuit, 4)}, faithfulness "
                 f"{plain(result.faithfulness, 4)}")  # fmt: skip
    yield PICTURE
    yield from _losses(result.nodes, "nodes", width)
    yield Text()
    yield from _losses(result.edges, "edges", width)


def chance(result: Chance, width: int) -> Iterable[Text]:
    yield number("circuit", f"faithfulness {plain(result.faithfulness, 4)}, {result.metric} "
                 f"{plain(result.circuit, 4)}, {count(result.edges)} live edges")  # fmt: skip
    for baseline in result.baselines:
        values = sorted(baseline.faithfulness or baseline.metrics)
        middle = values[len(values) // 2]
        yield Text()
        yield heading(f"{count(len(values))} random circuits of the same {baseline.kind}")
        yield from prose(baseline.definition + ".", width, "dim")
        what = "faithfulness" if baseline.faithfulness else result.metric
        yield number(what, f"{plain(middle, 4)}  [{plain(values[0], 4)}, {plain(values[-1], 4)}]",
                     "median, least and largest", width)  # fmt: skip
        yield number("p, as faithful", plain(baseline.p, 4), "share at least as faithful", width)
        yield number("p, as near", plain(baseline.p_nearer, 4), "share as near the model", width)
        if baseline.distinct < len(values):
            yield number("different ones", count(baseline.distinct))


def hypotheses(result: Hypotheses, width: int) -> Iterable[Text]:
    yield from prose(
        f"Level {result.alpha:g}. p as it is, corrected over all {count(len(result.tests))} tests "
        "by Holm, and by Benjamini and Hochberg. What is said rests on Holm's.",
        width,
        "dim",
    )
    for test in (t for t in result.tests if not t.edge):
        yield Text()
        said = "rejected" if test.rejected_holm else "not rejected"
        verdict = ""
        if test.rejected_holm:
            verdict = ", against the circuit" if test.speaks_against else ", for the circuit"
        yield Text.assemble((test.name, "bold underline"), f": {said}{verdict}")
        yield from prose(f"H0: {test.hypothesis}", width)
        yield Text(
            f"{test.statistic_name} {plain(test.statistic, 4)}, n {count(test.n)}, p "
            f"{test.p:.3g}, Holm {test.holm:.3g}, BH {test.benjamini_hochberg:.3g}"
        )
    edges = [test for test in result.tests if test.edge]
    if edges:
        rejected = sum(test.rejected_holm for test in edges)
        yield Text()
        yield heading(f"minimality, edge by edge: {rejected} of {len(edges)} rejected")
        yield from prose(f"H0: {edges[0].hypothesis}", width)
        yield Text(f"{'':<22}{'statistic':>10}{'p':>10}{'Holm':>10}{'BH':>10}", "dim")
        for test in sorted(edges, key=lambda t: t.p)[:SHOWN]:
            yield Text(
                f"{fit(test.edge, 22)}{plain(test.statistic, 3):>10}{test.p:>10.3g}"
                f"{test.holm:>10.3g}{test.benjamini_hochberg:>10.3g}"
            )
    for remark in result.remarks:
        yield from prose(remark, width)


def stability(result: Stability, width: int) -> Iterable[Text]:
    yield from prose(
        f"The {count(result.size)} best edges by {result.method}, found again each time.", width
    )
    for again in result.resamplings:
        yield Text()
        yield heading(f"{count(again.n)} times on {again.definition}")
        for label, interval in (
            ("Jaccard", again.jaccard),
            ("  with its own", again.jaccard_own),
        ):
            numbers = f"{plain(interval.mean, 3)}  [{plain(interval.low, 3)}, "
            words = "with the circuit" if label == "Jaccard" else "with what it finds here"
            yield number(label, numbers + f"{plain(interval.high, 3)}]", words, width)
        yield Text(f"{'edge of the circuit':<24}{'found':>7}", "dim")
        room = max(0, min(MOST_BAR, width - 34))
        for edge in sorted(again.edges, key=lambda e: e.share)[:SHOWN]:
            yield Text(
                f"{fit(edge.edge, 24)}{percent(edge.share):>7}  " + "█" * round(room * edge.share)
            )
        if again.others:
            yield Text(f"{'not in it, often found':<24}{'found':>7}", "dim")
            for edge in again.others[:SHOWN]:
                yield Text(f"{fit(edge.edge, 24)}{percent(edge.share):>7}")
    for remark in result.remarks:
        yield from prose(remark, width)


def faithfulness_summary(result: Faithfulness) -> str:
    return plain(result.faithfulness.value, 3)


def curve_summary(result: Curves) -> str:
    absolute = next((c for c in result.curves if c.absolute), None)
    return ABSENT if absolute is None else f"distance {plain(absolute.linear.cmd, 3)}"


def directions_summary(result: Directions) -> str:
    return f"{len(result.warned)} disagree"


def completeness_summary(result: Completeness) -> str:
    shares = [g.largest_share for g in result.kinds if g.largest_share is not None]
    return f"gap {percent(max(shares))}" if shares else plain(result.incompleteness, 3)


def minimality_summary(result: Minimality) -> str:
    return f"{sum(loss.improves or loss.dead for loss in result.edges)} not needed"


def chance_summary(result: Chance) -> str:
    known = [b.p for b in result.baselines if b.p is not None]
    return f"p {max(known):.3f}" if known else ABSENT


def hypotheses_summary(result: Hypotheses) -> str:
    named = [test for test in result.tests if not test.edge]
    return f"{sum(t.rejected_holm and t.speaks_against for t in named)} against"


def stability_summary(result: Stability) -> str:
    return (
        f"Jaccard {plain(result.resamplings[0].jaccard.mean, 2)}" if result.resamplings else ABSENT
    )
