"""`workbench pocket`: making the pocket model again, and asking one what it can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.bundled_models.pocket.examination import Result

app = typer.Typer(help="Train the pocket model again, or examine one on held-out prompts.")


@app.command()
def train(
    folder: Annotated[Path, typer.Argument(help="A new folder for model, tokenizer and card.")],
    seed: Annotated[int, typer.Option(help="Of the weights and the sentences.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Fewer for a trial. [default: the recipe's]")
    ] = None,
    checkpoints: Annotated[
        int | None,
        typer.Option(min=2, help="Leave so many folders checkpoint-N in it. docs/checkpoints.md."),
    ] = None,
) -> int:
    """Train it from nothing, which takes well under an hour on two cores, and examine it.

    After Ctrl-C the same command goes on.
    """
    from workbench.bundled_models.pocket.making import make_pocket

    try:
        with console.ProgressLine() as progress, first_interrupt() as cancel:
            results = make_pocket(
                folder,
                seed=seed,
                steps=steps,
                checkpoints=checkpoints,
                progress=progress,
                cancel=cancel,
            )
    except Cancelled:
        console.say("workbench: interrupted; the same command goes on with the training.")
        return console.EXIT_INTERRUPTED
    return _show(results)


@app.command()
def examine(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A pocket model.")] = "pocket",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> int:
    """Ask it the tasks in combinations of words that training never made."""
    from workbench.models.source import find_model

    find_model(model)
    with console.ProgressLine() as progress:
        from workbench.bundled_models.pocket.examination import examine as results_of
        from workbench.models.model import load_model

        results = results_of(load_model(model, progress=progress), progress=progress)
    if as_json:
        output.as_json([vars(result) | {"passed": result.passed} for result in results])
        return 0
    return _show(results)


def _show(results: list[Result]) -> int:
    from workbench.bundled_models.pocket.examination import as_table

    for line in as_table(results).splitlines():
        output.line(line)
    failed = [result.task for result in results if not result.passed]
    if failed:
        console.say(
            f"workbench: it is not as good as a pocket model has to be on {', '.join(failed)}."
        )
    return 1 if failed else 0
