"""Tables of raw values from whatever a part of an assessment found."""

from __future__ import annotations

import csv
import io
from dataclasses import fields

import pytest

from tests.support.cases import assessment_values
from workbench.assessment.report.plots import plots_of
from workbench.assessment.report.tables import tables_of
from workbench.pictures.figure import Drawing


def test_lists_and_single_values() -> None:
    from workbench.assessment.results.curve import Area, Curve, Curves, Point

    points = (Point(0.001, 4, 3, 1.25, None), Point(1.0, 479, 479, 3.0, 1.0))
    area = Area(0.1, None)
    curves = Curves(
        479, "EAP", 3.0, 1.0, (Curve("x", False, points, area, area, area, 0.5),), 9, 0.5
    )
    tables = {table.title: table for table in tables_of("Sizes", curves)}
    assert list(tables) == ["Sizes: curves 1 points", "Sizes: curves", "Sizes"]
    assert tables["Sizes: curves 1 points"].columns == tuple(f.name for f in fields(Point))
    assert tables["Sizes: curves 1 points"].rows[0] == (0.001, 4, 3, 1.25, None)
    row = dict(zip(tables["Sizes: curves"].columns, tables["Sizes: curves"].rows[0], strict=True))
    assert row["linear.cpr"] == 0.1 and row["linear.cmd"] is None and "points" not in row
    values = {row[0]: row[1] for row in tables["Sizes"].rows}
    assert values["n_edges"] == 479 and values["circuit_faithfulness"] == 0.5


@pytest.mark.parametrize("name", assessment_values.PARTS)
def test_the_results_of_every_part_make_tables(name: str) -> None:
    result = assessment_values.PARTS[name]
    tables = tables_of(name, result() if callable(result) else result)
    assert tables
    for table in tables:
        assert all(
            cell is None or isinstance(cell, str | int | float)
            for row in table.rows
            for cell in row
        )
        assert len(list(csv.reader(io.StringIO(table.to_csv())))) == len(table.rows) + 1


@pytest.mark.parametrize("name", assessment_values.PARTS)
def test_the_pictures_of_every_part_come_in_three_formats(name: str) -> None:
    result = assessment_values.PARTS[name]
    for _, drawing, _ in plots_of(name, result() if callable(result) else result):
        assert isinstance(drawing, Drawing)
        assert drawing.file("pdf").startswith(b"%PDF") and b"<svg" in drawing.file("svg")
        assert drawing.file("png").startswith(b"\x89PNG")


def test_pairs_are_counted_from_one() -> None:
    result = assessment_values.faithfulness()
    prompts = tables_of("Faithfulness", result)[0]
    at = prompts.columns.index("pair")
    assert [row[at] for row in prompts.rows] == [p.index + 1 for p in result.prompts]
