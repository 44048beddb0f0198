"""Whatever a readout gave, drawn: each kind of result by its own function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    marker,
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
    result: ReadoutResult | str,
    width: int,
    node: str | None,
    position: int,
    answers: Callable[[int], tuple[Sequence[str], Sequence[str]]],
) -> Content:
    """A result, or the sentence in its place, at this width.

    Args:
        node: the component that is read; its row is marked where all components stand.
        position: the token that is looked at, counted from the end.
        answers: the answers and the wrong answers of a prompt; over many prompts they differ.
    """
    if isinstance(result, str):
        return lines(quiet(result, width))
    if isinstance(result, Lens):
        pair, target = result.place.pair, result.place.target
        right, wrong = ((), ()) if pair is None else answers(pair)
        if target is not None:
            if target.answers is not None:
                right, wrong = [text for _, text in target.answers], ()
            if target.distractors is not None:
                wrong = [text for _, text in target.distractors]
        return draw_lens(result, width, marker(right, wrong))
    if isinstance(result, DirectAttribution):
        return draw_attribution(result, node, width)
    if isinstance(result, AnswerCurve):
        return draw_curve_rows(result, width)
    if isinstance(result, AttentionPattern):
        return draw_attention(result, position, width)
    if isinstance(result, ResidualLens):
        return draw_residual(result, width)
    return draw_shape(result, width)
