"""The command line: `workbench` and its subcommands.

Nothing heavy is imported before a command needs it, so that `--help` and the app's first frame wait
for neither torch nor Textual.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from workbench.base.home import keep_paths
from workbench.base.progress import Progress
from workbench.cli import console, output
from workbench.cli.all_for_one import all_for_one
from workbench.cli.assess import assess
from workbench.cli.bench import bench
from workbench.cli.checkpoints import checkpoints, checkpoints_with
from workbench.cli.circuit_files import compare, convert
from workbench.cli.clusters import clusters
from workbench.cli.config import app as config_app
from workbench.cli.config import heeded
from workbench.cli.discover import discover
from workbench.cli.draw import draw
from workbench.cli.effects import effects, repair
from workbench.cli.expand import expand
from workbench.cli.grid import grid
from workbench.cli.heads import heads
from workbench.cli.history import history
from workbench.cli.intervene import intervene
from workbench.cli.jobs import app as jobs
from workbench.cli.knock_out import knock_out, rerun
from workbench.cli.lens import app as lens
from workbench.cli.neurons import neurons
from workbench.cli.options import (
    CircuitPath,
    Device,
    DeviceMap,
    Dtype,
    Json,
    Revision,
    Selecting,
    experiment_options,
    selecting_options,
)
from workbench.cli.patch import patch
from workbench.cli.pocket import app as pocket
from workbench.cli.readout import readout
from workbench.cli.reliability import reliability
from workbench.cli.report import report
from workbench.cli.run_text import run_text
from workbench.cli.sessions import app as sessions
from workbench.cli.sessions import resume
from workbench.cli.sweep import sweep
from workbench.cli.tasks import tasks
from workbench.cli.try_pair import try_pair
from workbench.cli.why import why
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
    with_paths: Annotated[
        bool,
        typer.Option(
            "--with-paths",
            help="Write whole paths, home folder and user with them, to circuit files and reports.",
        ),
    ] = False,
) -> None:
    """Circuit analysis of transformer language models, by hand, in the terminal."""
    keep_paths(with_paths)
    if version:
        from workbench import __version__

        print(__version__)
        raise typer.Exit()
    if context.invoked_subcommand is None:
        from workbench.cli.launch import show

        raise typer.Exit(show())


@app.command("open")
@experiment_options(
    words={
        "task": Annotated[str, typer.Option(help="A built-in task, or a task file.")],
        "sample": Annotated[
            int | None,
            typer.Option(
                min=1,
                help="Answer edits from so many of the pairs; the numbers of all follow. "
                "[default: all, or what fits 1 GiB]",
            ),
        ],
    },
    amid={"mismatch": "circuit"},
)
@selecting_options
def open_(
    settings: ExperimentSettings,
    selection: Selecting,
    circuit: Annotated[Path | None, typer.Option(help="A circuit file to begin with.")] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINTS",
            help="Follow the circuit over the training of which the model is a checkpoint: its "
            "folder, a pattern, or MODEL@REVISION,REVISION.",
        ),
    ] = None,
) -> int:
    """Open a model and a task in the app."""
    from workbench.cli.checks import check_circuit
    from workbench.cli.launch import show

    settings = settings.checked()
    if circuit is not None:
        check_circuit(circuit, selection)
    elif selection is not None:
        raise WorkbenchError("--edges, --nodes, --select and --signed go with --circuit FILE.")
    followed = () if checkpoints is None else checkpoints_with(checkpoints, settings)
    return show(settings, circuit, selection=selection, checkpoints=followed)


@app.command()
def tutorial(
    restart: Annotated[bool, typer.Option("--restart", help="Begin it anew.")] = False,
) -> int:
    """Learn the workbench in ten minutes, in the app; go on where you left it."""
    from workbench.cli.launch import show

    return show(tutorial="restart" if restart else "go on")


@app.command()
@experiment_options()
@selecting_options
def evaluate(
    circuit: CircuitPath,
    selection: Selecting,
    settings: ExperimentSettings,
    by_pair: Annotated[
        bool, typer.Option("--by-pair", help="List every pair too, the largest shortfall first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score a circuit: everything outside it corrupted."""
    from workbench.cli.checks import read_circuit, warn_of_empty, warn_of_other_model
    from workbench.formats import NeedsGraph

    # What costs nothing to find out comes before what takes seconds.
    settings = settings.checked()
    loaded = None
    with suppress(NeedsGraph):
        loaded = read_circuit(circuit, selection)
        warn_of_other_model(loaded, settings.model)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.engine.score_pieces import cells_of, score_some
        from workbench.experiment.interventions import interventions_of
        from workbench.experiment.prepare import NO_MEMORY, prepare_some

        model = settings.load_model(progress)
        if loaded is None:
            loaded = read_circuit(circuit, selection, model.graph)
        warn_of_empty(loaded, circuit)
        done = interventions_of(loaded)
        prepared = prepare_some(
            model, settings.task, settings, progress, done, beside=cells_of(loaded, model)
        )
        with memory_errors(NO_MEMORY):
            scored = score_some(prepared, loaded, progress, rows=by_pair)
        for warning in scored.warnings:
            console.warn(warning)
        found, rows = scored.score, sorted(scored.rows, key=lambda row: -row.shortfall)
    if as_json:
        pairs: dict[str, Any] = {"by_pair": [row.to_json() for row in rows]} if by_pair else {}
        pairs |= {"interventions": [one.text for one in done]} if done else {}
        output.result_as_json(found.to_json() | pairs)
        return
    output.as_text(found)
    for one in done:
        output.line(f"does          {one.text}")
    if by_pair:
        from workbench.engine.pair_row import table_of_pairs

        output.line(table_of_pairs(rows).to_tsv().rstrip("\n"))


