"""What was found of the flow between tokens as tables and files: every value, or a plot."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.base.table import FORMATS, Table
from workbench.base.text import shown_path
from workbench.base.write_file import check_target, write_bytes
from workbench.errors import WorkbenchError
from workbench.flow.results import AllForOne, KnockoutMap

PLOTS = (".svg", ".pdf", ".png")
TABLES = {suffix: write for _, suffix, write in FORMATS.values()}
FREE = "free"
"""In a table of cells, in place of a number of layers: attention as ever after the wait."""


def tables_of(result: AllForOne | KnockoutMap) -> tuple[Table, ...]:
    """All of its values with every digit; the map first."""
    return _of_knockout(result) if isinstance(result, KnockoutMap) else _of_all_for_one(result)


def _of_all_for_one(result: AllForOne) -> tuple[Table, ...]:
    cells: list[tuple[int, int | str, float, float]] = []
    for first, (accuracies, metrics) in enumerate(zip(result.accuracy, result.metric, strict=True)):
        for n, (accuracy, metric) in enumerate(zip(accuracies, metrics, strict=True)):
            if accuracy is not None and metric is not None:
                cells.append((first, n, accuracy, metric))
        free = result.waiting[first]
        cells.append((first, FREE, free.accuracy, free.metric))
    columns = ("first_layer", "peek_layers", "accuracy", result.metric_name)
    dropped = tuple(
        (one.name, one.score.accuracy, one.score.metric, one.needed) for one in result.necessary
    )
    needed = ("without", "accuracy", result.metric_name, "needed")
    return (
        Table("All for one", columns, tuple(cells)),
        Table("All for one: what is needed", needed, dropped),
    )


def _of_knockout(result: KnockoutMap) -> tuple[Table, ...]:
    rows: list[tuple[int | None, str, int, float | None, float | None, int | None]] = []
    for i, (position, token) in enumerate(zip(result.positions, result.tokens, strict=True)):
        for layer, effect in enumerate(result.effect[i]):
            rows.append((position, token, layer, effect, result.accuracy[i][layer], result.n_at[i]))
    for layer, effect in enumerate(result.all_others):
        rows.append((None, "all but the first", layer, effect, None, None))
    columns = ("position", "token", "layer", f"change_of_{result.metric_name}", "accuracy", "pairs")
    return (Table("Attention knock-out", columns, tuple(rows)),)


def check_flow_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path before what goes there is computed.

    Raises:
        WorkbenchError: its name says no format, or no file can come to be there.
    """
    if Path(path).suffix.lower() not in (*PLOTS, *TABLES):
        raise WorkbenchError(
            f"The name {shown_path(path)} says no format: end it in {', '.join(PLOTS)} for a plot "
            f"or in {', '.join(TABLES)} for a table."
        )
    check_target(path)


def write_flow(result: AllForOne | KnockoutMap, path: str | os.PathLike[str]) -> None:
    """Write the plot, or a table of all cells.

    Raises:
        WorkbenchError: as of `check_flow_file`.
    """
    check_flow_file(path)
    suffix = Path(path).suffix.lower()
    if suffix in TABLES:
        write_bytes(path, TABLES[suffix](tables_of(result)[0]).encode("utf-8", "replace"))
        return
    from workbench.flow.pictures import flow_pictures

    ((_, drawing, _),) = flow_pictures(result)
    write_bytes(path, drawing.file(suffix.removeprefix(".")))
