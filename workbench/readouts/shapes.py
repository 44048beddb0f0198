"""The four shapes of a readout that panel and command can draw, whatever was computed.

A readout of a plug-in returns one of them; `shape_of` gives the built-in readouts in them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbench.errors import WorkbenchError
from workbench.readouts.results import (
    AnswerCurve,
    AttentionPattern,
    DirectAttribution,
    Lens,
    ResidualLens,
    position_words,
)
from workbench.readouts.runs import RUN_WORDS

RANK = "rank"
"""The unit of places in an order, counted from 1."""


@dataclass(frozen=True)
class Ranking:
    """Tokens or nodes with a number each, in the order in which they are to be shown.

    Attributes:
        title: what was read, as a heading.
        values: name and number.
        unit: of the numbers, above their column.
        definition: one sentence on what the numbers are.
    """

    title: str
    values: tuple[tuple[str, float], ...]
    unit: str = "logit"
    definition: str = ""


@dataclass(frozen=True)
class Series:
    """Values over an ordered axis, such as layers, positions or years.

    Attributes:
        title, unit, definition: as of `Ranking`.
        labels: of the axis, in order.
        values: one for each label.
    """

    title: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    unit: str = "logit"
    definition: str = ""

    def __post_init__(self) -> None:
        """Raises WorkbenchError if labels and values do not pair up."""
        if len(self.labels) != len(self.values):
            raise WorkbenchError(
                f"{self.title} has {len(self.labels)} labels and {len(self.values)} values."
            )


@dataclass(frozen=True, eq=False)
class Grid:
    """A matrix over tokens.

    Attributes:
        title, unit, definition: as of `Ranking`.
        rows, columns: the tokens of the two sides.
        values: float [row, column]; NaN where there is nothing.
        texts: a token for each cell, by row; () where cells hold none.
        reciprocal: the values are ranks, and small ones are to be seen: shades are those of 1 / x.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: ArrayLike
    unit: str = "share"
    definition: str = ""
    texts: tuple[tuple[str, ...], ...] = ()
    reciprocal: bool = False

    def __post_init__(self) -> None:
        """Raises WorkbenchError if the matrix, or the texts, are not of that size."""
        if self.texts and [len(row) for row in self.texts] != [len(self.columns)] * len(self.rows):
            raise WorkbenchError(f"{self.title} has not one text for each cell.")
        shape = np.shape(self.values)
        if shape != (len(self.rows), len(self.columns)):
            raise WorkbenchError(
                f"{self.title} has {len(self.rows)} rows and {len(self.columns)} columns, and its "
                f"values are of shape {shape}."
            )


@dataclass(frozen=True)
class Rows:
    """A table of text.

    Attributes:
        title, definition: as of `Ranking`.
        columns: their headings.
        rows: a text for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    definition: str = ""

    def __post_init__(self) -> None:
        """Raises WorkbenchError if a row has more or fewer texts than there are columns."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise WorkbenchError(f"A row of {self.title} has not {len(self.columns)} columns.")


Shape = Ranking | Series | Grid | Rows
BuiltIn = Lens | DirectAttribution | AnswerCurve | AttentionPattern | ResidualLens


def shape_of(result: Shape | BuiltIn) -> Shape:
    """A readout's result in one of the four shapes."""
    if isinstance(result, Lens):
        tokens = [*result.promoted, *reversed(result.suppressed)]
        values = tuple((token.token, token.value) for token in tokens)
        target, definition = result.place.target, result.definition
        if target is not None:
            asked = result.answers - result.wrong_answers
            definition = f"{target.words}: {asked:.4g}. {definition}"
        return Ranking(f"{result.lens} of {_where(result)}", values, definition=definition)
    if isinstance(result, DirectAttribution):
        values = tuple((row.node, row.value) for row in result.ranked())
        target = result.place.target
        of = "the logit difference" if target is None else target.words
        title = f"Direct contributions to {of}{_run(result)}"
        return Ranking(title, values, definition=result.definition)
    if isinstance(result, AnswerCurve):
        title = f"Answer curve of {_where(result)}"
        return Series(title, result.labels, result.values, definition=result.definition)
    if isinstance(result, AttentionPattern):
        title, tokens_of = f"Attention of {result.place.node}{_run(result)}", result.tokens
        weights = np.asarray(result.weights)
        return Grid(title, tokens_of, tokens_of, weights, definition=result.definition)
    if isinstance(result, ResidualLens):
        rows = tuple(
            (row.name, f"{row.logit_difference:.4g}", _tokens(row.top)) for row in result.rows
        )
        columns = ("after", "logit difference", "most likely")
        return Rows(f"{result.lens}{_run(result)}", columns, rows, result.definition)
    return result


def to_json(shape: Shape) -> dict[str, Any]:
    """Plain values, with the name of the shape."""
    if isinstance(shape, Grid):
        values = np.asarray(shape.values, dtype=np.float64)
        plain = {name: value for name, value in vars(shape).items() if name != "values"}
        if not shape.texts:
            plain = {n: v for n, v in plain.items() if n not in ("texts", "reciprocal")}
        return {"shape": "grid", **plain, "values": values.tolist()}
    return {"shape": type(shape).__name__.lower(), **asdict(shape)}


def _where(result: Lens | AnswerCurve) -> str:
    return f"{result.place.node} {position_words(result.place.position)}{_run(result)}"


def _run(result: BuiltIn) -> str:
    """Of which run it is, if not of the clean one."""
    run = result.place.run
    return "" if run == "clean" else f" ({RUN_WORDS[run]})"


def _tokens(top: Any) -> str:
    return " ".join(f"{value.token!r} {value.value:.0%}" for value in top)
