"""What each part of an assessment found, drawn into a Plotext figure; one function a part."""

from __future__ import annotations

import math
from typing import Any

from workbench.assessment.catalogue import PARTS
from workbench.assessment.results.chance import Chance
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.results.curve import Curves
from workbench.assessment.results.directions import Directions
from workbench.assessment.results.faithfulness import Faithfulness
from workbench.assessment.results.minimality import Minimality
from workbench.assessment.results.stability import Stability
from workbench.plugins import resolve

BINS = 24

# A title is left out where it is wider than the plot: 44 cells, at 100 columns.


def plot(plt: Any, name: str, result: Any) -> bool:
    """Draw what a part found; False if there is nothing that a picture would show."""
    where = PARTS[name].plot
    plt.clear_figure()
    return where is not None and bool(resolve(where)(plt, result))


def faithfulness(plt: Any, result: Faithfulness) -> bool:
    xs = list(range(1, len(result.prompts) + 1))
    plt.scatter(xs, [p.model_metric for p in result.prompts], label="model", marker="o")
    plt.scatter(xs, [p.circuit_metric for p in result.prompts], label="circuit", marker="x")
    plt.xticks(_whole(len(xs)))
    plt.title(f"{result.metric} of prompts, by shortfall")
    return len(xs) > 1


def curve(plt: Any, result: Curves) -> bool:
    drawn = False
    for curve, marker in zip(result.curves, ("braille", "dot"), strict=False):
        known = [(p.share, p.faithfulness) for p in curve.points if p.faithfulness is not None]
        if known:
            label = "absolute" if curve.absolute else "signed"
            xs = [math.log10(share) for share, _ in known]
            plt.plot(xs, [f for _, f in known], label=label, marker=marker)
            drawn = True
    if result.circuit_faithfulness is not None and result.circuit_edges:
        at = math.log10(result.circuit_edges / result.n_edges)
        plt.scatter([at], [result.circuit_faithfulness], label="this circuit", marker="◆")
    plt.hline(1, "gray")
    plt.xticks([-3, -2, -1, 0], ["0.1%", "1%", "10%", "100%"])
    plt.title("faithfulness by share of all edges")
    return drawn


def directions(plt: Any, result: Directions) -> bool:
    found = False
    for parts, label, marker in (
        (result.edges, "edges", "dot"),
        (result.nodes, "nodes", "x"),
        (result.warned, "disagree", "◆"),
    ):
        known = [
            (p.noising, p.denoising)
            for p in parts
            if p.noising is not None and p.denoising is not None
        ]
        if known:
            plt.scatter([x for x, _ in known], [y for _, y in known], label=label, marker=marker)
            found = True
    plt.xlabel("noising")
    plt.title("denoising (up) by noising (across)")
    return found


def completeness(plt: Any, result: Completeness) -> bool:
    points = (result.whole, *result.points)
    low = min(min(p.model, p.circuit) for p in points)
    high = max(max(p.model, p.circuit) for p in points)
    plt.plot([low, high], [low, high], marker="braille", color="gray")
    kinds = ("random", "greedy", "group", "node", "whole")
    for kind, marker in zip(kinds, ("dot", "x", "o", "+", "◆"), strict=True):
        mine = [p for p in points if p.kind == kind]
        if mine:
            xs, ys = [p.model for p in mine], [p.circuit for p in mine]
            plt.scatter(xs, ys, label=kind, marker=marker)
    plt.title("without K: circuit (up) by model (across)")
    return high > low


def minimality(plt: Any, result: Minimality) -> bool:
    changes = sorted((abs(loss.change) for loss in result.edges), reverse=True)
    plt.plot(list(range(1, len(changes) + 1)), changes, marker="braille")
    plt.xticks(_whole(len(changes)))
    plt.title(f"|change of {result.metric}| without each edge")
    return len(changes) > 1


def chance(plt: Any, result: Chance) -> bool:
    drawn = False
    for baseline, marker in zip(result.baselines, ("dot", "x"), strict=False):
        values = list(baseline.faithfulness or ())
        if len(values) > 1:
            heights, at = _histogram(values)
            plt.plot(at, heights, label=f"same {baseline.kind}", marker=marker)
            drawn = True
    if drawn and result.faithfulness is not None:
        plt.vline(result.faithfulness, "gray")
    plt.title("random circuits by faithfulness; line: this")
    return drawn


def _whole(n: int, about: int = 6) -> list[int]:
    """Some `about` of the numbers 1 to n: there is no prompt and no edge between two."""
    return list(range(1, n + 1, max(1, -(-n // about))))


def _histogram(values: list[float]) -> tuple[list[int], list[float]]:
    """Counts, and the middles of the bins that they are of."""
    low, high = min(values), max(values)
    step = (high - low) / BINS or 1.0
    heights = [0] * BINS
    for value in values:
        heights[min(BINS - 1, int((value - low) / step))] += 1
    return heights, [low + (i + 0.5) * step for i in range(BINS)]


def stability(plt: Any, result: Stability) -> bool:
    for again, marker in zip(result.resamplings, ("braille", "dot"), strict=False):
        shares = sorted((edge.share for edge in again.edges), reverse=True)
        plt.plot(list(range(1, len(shares) + 1)), shares, label=again.kind, marker=marker)
    plt.xticks(_whole(max((len(again.edges) for again in result.resamplings), default=1)))
    plt.ylim(0, 1)
    plt.title("share of times an edge is found again")
    return any(len(again.edges) > 1 for again in result.resamplings)
