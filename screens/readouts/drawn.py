"""A readout's result as text: which function draws which kind of it."""

from __future__ import annotations

from typing import Any

from textual.content import Content

from screens.readouts.heat_map import draw_attention
from screens.readouts.requests import ReadoutResult
from screens.readouts.shapes import draw_shape
from screens.readouts.text import (
    draw_attribution,
    draw_curve_rows,
    draw_lens,
    draw_residual,
    lines,
    quiet,
)
from workbench.readouts.results import (
    AnswerCurve,
    AttentionPattern,
    DirectAttribution,
    Lens,
    ResidualLens,
)


def draw_result(
    result: ReadoutResult | str, width: int, node: str | None, position: int, mark: Any
) -> Content:
    """A result, or a sentence in its place, in lines of this width.

    Args:
        node: the chosen one, and `position` the chosen token.
        mark: of a lens, which tokens are answers.
    """
    if isinstance(result, str):
        return lines(quiet(result, width))
    if isinstance(result, Lens):
        return draw_lens(result, width, mark)
    if isinstance(result, DirectAttribution):
        return draw_attribution(result, node, width)
    if isinstance(result, AnswerCurve):
        return draw_curve_rows(result, width)
    if isinstance(result, AttentionPattern):
        return draw_attention(result, position, width)
    if isinstance(result, ResidualLens):
        return draw_residual(result, width)
    return draw_shape(result, width)
