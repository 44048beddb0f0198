"""`workbench heads`: all heads of a model by where they look and what they copy."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, experiment_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.readouts.heads.columns import COLUMNS, RANK
from workbench.readouts.heads.table import HEAD, LOOKS, check_words

if TYPE_CHECKING:
    from workbench.readouts.heads.table import HeadTable
    from workbench.readouts.results import Position

SORTS = (HEAD, RANK, *COLUMNS)
LOOKED_AT = 2
"""Roles that a line says a head looks at most."""
TASK = typer.Option(
    "--task", help="A built-in task or a task file: its answers are the words, and heads' direct "
    "attribution is told. [default: given names, and none]",
)  # fmt: skip


@experiment_options(words={"task": Annotated[str, TASK]}, optional=True)
def heads(
    sort: Annotated[
        str,
        typer.Option(
            help="By a column, what one looks for first; see --list. With --role, @S1 too."
        ),
    ] = HEAD,
    filter_: Annotated[
        str,
        typer.Option("--filter", help="Heads of which all words hold: a23., ind, 'copying>0.5'."),
    ] = "",
    top: Annotated[int | None, typer.Option(min=1, help="The first so many only.")] = None,
    given: Annotated[
        Literal["effective", "embedding"],
        typer.Option(
            help="What a head is given for a token: W_E and what the first MLP adds, or W_E."
        ),
    ] = "effective",
    role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE", help="Patterns and attribution on the prompts, from this role: S2."
        ),
    ] = None,
    position: Annotated[
        int | None, typer.Option(help="Or from this token: from the end if negative, as -1.")
    ] = None,
    pair: Annotated[
        int | None,
        typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]"),
    ] = None,
    run: Annotated[
        Literal["clean", "corrupted", "clean-corrupted"],
        typer.Option(help="Whose prompts are read, or the difference."),
    ] = "clean",
    list_: Annotated[bool, typer.Option("--list", help="List the columns instead.")] = False,
    *,
    settings: ExperimentSettings,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write every digit too (.csv, .tsv, .md, .tex)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure all heads: where each looks, what it copies, which kind it seems to be."""
    if list_:
        _list(as_json)
        return
    # What costs nothing to find out comes before what takes seconds.
    if not settings.model:
        raise WorkbenchError("Name a model: workbench heads MODEL --task TASK.")
    there = position if role is None else role
    _check_place(settings, role, position, pair, run)
    if sort not in SORTS and not (there is not None and sort.startswith(LOOKS)):
        raise WorkbenchError(f"There is no column {sort!r}; choose one of: {', '.join(SORTS)}.")
    if sort == "direct" and not settings.task:
        raise WorkbenchError("Direct attribution is of a task: name one with --task.")
    check_words(filter_)
    if to is not None:
        _check_file(to)
    if there is None and (pair is not None or run != "clean"):
        there = -1
    table = _measured(settings, given, there, pair, run)
    chosen = set(table.matching(filter_))
    if not chosen:
        warnings.warn(f"no head matches the filter {filter_!r}.", stacklevel=2)
    shown = [head for head in table.ordered(sort) if head in chosen][:top]
    if to is not None:
        _write(table, shown, to)
    if as_json:
        output.as_json(table.to_json(shown) | {"warnings": console.warned()})
    else:
        _report(table, shown)


def _check_place(
    settings: ExperimentSettings,
    role: str | None,
    position: int | None,
    pair: int | None,
    run: str,
) -> None:
    if role is not None and position is not None:
        raise WorkbenchError("Name a --position or a --role, not both.")
    asked = role is not None or position is not None or pair is not None or run != "clean"
    if asked and not settings.task:
        raise WorkbenchError("Prompts are of a task: name one with --task.")


def _measured(
    settings: ExperimentSettings, given: str, there: Position | None, pair: int | None, run: str
) -> HeadTable:
    settings = settings.checked() if settings.task else settings
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.experiment.prepare import prepare
        from workbench.readouts.heads.finder import find_heads
        from workbench.readouts.heads.on_prompts import heads_at

        model = settings.load_model(progress)
        experiment = prepare(model, settings.task, settings, progress) if settings.task else None
        index = None if experiment is None else pair_index(pair, experiment.n_pairs)
        if experiment is not None and isinstance(there, str):
            experiment.batch.roles.index(there)  # before what takes seconds
        table = find_heads(
            model,
            experiment,
            source=given,
            seed=settings.seed,
            progress=lambda fraction: progress("Measuring the heads", fraction),
        )
        if experiment is None or there is None:
            return table
        return heads_at(experiment, there, pair=index, run=run, table=table)


def _list(as_json: bool) -> None:
    if as_json:
        output.as_json([vars(column) for column in COLUMNS.values()])
        return
    for column in COLUMNS.values():
        output.line(f"{column.name}  {column.definition}")


def _check_file(path: Path) -> None:
    from workbench.base.table import FORMATS
    from workbench.base.write_file import check_target

    suffixes = [suffix for _, suffix, _ in FORMATS.values()]
    if path.suffix.lower() not in suffixes:
        raise WorkbenchError(f"Name a file that ends in {', '.join(suffixes)}.")
    check_target(path)


def _write(table: HeadTable, shown: list[str], path: Path) -> None:
    from workbench.base.table import FORMATS
    from workbench.base.write_file import write_bytes

    (write,) = (one for _, suffix, one in FORMATS.values() if suffix == path.suffix.lower())
    write_bytes(path, write(table.table(shown)).encode("utf-8", "replace"))


def _report(table: HeadTable, shown: list[str]) -> None:
    titles = [COLUMNS[name].title for name in table.columns]
    looks = "" if table.at is None else "  looks at"
    output.line(f"{'head':<9}{'kind':<11}" + "".join(f"{title:>7}" for title in titles) + looks)
    for head in shown:
        kinds = " ".join(dict.fromkeys(kind.mark for kind, _ in table.kinds_of(head)))
        numbers = []
        for name in table.columns:
            value = table.value(head, name)
            text = "" if value is None else f"{value:.{COLUMNS[name].digits}f}"
            text = text if text.strip("-0.") else text.lstrip("-")  # no negative zero
            numbers.append(f"{text:>7}")
        most = ", ".join(f"{role} {share:.2f}" for role, share in table.most(head)[:LOOKED_AT])
        output.line(f"{head:<9}{kinds:<11}{''.join(numbers)}{most and '  '}{most}")
    for note in table.notes:
        output.line(note)
