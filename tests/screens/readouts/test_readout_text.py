"""The drawings of readouts: aligned, true to their values, harmless whatever the tokens are."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from screens.readouts.curve_plot import has_scale, round_ticks
from screens.readouts.heat_map import SHADES, draw_attention, shade
from screens.readouts.shapes import draw_shape
from screens.readouts.text import (
    draw_attribution,
    draw_curve_rows,
    draw_lens,
    draw_residual,
    marker,
    percent,
    ray,
)
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
from workbench.readouts.shapes import RANK, Grid, Rows, Series

NASTY = (
    "[red]markup[/red]",
    "[@click=app.quit]x",
    "\x1b[2J",
    "\u202eback",
    "שלום",
    "日本語",
    "👩\u200d💻",
    "",
    "\n\n",
    "e\u0301",
    "a" * 80,
)
WIDTHS = (36, 40, 60, 72, 80, 160)
PLACE = Place("a1.h0", -1, 0, 1, token=" \x1b[2J")


def rows_of(content: Content) -> list[str]:
    return [line.plain for line in content.split("\n")]


def lens(tokens: tuple[str, ...] = NASTY) -> Lens:
    up = tuple(TokenValue(token, i, 5.0 - i / 3) for i, token in enumerate(tokens))
    down = tuple(TokenValue(token, i, -7.0 + i / 3) for i, token in enumerate(tokens))
    return Lens(PLACE, up, down, 1.5, -0.25, "A sentence that defines the numbers shown here.")


def attribution() -> DirectAttribution:
    values = {"input": 0.1, "a0.h0": -2.0, "m0": 2.5, "position embedding": 0.01, "biases": -0.02}
    rows = tuple(Contribution(name, value) for name, value in values.items())
    return DirectAttribution(rows, sum(values.values()), Place("logits", -1, None, 8), "Defined.")


def curve(labels: tuple[str, ...] = NASTY) -> AnswerCurve:
    n = len(labels)
    values = tuple(math.sin(i) for i in range(n))
    right = tuple(float(i % 2) for i in range(n))
    return AnswerCurve(PLACE, labels, values, right, tuple(1 - r for r in right), "Defined.")


def residual(difference: float = 1.25) -> ResidualLens:
    top = tuple(TokenValue(token, i, 0.5 / (i + 1)) for i, token in enumerate(NASTY[:4]))
    rows = tuple(
        ResidualRow(f"layer {i}" if i >= 0 else "embeddings", i, top, difference, 0.5)
        for i in range(-1, 12)
    )
    return ResidualLens(PLACE, rows, "Defined.")


def attention(n: int) -> AttentionPattern:
    weights = np.tril(np.ones((n, n), dtype=np.float32))
    weights /= weights.sum(1, keepdims=True)
    return AttentionPattern(
        PLACE,
        tuple(NASTY[i % len(NASTY)] for i in range(n)),
        weights,
        "Defined.",
        tuple(range(n)),
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_no_drawing_is_too_wide_or_acts_on_the_terminal(width: int) -> None:
    mark = marker((" Mary",), ())
    drawings = [
        draw_lens(lens(), width, mark),
        draw_attribution(attribution(), "m0", width),
        draw_attribution(attribution(), None, width),
        draw_curve_rows(curve(), width),
        draw_residual(residual(), width),
        draw_attention(attention(min(14, width - 22)), -1, width),
    ]
    for content in drawings:
        assert "\x1b" not in content.plain
        assert "\u202e" not in content.plain
        for line in content.split("\n"):
            assert line.cell_length <= width, line.plain
            # Markup in a token is text: the only actions are our own.
            assert all("@click" not in getattr(s.style, "meta", {}) for s in line.spans)


def test_numbers_stand_in_one_column() -> None:
    rows = rows_of(draw_lens(lens(), 40, marker((), ())))
    values = [row for row in rows[:26] if re.search(r"[+−]\d\.\d\d ", row)]
    assert len(values) == 2 * len(NASTY)
    ends = {cell_len(row[: row.rindex(".")]) for row in values}
    assert len(ends) == 1


def test_answers_are_marked() -> None:
    shown = draw_lens(lens((" Mary", " John", " Tom")), 40, marker((" Mary",), (" John",)))
    rows = rows_of(shown)
    assert rows[2].startswith("✓ ·Mary")
    assert rows[3].startswith("✗ ·John")
    assert rows[4].startswith("  ·Tom")


def test_the_node_stands_in_the_ranking() -> None:
    rows = rows_of(draw_attribution(attribution(), "a0.h0", 80))
    assert rows[2].startswith("a0.h0 writes −2.00 (−339%), 2nd of 5")
    ranking = [row for row in rows if row[:1].isdigit()]
    assert [row.split()[1] for row in ranking] == ["m0", "a0.h0", "input", "biases", "position"]
    assert ranking[1].startswith("2▸ a0.h0")


def test_a_curve_without_scale_is_sorted() -> None:
    rows = rows_of(draw_curve_rows(curve((" a", " b", " c", " d")), 80))
    assert [row.split()[1] for row in rows[3:7]] == ["·c", "·b", "·d", "·a"]
    assert rows[4].startswith("✓ ·b")
    assert rows[3].startswith("✗ ·c")


def test_a_short_scale_keeps_its_order() -> None:
    rows = rows_of(draw_curve_rows(curve(tuple("0123456789")), 40))
    assert [row.split()[1] for row in rows[3:13]] == list("0123456789")


def test_bars_begin_at_the_left_where_no_value_is_negative() -> None:
    shown = replace(curve((" a", " b")), values=(2.0, 4.0))
    rows = rows_of(draw_curve_rows(shown, 80))
    assert "+4.00 ████" in rows[3]
    assert "│" not in rows[3]


def test_no_mean_over_answers_that_differ_between_prompts() -> None:
    alike = replace(curve((" a", " b", " c")), values=(1.0, 2.0, 5.0))
    assert rows_of(draw_curve_rows(alike, 80))[1] == "✓ answers +2.00  ✗ wrong +3.00"
    mixed = replace(alike, answers=(0.5, 0.75, 0.0), wrong_answers=(0.5, 0.25, 1.0))
    rows = rows_of(draw_curve_rows(mixed, 80))
    assert "+2.00" not in rows[1]
    assert [row[0] for row in rows[3:6]] == ["✗", "✓", " "]


@pytest.mark.parametrize(
    ("labels", "scale"),
    [
        (tuple(f"{i:02d}" for i in range(100)), True),
        (tuple(f" {i:02d}" for i in range(100)), True),
        (tuple(str(i) for i in range(10)), False),
        (tuple(f"name {i}" for i in range(100)), False),
    ],
)
def test_only_enough_numbers_make_a_plot(labels: tuple[str, ...], scale: bool) -> None:
    assert has_scale(curve(labels)) == scale


@pytest.mark.parametrize("least", [least for least, _ in SHADES])
def test_shades_differ_where_the_legend_says(least: float) -> None:
    assert shade(least) != shade(least - 1e-6)


def test_the_chosen_query_is_marked_and_spelled_out() -> None:
    weights = np.array([[1, 0, 0], [0.25, 0.75, 0], [0.2, 0.7, 0.1]], dtype=np.float32)
    shown = AttentionPattern(PLACE, ("A", " b", " c"), weights, "Defined.", (0, 1, 2))
    rows = rows_of(draw_attention(shown, -1, 36))
    assert rows[2] == "  0 A      ██    "
    assert rows[3] == "  1 ·b     ▒▒██  "
    assert rows[4] == "  2▸·c     ░░▓▓░░"
    attended = rows[rows.index("attends to key        share") + 1 :]
    assert [row.split()[:3] for row in attended[:3]] == [
        ["1", "·b", "0.700"],
        ["0", "A", "0.200"],
        ["2", "·c", "0.100"],
    ]


def test_a_long_prompt_gets_narrow_shades() -> None:
    rows = rows_of(draw_attention(attention(200), -3, 80))
    assert rows[-1] == "Defined."
    assert any(row.startswith("197▸") for row in rows)


@given(st.floats(0, 10), st.integers(0, 40))
def test_a_ray_keeps_to_its_width(value: float, width: int) -> None:
    assert len(ray(value, 10, width)) <= width
    assert bool(ray(value, 10, width)) == (value > 0 and width > 0)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-3.2, 4.1, [-2, 0, 2, 4]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.012, 0.0, [-0.012, -0.01, -0.008, -0.006, -0.004, -0.002, 0]),
        (0.0, 0.0, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == ticks


def test_probabilities_fit_their_column() -> None:
    assert [percent(p) for p in (0.0, 0.004, 0.0096, 0.5, 1.0)] == [
        "<1%",
        "<1%",
        "1%",
        "50%",
        "100%",
    ]


def test_a_mean_is_a_map_of_role_to_role() -> None:
    roles = ("..IO", "IO", "IO..S1", "S1", "END")
    weights = np.full((5, 5), 0.2, dtype=np.float32)
    place = replace(PLACE, pair=None, n_pairs=4, token=None)
    shown = AttentionPattern(place, roles, weights, "Defined.", (0, 3, 4), by_role=True)
    text = draw_attention(shown, -2, 60)
    assert "S1 (role 3)" in text.plain and text.plain.count("IO..S1") == 2
    rows = [line for line in text.plain.split("\n") if "░" * 10 in line]
    assert len(rows) == len(roles), "a role is seen by those that stand before it in other prompts"
    links = [span.style for span in text.spans if "query" in str(span.style)]
    assert len(links) == 3, "only roles of the first pair lead to a position"


def test_ranks_are_counted_and_have_no_sign() -> None:
    shape = Series("Rank of it", ("embeddings", "layer 0"), (1425.5, 1.0), unit=RANK)
    text = draw_shape(shape, 60).plain
    assert "1,425.5" in text and " 1 " in text and "+" not in text
    assert "layer 0" in text, "a depth, not a token with a space in it"


def test_numbers_of_a_table_stand_under_one_another() -> None:
    rows = (("97", "6.9458", "-0.0736"), (" cat", "-12.5000", "0.5000"))
    drawn = draw_shape(Rows("Both", ("token", "model", "difference"), rows), 60).plain
    (head, first, second), right = drawn.split("\n")[1:4], len("token     model")
    assert head[:right] == "token     model" and first.startswith("97 ")
    assert first[:right].endswith("6.9458") and second[:right].endswith("−12.5000")


def test_a_wide_map_counts_its_tens() -> None:
    labels = tuple(f"{year:02d}" for year in range(21))
    drawn = draw_shape(Grid("Years", ("a",), labels, np.zeros((1, 21))), 80).plain
    tens, units = drawn.split("\n")[1:3]
    assert units.split() == [str(n % 10) for n in range(21)]
    assert [tens[units.index("0") + 2 * n] for n in (0, 10, 20)] == [" ", "1", "2"]
