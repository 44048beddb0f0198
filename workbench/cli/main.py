"""The command line: `workbench` and its subcommands.

Nothing heavy is imported before a command needs it, so that `--help` and the app's first frame wait
for neither torch nor Textual.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from workbench.cli import console, output
from workbench.cli.assess import assess
from workbench.cli.bench import bench
from workbench.cli.clusters import clusters
from workbench.cli.config import app as config_app
from workbench.cli.config import heeded
from workbench.cli.discover import discover
from workbench.cli.draw import draw
from workbench.cli.expand import expand
from workbench.cli.history import history
from workbench.cli.options import (
    CircuitPath,
    Device,
    Dtype,
    Json,
    Revision,
    experiment_options,
)
from workbench.cli.pocket import app as pocket
from workbench.cli.readout import readout
from workbench.cli.report import report
from workbench.cli.sessions import app as sessions
from workbench.cli.sessions import resume
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings


class Carried(BaseException):
    """Carries an exception past typer, which has its own ways with Ctrl-C and closed pipes."""


class Commands(TyperGroup):
    """All commands; what one of them raises comes out as it is."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what would end the program at once is carried outward."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, EOFError, OSError) as error:
            raise Carried from error


app = typer.Typer(
    name="workbench",
    cls=Commands,
    help="Circuit analysis of transformer language models, by hand, in the terminal.",
    epilog="Without a command it asks for model and task on screen.",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def setup(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Circuit analysis of transformer language models, by hand, in the terminal."""
    if version:
        from workbench import __version__

        print(__version__)
        raise typer.Exit()
    if context.invoked_subcommand is None:
        from workbench.cli.launch import show

        raise typer.Exit(show())


@app.command("open")
@experiment_options(
    words={"task": Annotated[str, typer.Option(help="A built-in task, or a task file.")]},
    amid={"mismatch": "circuit"},
)
def open_(
    settings: ExperimentSettings,
    circuit: Annotated[Path | None, typer.Option(help="A circuit file to begin with.")] = None,
) -> int:
    """Open a model and a task in the app."""
    from workbench.cli.checks import check_circuit
    from workbench.cli.launch import show

    settings = settings.checked()
    if circuit is not None:
        check_circuit(circuit)
    return show(settings, circuit)


@app.command()
def tutorial(
    restart: Annotated[bool, typer.Option("--restart", help="Begin it anew.")] = False,
) -> int:
    """Learn the workbench in ten minutes, in the app; go on where you left it."""
    from workbench.cli.launch import show

    return show(tutorial="restart" if restart else "go on")


@app.command()
@experiment_options()
def evaluate(circuit: CircuitPath, settings: ExperimentSettings, as_json: Json = False) -> None:
    """Score a circuit: everything outside it corrupted."""
    from workbench.cli.checks import warn_of_other_model

    # What costs nothing to find out comes before what takes seconds.
    settings = settings.checked()
    from workbench.formats import load_circuit

    loaded = load_circuit(circuit)
    warn_of_other_model(loaded, settings.model)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.engine.score import evaluate as score_of

        model = settings.load_model(progress)
        score = score_of(model, settings.task, loaded, under=settings, progress=progress)
    if as_json:
        output.as_json(score.to_json())
    else:
        output.as_text(score)


@app.command()
def tasks(as_json: Json = False) -> None:
    """List the tasks that need no file."""
    from workbench.prompts.task_catalogue import TASKS

    if as_json:
        output.as_json(
            [
                {
                    "name": task.name,
                    "metric": task.metric,
                    "description": task.description,
                    "example": vars(task.example),
                }
                for task in TASKS.values()
            ]
        )
        return
    for task in TASKS.values():
        output.line(f"{task.name}  ({task.metric})")
        output.line(f"  {task.description}")
        output.line(f"  clean:     {task.example.clean}")
        output.line(f"  corrupted: {task.example.corrupted}")


app.command()(resume)
app.add_typer(sessions, name="sessions")
app.command()(discover)
app.command()(expand)
app.command()(clusters)
app.command()(assess)
app.command()(readout)
app.command()(history)
app.command()(draw)
app.command()(bench)
app.command()(report)
app.add_typer(pocket, name="pocket")
app.add_typer(config_app, name="config")


@app.command()
def models(
    check: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Load this model and say what is found."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, help="With --check: pairs of the batch whose memory is predicted.")
    ] = 32,
    tokens: Annotated[
        int, typer.Option(min=1, help="With --check: tokens of each of its prompts.")
    ] = 16,
    device: Device = None,
    dtype: Dtype = None,
    revision: Revision = None,
    as_json: Json = False,
) -> None:
    """List the models on this machine and the families that are exact, or check one model."""
    if check is not None:
        with console.ProgressLine() as progress:
            progress("Starting", None)
            from workbench.model_report.facts import to_json
            from workbench.model_report.footprint import of_model
            from workbench.models.model import load_model

            made = load_model(
                check, device=device, dtype=dtype, revision=revision, progress=progress
            )
            footprint = of_model(made, pairs, tokens)
        if as_json:
            output.as_json(to_json(made.info, footprint))
        else:
            output.as_model(made.info, footprint)
        return
    if device or dtype or revision:
        raise WorkbenchError("--device, --dtype and --revision go with --check MODEL.")
    from workbench.models.known import converted_models
    from workbench.session.journals import models_to_offer
    from workbench.transformer.families.catalogue import words_of_families

    known, converted = models_to_offer(), converted_models()
    if as_json:
        output.as_json(
            {
                "models": [vars(model) for model in known],
                "converted": converted,
                "families": words_of_families(),
            }
        )
        return
    for model in known:
        output.line(f"{model.name}  ({model.kind})  {model.note}")
    for name in converted:
        output.line(f"{name}  (converted, in the cache)")
    output.line(
        "Besides these: a hub id (gpt2, EleutherAI/pythia-160m), a folder in transformers' format, "
        "or a .gguf file, of these families:"
    )
    for family, description in words_of_families().items():
        output.line(f"  {family}: {description}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A circuit file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write it.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAME", help="The format to write: circuit, eap-ig, or a plug-in's."
        ),
    ] = "circuit",
    as_json: Json = False,
) -> None:
    """Write a circuit file in another format."""
    from workbench.formats import convert_circuit as convert_file

    lost = convert_file(source, target, format_)
    for sentence in lost:
        console.say(f"workbench: warning: {sentence}")
    if as_json:
        output.as_json({"written": str(target), "format": format_, "lost": list(lost)})
    else:
        output.line(str(target))


@app.command()
def compare(
    circuit: CircuitPath,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="A circuit file, or a model that brings its true circuit along (known).",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Compare a circuit with a reference: which edges are missing, which are extra."""
    from workbench.circuits.comparison import compare as compared
    from workbench.formats import load_circuit
    from workbench.models.bundled_circuits import find_reference

    path = find_reference(reference)
    mine = load_circuit(circuit)
    comparison = compared(mine, load_circuit(path, mine.graph))
    if as_json:
        output.as_json(
            {
                "circuit": str(circuit),
                "reference": str(path),
                "edges": comparison.edges.to_json(),
                "nodes": comparison.nodes.to_json(),
            }
        )
    else:
        output.comparison_as_text(comparison)


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""

    def command() -> int:
        # Not typer's standalone mode: that ends defects in a way of its own.
        try:
            group = typer.main.get_command(app)
            given = sys.argv[1:] if args is None else args
            code = group(given, standalone_mode=False, default_map=heeded(group, given[:1]))
        except Carried as carried:
            raise carried.__cause__ or KeyboardInterrupt from None
        except Exception as error:
            if not isinstance(error, USAGE_ERROR):
                raise
            error.show(sys.stderr)  # type: ignore[attr-defined]
            return console.EXIT_USER
        return code if isinstance(code, int) else 0

    with console.our_warnings():
        return console.run(command)


# A wrong flag or argument. Typer carries its own copy of click, or older ones need click itself:
# the class is had by way of one that typer has always exported.
USAGE_ERROR = typer.BadParameter.__mro__[2]