app.command()(tasks)
app.command()(resume)
app.add_typer(sessions, name="sessions")
app.add_typer(jobs, name="jobs")
app.command()(discover)
app.command()(expand)
app.command()(clusters)
app.command()(assess)
app.command()(readout)
app.command()(effects)
app.command()(repair)
app.command()(patch)
app.command()(why)
app.command()(heads)
app.command()(neurons)
app.command()(sweep)
app.command()(grid)
app.command()(checkpoints)
app.command()(intervene)
app.command()(reliability)
app.command("all-for-one")(all_for_one)
app.command("knock-out")(knock_out)
app.command()(rerun)
app.command("run")(run_text)
app.command("try")(try_pair)
app.command()(history)
app.command()(draw)
app.command()(bench)
app.command()(report)
app.add_typer(lens, name="lens")
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
    device_map: DeviceMap = None,
    devices: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help="With --check FOLDER: plan it over such devices (80GiB,80GiB,cpu:200GiB) by its "
            "config.json alone.",
        ),
    ] = None,
    dtype: Dtype = None,
    revision: Revision = None,
    as_json: Json = False,
) -> None:
    """List the models on this machine and the families that are exact, or check one model."""
    if devices is not None:
        if check is None:
            raise WorkbenchError("--devices goes with --check FOLDER.")
        _plan(check, devices, device_map or "balanced", dtype, pairs, tokens, as_json)
        return
    if check is not None:
        with console.ProgressLine() as progress:
            progress("Starting", None)
            from workbench.model_report.facts import to_json
            from workbench.model_report.footprint import of_model
            from workbench.models.cache import forget_checks
            from workbench.models.model import load_model

            forget_checks()

            made = load_model(
                check,
                device=device,
                device_map=device_map,
                dtype=dtype,
                revision=revision,
                recheck=True,
                progress=progress,
            )
            footprint = of_model(made, pairs, tokens)
        if as_json:
            output.as_json(to_json(made.info, footprint))
        else:
            output.as_model(made.info, footprint)
        return
    if device or device_map or dtype or revision:
        raise WorkbenchError(
            "--device, --device-map, --dtype and --revision go with --check MODEL."
        )
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


def _plan(
    folder: str,
    devices: str,
    device_map: str,
    dtype: str | None,
    pairs: int,
    tokens: int,
    as_json: bool,
) -> None:
    """Say what goes where of a model whose weights need not be here."""
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.model_report.device_plan import plan_spread
        from workbench.models.device import choose_dtype
        from workbench.models.device_map import stated_rooms

        rooms = stated_rooms(devices)
        plan = plan_spread(
            folder, Path(folder), choose_dtype(dtype), rooms, pairs, tokens, device_map
        )
    if as_json:
        output.as_json(plan.to_json())
        return
    for label, words in plan.facts():
        output.line(f"{label:<14}{words}")


app.command()(convert)
app.command()(compare)


def _meant(given: list[str]) -> list[str]:
    """The arguments, where `sweep FILE.toml` is `grid FILE.toml`."""
    named = next((one for one in given[1:] if not one.startswith("-")), "")
    if given[:1] == ["sweep"] and named.endswith(".toml"):
        return ["grid", *given[1:]]
    return given


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""

    def command() -> int:
        # Not typer's standalone mode: that ends defects in a way of its own.
        try:
            group = typer.main.get_command(app)
            given = _meant(sys.argv[1:] if args is None else args)
            console.give(given)
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


@jobs.command(hidden=True)
def work(folder: Path) -> int:
    """Compute the job in this folder, in this process."""
    from workbench.jobs.work import work as compute

    def run(arguments: list[str], say: Progress) -> int:
        with console.watched(say):
            return main(arguments)

    return compute(folder, run)


# A wrong flag or argument. Typer carries its own copy of click, or older ones need click itself:
# the class is had by way of one that typer has always exported.
USAGE_ERROR = typer.BadParameter.__mro__[2]
