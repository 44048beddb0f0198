"""What a readout found as a table of raw values, for other programs. No torch."""

from __future__ import annotations

import numpy as np

from workbench.base.table import Cell, Table
from workbench.readouts.results import (
    AnswerCurve,
    AttentionPattern,
    DirectAttribution,
    Lens,
    ResidualLens,
)
from workbench.readouts.shapes import BuiltIn, Grid, Ranking, Rows, Series, Shape, shape_of


def table_of(result: Shape | BuiltIn) -> Table:
    """All of its values, each with every digit."""
    shape = shape_of(result)
    title = shape.title
    if isinstance(result, Lens):
        columns: tuple[str, ...] = ("token", "id", "logit", "side")
        rows = [(t.token, t.id, t.value, "raised") for t in result.promoted]
        rows += [(t.token, t.id, t.value, "lowered") for t in reversed(result.suppressed)]
        return Table(title, columns, tuple(rows))
    if isinstance(result, DirectAttribution):
        ranked = tuple((i, row.node, row.value) for i, row in enumerate(result.ranked(), 1))
        return Table(title, ("rank", "node", "contribution"), ranked)
    if isinstance(result, AnswerCurve):
        columns = ("label", "logit", "answer_in", "wrong_in")
        values = zip(
            result.labels, result.values, result.answers, result.wrong_answers, strict=True
        )
        return Table(title, columns, tuple(values))
    if isinstance(result, AttentionPattern):
        n = len(result.tokens)
        pairs = [(q, k) for q in range(n) for k in range(n if result.by_role else q + 1)]
        weights = (
            (q, result.tokens[q], k, result.tokens[k], float(result.weights[q, k]))
            for q, k in pairs
        )
        return Table(title, ("query", "query_token", "key", "key_token", "weight"), tuple(weights))
    if isinstance(result, ResidualLens):
        most = max((len(row.top) for row in result.rows), default=0)
        columns = ("after", "layer", "logit_difference", "metric")
        columns += tuple(f"{what}_{i}" for i in range(1, most + 1) for what in ("token", "p"))
        lines = []
        for row in result.rows:
            top: list[Cell] = [v for token in row.top for v in (token.token, token.value)]
            top += [None] * (2 * most - len(top))
            lines.append((row.name, row.layer, row.logit_difference, row.metric, *top))
        return Table(title, columns, tuple(lines))
    return _of_shape(shape)


def _of_shape(shape: Shape) -> Table:
    if isinstance(shape, Ranking):
        return Table(shape.title, ("name", shape.unit), shape.values)
    if isinstance(shape, Series):
        pairs = tuple(zip(shape.labels, shape.values, strict=True))
        return Table(shape.title, ("label", shape.unit), pairs)
    if isinstance(shape, Grid):
        values = np.asarray(shape.values, dtype=np.float64)
        if shape.texts:
            cells = (
                (row, column, shape.columns[column], text, float(values[i, column]))
                for i, (row, texts) in enumerate(zip(shape.rows, shape.texts, strict=True))
                for column, text in enumerate(texts)
            )
            return Table(shape.title, ("after", "column", "at", "token", shape.unit), tuple(cells))
        rows = (
            (token, *(None if np.isnan(v) else float(v) for v in row))
            for token, row in zip(shape.rows, values, strict=True)
        )
        return Table(shape.title, ("", *shape.columns), tuple(rows))
    assert isinstance(shape, Rows)
    return Table(shape.title, shape.columns, shape.rows)
