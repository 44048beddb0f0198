"""Pictures of what the parts of an assessment found, each an SVG drawing of plain values.

The same values always give the same bytes. Matplotlib is imported when something is drawn; its
user's own settings play no part. Nothing is told apart by colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from workbench.assessment.catalogue import PARTS
from workbench.assessment.results.chance import Chance, RandomBaseline
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.results.curve import Curves
from workbench.assessment.results.directions import Component, Directions
from workbench.assessment.results.faithfulness import Faithfulness
from workbench.assessment.results.minimality import Minimality
from workbench.assessment.results.stability import Stability
from workbench.pictures.figure import BLUE, FAINT, GREY, ORANGE, axes
from workbench.plugins import resolve

Pictures = Sequence[tuple[str, str, str]]
"""Each a name within the part, an SVG drawing, and its caption."""

MOST_BARS = 60


def plots_of(name: str, result: Any) -> list[tuple[str, str, str]]:
    """All pictures of what a part found: a name within the part, the drawing, its caption."""
    where = PARTS[name].pictures
    return [] if where is None else list(resolve(where)(result))


def curve(result: Curves) -> str:
    """Faithfulness by size, signed and absolute, between both baselines."""
    with axes(6.4, 3.6) as (ax, done):
        ax.axvspan(0.0008, 0.05, color=FAINT, alpha=0.4, linewidth=0)
        ax.axhline(1, color=GREY, linewidth=1, label="model")
        ax.axhline(0, color=GREY, linewidth=1, linestyle=":", label="corrupted run")
        for made in result.curves:
            known = [p for p in made.points if p.faithfulness is not None]
            ax.plot(
                [p.share for p in known],
                [p.faithfulness for p in known],
                color=ORANGE if made.absolute else BLUE,
                linestyle="--" if made.absolute else "-",
                marker="s" if made.absolute else "o",
                markerfacecolor="none" if made.absolute else BLUE,
                markersize=7 if made.absolute else 4,
                label="absolute" if made.absolute else "signed",
            )
        if result.circuit_faithfulness is not None and result.circuit_edges:
            at = result.circuit_edges / result.n_edges
            ax.plot([at], [result.circuit_faithfulness], "kD", markersize=6, label="this circuit")
        ax.set_xscale("log")
        ax.set_xlim(0.0008, 1.2)
        ax.set_xticks([0.001, 0.01, 0.05, 0.2, 1], ["0.1 %", "1 %", "5 %", "20 %", "100 %"])
        ax.minorticks_off()
        ax.set_xlabel(f"share of the model's {result.n_edges:,} edges that were selected")
        ax.set_ylabel("faithfulness")
        ax.legend(loc="best")
    return done()


def prompts(result: Faithfulness) -> str:
    """The metric of model, circuit and corrupted run on each prompt, largest shortfall first."""
    with axes(6.4, 3.2) as (ax, done):
        xs = list(range(1, len(result.prompts) + 1))
        model = [p.model_metric for p in result.prompts]
        circuit = [p.circuit_metric for p in result.prompts]
        ax.vlines(xs, model, circuit, color=FAINT, linewidth=2)
        corrupted = [p.corrupted_metric for p in result.prompts]
        ax.plot(xs, corrupted, "_", color=GREY, markersize=5, label="corrupted run")
        ax.plot(xs, model, "o", color=BLUE, markerfacecolor="none", markersize=8, label="model")
        for right, face, label in ((True, ORANGE, "circuit"), (False, "white", "circuit, wrong")):
            mine = [
                (x, p.circuit_metric)
                for x, p in zip(xs, result.prompts, strict=True)
                if p.right == right
            ]
            if mine:
                ax.plot(
                    *zip(*mine, strict=True),
                    "D",
                    color=ORANGE,
                    markerfacecolor=face,
                    markersize=4,
                    label=label,
                )
        ax.set_xlabel("prompts, the largest shortfall first")
        ax.set_ylabel(result.metric)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return done()


def directions(result: Directions) -> str:
    """Denoising by noising of every node and edge; those on which they disagree have a ring."""
    with axes(5.2, 4.4) as (ax, done):
        shown: list[Component] = []
        for parts, colour, marker in ((result.edges, BLUE, "."), (result.nodes, ORANGE, "s")):
            known = [p for p in parts if p.noising is not None and p.denoising is not None]
            ax.plot(
                [p.noising for p in known],
                [p.denoising for p in known],
                marker,
                color=colour,
                markersize=5,
                label=known[0].kind + "s" if known else None,
            )
            shown += known
        values = [v or 0.0 for p in shown for v in (p.noising, p.denoising)] + [0.0]
        ends = min(values), max(values)
        ax.plot(ends, ends, color=FAINT, linewidth=1, zorder=0)
        warned = result.warned
        if warned:
            ax.plot(
                [p.noising for p in warned],
                [p.denoising for p in warned],
                "o",
                color="black",
                markerfacecolor="none",
                markersize=9,
                label="the two disagree",
            )
        ax.set_xlabel("noising: share of the span lost when corrupted")
        ax.set_ylabel("denoising: share restored when clean")
        ax.legend(loc="best")
    return done()


def completeness(result: Completeness) -> str:
    """The circuit's metric by the model's, for every set of nodes knocked out of both."""
    with axes(5.2, 4.4) as (ax, done):
        points = (result.whole, *result.points)
        low = min(min(p.model, p.circuit) for p in points)
        high = max(max(p.model, p.circuit) for p in points)
        ax.plot([low, high], [low, high], color=FAINT, linewidth=1, zorder=0)
        for kind, colour, marker in (
            ("random", GREY, "o"),
            ("node", BLUE, "+"),
            ("group", BLUE, "s"),
            ("greedy", ORANGE, "x"),
            ("whole", "black", "D"),
        ):
            mine = [p for p in points if p.kind == kind]
            if mine:
                ax.plot(
                    [p.model for p in mine],
                    [p.circuit for p in mine],
                    marker,
                    color=colour,
                    markersize=5,
                    label="nothing" if kind == "whole" else kind,
                )
        ax.set_xlabel(f"{result.metric} of the model without K")
        ax.set_ylabel(f"{result.metric} of the circuit without K")
        ax.legend(loc="best", title="K")
    return done()


def minimality(result: Minimality) -> str:
    """What the circuit loses with each edge, the largest change first."""
    losses = result.edges[:MOST_BARS]
    with axes(6.4, max(1.6, 0.14 * len(losses) + 0.8)) as (ax, done):
        known = all(loss.faithfulness is not None for loss in losses)
        values = [loss.faithfulness if known else loss.change for loss in losses]
        bars = ax.barh(range(len(losses)), values, color=BLUE, height=0.7)
        for bar, loss in zip(bars, losses, strict=True):
            if loss.improves:
                bar.set(facecolor="white", edgecolor=ORANGE, hatch="////")
        ax.set_yticks(range(len(losses)), [loss.name for loss in losses], fontsize=6)
        ax.invert_yaxis()
        ax.axvline(0, color=GREY, linewidth=0.8)
        what = "faithfulness" if known else result.metric
        ax.set_xlabel(f"change of {what} without the edge; hatched: the circuit gets better")
    return done()


def chance(result: Chance, baseline: RandomBaseline) -> str:
    """How faithful random circuits of one kind are, and the circuit among them."""
    with axes(6.4, 2.6) as (ax, done):
        values, at = list(baseline.metrics), result.circuit
        label = result.metric
        if baseline.faithfulness is not None and result.faithfulness is not None:
            values, at, label = list(baseline.faithfulness), result.faithfulness, "faithfulness"
        if max(values) > min(values):
            ax.hist(values, bins=24, color=BLUE, alpha=0.7, label=f"random, same {baseline.kind}")
        else:
            ax.bar(
                values[:1],
                [len(values)],
                width=0.01,
                color=BLUE,
                label=f"random, same {baseline.kind}",
            )
        ax.axvline(at, color=ORANGE, linewidth=2, linestyle="--", label="this circuit")
        ax.set_xlabel(label)
        ax.set_ylabel("circuits")
        ax.legend(loc="best")
    return done()


def stability(result: Stability) -> str:
    """How often each edge of the circuit is found again, the most frequent first."""
    with axes(6.4, 2.8) as (ax, done):
        for again, colour, style in zip(result.resamplings, (BLUE, ORANGE), "-:", strict=False):
            shares = sorted((edge.share for edge in again.edges), reverse=True)
            ax.step(
                range(1, len(shares) + 1),
                shares,
                where="mid",
                color=colour,
                linestyle=style,
                label=again.kind,
            )
        ax.set_ylim(0, 1.05)
        ax.set_xlabel("edges of the circuit, the most frequent first")
        ax.set_ylabel("share of times found")
        ax.legend(loc="best")
    return done()


def with_own_names(svg: str, prefix: str) -> str:
    """The drawing with every id made unique, so that several can stand in one page."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)


