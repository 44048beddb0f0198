"""Readouts as tables of raw values and as plots."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from workbench.readouts.plots import plot_of
from workbench.readouts.results import (
    AnswerCurve,
    AttentionPattern,
    Contribution,
    DirectAttribution,
    Lens,
    Place,
    ResidualLens,
    ResidualRow,
    TokenValue,
)
from workbench.readouts.shapes import Grid, Ranking, Rows, Series
from workbench.readouts.tables import table_of

PLACE = Place("a1.h0", -1, 0, 1)
TOKENS = ("When", " $Mary$", "\x1b[31m<b>", " to")
THIRD = float(np.float32(1 / 3))
LENS = Lens(
    PLACE,
    (TokenValue(" a", 5, 2.5), TokenValue(" b", 6, THIRD)),
    (TokenValue(" z", 7, -4.0), TokenValue(" y", 8, -1.0)),
    1.0,
    0.5,
    "d",
)
ATTRIBUTION = DirectAttribution(
    (Contribution("m0", 0.5), Contribution("a1.h0", -2.0)), -1.5, PLACE, "d"
)
WEIGHTS = np.tril(np.arange(16, dtype=np.float32).reshape(4, 4) / 16)
ATTENTION = AttentionPattern(PLACE, TOKENS, WEIGHTS, "d", tuple(range(len(TOKENS))))
RESIDUAL = ResidualLens(
    PLACE,
    (
        ResidualRow("embeddings", -1, (TokenValue(" a", 1, 0.25),), THIRD, 0.5),
        ResidualRow("layer 0", 0, (TokenValue(" a", 1, 0.5), TokenValue(" b", 2, 0.25)), 1.0, 2.0),
    ),
    "d",
)
YEARS = tuple(f"{year:02d}" for year in range(100))
CURVE = AnswerCurve(
    PLACE,
    YEARS,
    tuple(float(np.sin(x / 9)) for x in range(100)),
    tuple(float(x > 41) for x in range(100)),
    tuple(float(x < 41) for x in range(100)),
    "d",
)
NAMES = AnswerCurve(PLACE, (" Mary", " John"), (1.0, -2.0), (1.0, 0.0), (0.0, 1.0), "d")
GRID = Grid("grid", ("r",), ("a", "b"), [[-1.0, float("nan")]])
SHAPES = (
    Ranking("ranking", (("m0", 1.5), ("m1", -2.0))),
    Series("series", ("0", "1"), (1.0, 2.0)),
    GRID,
)
ALL = (LENS, ATTRIBUTION, ATTENTION, RESIDUAL, CURVE, NAMES, *SHAPES)


def test_every_value_is_there_with_every_digit() -> None:
    assert table_of(LENS).rows == (
        (" a", 5, 2.5, "raised"),
        (" b", 6, THIRD, "raised"),
        (" y", 8, -1.0, "lowered"),
        (" z", 7, -4.0, "lowered"),
    )
    assert table_of(ATTRIBUTION).rows == ((1, "a1.h0", -2.0), (2, "m0", 0.5))
    attention = table_of(ATTENTION)
    assert len(attention.rows) == 10
    for q, _, k, token, weight in attention.rows:
        assert weight == WEIGHTS[q, k] and token == TOKENS[k]  # type: ignore[index]
    assert table_of(RESIDUAL).rows[0] == ("embeddings", -1, THIRD, 0.5, " a", 0.25, None, None)
    assert table_of(CURVE).rows[50] == ("50", CURVE.values[50], 1.0, 0.0)
    assert table_of(GRID).rows == (("r", -1.0, None),)
    rows = Rows("rows", ("a", "b"), (("x", "y"),))
    assert table_of(rows).rows == rows.rows


@pytest.mark.parametrize("result", ALL, ids=lambda result: type(result).__name__)
def test_a_plot_is_well_formed_and_comes_in_three_formats(result: object) -> None:
    drawing = plot_of(result)  # type: ignore[arg-type]
    assert drawing is not None
    ElementTree.fromstring(drawing.file("svg"))
    assert "\x1b" not in drawing
    assert drawing.file("pdf").startswith(b"%PDF")
    assert drawing.file("png").startswith(b"\x89PNG")


def test_a_plot_names_what_it_shows() -> None:
    assert all(f">{name}<" in (plot_of(ATTRIBUTION) or "") for name in ("m0", "a1.h0"))
    assert "$Mary$" in (plot_of(ATTENTION) or "")
    assert plot_of(Rows("rows", ("a",), (("x",),))) is None
