"""Tables as text: read back by other programs, with every digit and nothing that is obeyed."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.base.table import FORMATS, Cell, Table

NASTY = ' a "quoted", | tab\there\nnewline \x1b[31mred \\ & % $x_1^2$ {#~<b>}'
TABLE = Table(
    "some edges",
    ("edge", "effect", "n", "kept", "note"),
    (
        ("m0->a1.h0<q>", -0.1, 3, True, NASTY),
        ("input->m0", float(np.float32(0.1)), 12, False, None),
        ("a0.h0->m0", 1.5e-9, 0, True, "ä 東"),
    ),
)


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.integers()), max_size=5))
def test_numbers_come_back_with_every_digit(rows: list[tuple[float, int]]) -> None:
    table = Table("numbers", ("x", "n"), tuple(rows))
    for text, delimiter in ((table.to_csv(), ","), (table.to_tsv(), "\t")):
        read = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        assert [(float(x), int(n)) for x, n in read[1:]] == rows


def test_csv_and_tsv_keep_the_words() -> None:
    for text, delimiter in ((TABLE.to_csv(), ","), (TABLE.to_tsv(), "\t")):
        read = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        assert read[0] == list(TABLE.columns)
        assert read[1][4] == NASTY.replace("\t", "\\t").replace("\n", "\\n").replace(
            "\x1b", "\\x1b"
        )
        assert read[2] == ["input->m0", "0.10000000149011612", "12", "false", ""]
        assert len(text.splitlines()) == 4


@pytest.mark.parametrize("format", FORMATS)
def test_a_terminal_would_obey_nothing_of_it(format: str) -> None:
    text = FORMATS[format][2](TABLE)
    assert all(c.isprintable() or c in "\t\n" for c in text)


def test_markdown_has_a_cell_for_each_bar_and_numbers_to_the_right() -> None:
    lines = TABLE.to_markdown().splitlines()
    assert lines[1] == "| --- | ---: | ---: | --- | --- |"
    for line in lines:
        assert line.replace("\\\\", "").replace("\\|", "").count("|") == 6
    assert "-0.1" in lines[2] and r"\_1" in lines[2]


def test_latex_is_balanced_and_escaped() -> None:
    text = TABLE.to_latex()
    assert text.startswith("\\begin{tabular}{lrrll}\n\\toprule\n")
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")
    rows = [line for line in text.splitlines() if line.endswith(" \\\\")]
    assert len(rows) == 4
    assert r"m0-\textgreater{}a1.h0\textless{}q\textgreater{} & $-0.1$ & $3$ & true" in rows[1]
    assert r"$1.5 \times 10^{-9}$" in rows[3]
    plain = rows[1]
    for escaped in (r"\&", r"\%", r"\$", r"\_", r"\{", r"\}", r"\#"):
        assert escaped in plain
        plain = plain.replace(escaped, "")
    assert plain.count("&") == 4 and plain.count("{") == plain.count("}")


def test_what_is_not_finite_is_a_word() -> None:
    row: tuple[Cell, ...] = (math.inf, math.nan)
    table = Table("odd", ("a", "b"), (row,))
    assert table.to_csv() == "a,b\ninf,nan\n"
    assert "inf & nan" in table.to_latex()


def test_a_row_alone_and_a_row_that_does_not_fit() -> None:
    assert TABLE.row(1).to_csv().splitlines()[1].startswith("input->m0,")
    with pytest.raises(ValueError, match="2 cells"):
        Table("t", ("a", "b"), (("x",),))