def _one(
    draw: Callable[[Any], str], name: str, caption: str, values: Callable[[Any], Sequence[Any]]
) -> Callable[[Any], Pictures]:
    """One picture, if there are values to draw."""
    return lambda result: [(name, draw(result), caption)] if values(result) else []


def chance_pictures(result: Chance) -> Pictures:
    """The circuit among random circuits of either kind."""
    return [
        (
            f"chance-{baseline.kind}",
            chance(result, baseline),
            f"Random circuits of the same {baseline.kind}; the dashed line is this circuit.",
        )
        for baseline in result.baselines
        if baseline.metrics
    ]


faithfulness_pictures = _one(
    prompts, "prompts", "Every prompt; hollow marks are wrong answers.", lambda r: r.prompts
)
curve_pictures = _one(
    curve,
    "curve",
    "Faithfulness by size; the shaded part is the small end.",
    lambda r: r.curves,
)
directions_pictures = _one(
    directions,
    "directions",
    "Every node and edge of the circuit.",
    lambda r: [p for p in (*r.nodes, *r.edges) if p.noising is not None],
)
completeness_pictures = _one(
    completeness,
    "completeness",
    "On the line circuit and model agree.",
    lambda r: r.points,
)
minimality_pictures = _one(
    minimality, "minimality", f"At most {MOST_BARS} edges.", lambda r: r.edges
)
stability_pictures = _one(
    stability, "stability", "How often each edge is found again.", lambda r: r.resamplings
)
