"""`workbench tasks --check FILE`: all that is found of a task file, pair by pair."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.base.text import counted, printable
from workbench.cli import console, output
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.prompts.checks import counted_reasons

if TYPE_CHECKING:
    from tasks.pair import Pair
    from workbench.models.model import Model
    from workbench.prompts.file_report import FileReport

SHOWN_ANSWERS = 6


def check_task_file(settings: ExperimentSettings, *, as_json: bool) -> int:
    """Say all that is found of the file that `settings.task` names.

    Args:
        settings: whose model may be empty: then nothing is said of tokens.

    Returns:
        0 if every pair can be used, else the code of bad input.

    Raises:
        WorkbenchError: the file cannot be read at all, or there is no such model.
    """
    from workbench.prompts.file_report import report_on
    from workbench.prompts.task_catalogue import find_task

    if find_task(settings.task) is not None:
        raise WorkbenchError(f"{settings.task} is a built-in task: --check takes a file.")
    settings.needs(settings.metric or "kl")  # such a metric and ablation exist
    if settings.model:
        with console.ProgressLine() as progress:
            progress("Starting", None)
            model: Model | None = settings.load_model(progress)
    else:
        model = None
    found = report_on(
        settings.task,
        None if model is None else model.tokenizer,
        metric=settings.metric,
        bos=settings.bos,
        needs=lambda metric: settings.needs(metric, None if model is None else model.positions),
    )
    if model is not None and found.usable:
        found = replace(found, warnings=(*found.warnings, *_of_runs(model, found, settings)))
    if as_json:
        output.as_json(_json(found))
    else:
        _report(found, settings)
    return 0 if not found.refused else console.EXIT_USER


def _of_runs(model: Model, found: FileReport, settings: ExperimentSettings) -> tuple[str, ...]:
    """What the runs of the pairs that can be used speak against."""
    import warnings

    from workbench.experiment.prepare import prepare

    with warnings.catch_warnings(record=True) as caught, console.ProgressLine() as progress:
        warnings.simplefilter("always")
        prepare(model, found.task(), settings, progress)
    told = [str(one.message) for one in caught if one.category is UserWarning]
    return tuple(one for one in dict.fromkeys(told) if one not in found.warnings)


def _json(found: FileReport) -> dict[str, Any]:
    file = found.file
    return {
        "file": file.source,
        "form": file.form,
        "dialect": file.dialect.name,
        "metric": file.metric,
        "pairs": len(file.pairs),
        "usable": len(found.usable),
        "left_out": found.left_out,
        "refused": [
            {"where": where, "kind": finding.kind, "reason": finding.sentence}
            for where, finding in found.refused
        ],
        "notes": list(file.notes),
        "warnings": list(found.warnings),
    }


def _report(found: FileReport, settings: ExperimentSettings) -> None:
    file = found.file
    output.line(f"file          {file.source}")
    output.line(f"read as       {file.form}: {file.dialect.name}")
    output.line(f"metric        {file.metric}")
    usable = counted(len(file.pairs), "pair")
    whose = f" with {settings.model}" if settings.model else ", as far as no model is asked"
    output.line(f"pairs         {len(found.usable):,} of {usable} can be used{whose}")
    if found.left_out:
        output.line(f"refused       {counted_reasons(found.left_out)}")
    if found.usable:
        pair = found.usable[0]
        output.line(f"the first     clean      {printable(pair.clean)}")
        output.line(f"              corrupted  {printable(pair.corrupted)}")
        output.line(f"              answers    {_listed(pair.answers)}")
        output.line(f"              wrong      {_listed(pair.wrong_answers)}")
        output.line(f"              roles      {_roles(pair)}")
    for note in file.notes:
        output.line(f"note          {note}")
    for warning in found.warnings:
        output.line(f"warning       {warning}")
    for where, finding in found.refused:
        output.line(f"{where}: {finding.sentence}")


def _roles(pair: Pair) -> str:
    """What the roles of a pair stand for; of those that count tokens their numbers."""
    said = [
        f"{span.role} = token {span.start}"
        if span.tokens
        else f"{span.role} = {printable(pair.clean[span.start : span.stop])!r}"
        for span in pair.roles
    ]
    return ", ".join(said) or "none: they are by where the prompts differ"


def _listed(texts: tuple[str, ...]) -> str:
    shown = " ".join(repr(printable(text)) for text in texts[:SHOWN_ANSWERS])
    more = len(texts) - SHOWN_ANSWERS
    return (shown or "none") + (f" and {more:,} more" if more > 0 else "")
