"""`workbench discover`: a circuit by any method, as a file and a short report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.jobs import Detach, detached
from workbench.cli.options import Do, Json, experiment_options
from workbench.discovery.catalogue import BUILT_IN, METHODS, find_method
from workbench.discovery.options import OWN_FLAGS, own_flag
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.interventions import parse_all
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.discovery.run import Discovery

Steps = Annotated[
    int | None,
    typer.Option(help="Of integrated gradients, or of learning. [default: the method's own]"),
]


_GREEDY = ", ".join(method.name for method in BUILT_IN if method.select == "greedy")
SEED = typer.Option(help="Of the task's generator, and of what a method leaves to chance.")


@experiment_options(words={"seed": Annotated[int, SEED]}, optional=True)
def discover(
    method: Annotated[
        str, typer.Option("--method", "-m", help="One of --list, or FILE.py:NAME.")
    ] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the methods instead.")] = False,
    edges: Annotated[
        int | None, typer.Option(help="How many edges to select, or to end a search with.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(help="How many nodes to select, by a method that scores nodes.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Select all that reach it; of a search: tau, in units of the metric."),
    ] = None,
    select: Annotated[
        Literal["top", "greedy"] | None,
        typer.Option(
            help="The best of all edges, or the best upward from the logits. [default: top; "
            f"greedy for {_GREEDY}]"
        ),
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="Best is what the task needs most, not |score|.")
    ] = False,
    exactly: Annotated[
        bool,
        typer.Option("--exactly", help="So many edges after dead ends are pruned, not before."),
    ] = False,
    by_role: Annotated[
        bool,
        typer.Option("--by-role", help="Score, choose, keep and drop edges at each role alone."),
    ] = False,
    steps: Steps = None,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="A search compares |change| with tau.")
    ] = False,
    measure: Annotated[
        Literal["metric", "kl"], typer.Option(help="What a search goes by.")
    ] = "metric",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any option of the method; may be repeated."),
    ] = None,
    *,
    do: Do = None,
    settings: ExperimentSettings,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The circuit file.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Of the circuit file: see docs/files.md. [default: that of its suffix]",
        ),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all scores, for numpy (.npz).")
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> int:
    """Find a circuit: score all edges and select the best, search, or learn a mask.

    Ctrl-C stops a long method; what it has found by then is selected from and written.
    """
    if list_:
        _list(as_json)
        return 0
    if not settings.model or not settings.task or not method:
        raise WorkbenchError(
            "Name a model, a task and a method: workbench discover MODEL TASK --method eap "
            "--edges 200 (workbench discover --list shows the methods)."
        )
    # What costs nothing to find out comes before what takes seconds.
    from workbench.base.write_file import check_target
    from workbench.discovery.options import read_options
    from workbench.discovery.request import DiscoveryRequest
    from workbench.formats.targets import form_of

    format_ = form_of(to or "", format_)
    entry = find_method(method)
    request = DiscoveryRequest.parse(
        method,
        edges=edges,
        nodes=nodes,
        threshold=threshold,
        select=select,
        signed=signed,
        exactly=exactly,
        by_role=by_role,
        steps=steps,
        absolute=absolute,
        measure=measure,
        options=read_options(entry.options, option or (), entry.name),
        seed=settings.seed,
    ).checked(metric=settings.metric, ablation=settings.ablation)
    done = parse_all(do or ())
    settings = settings.checked()
    for path in (to, scores):
        if path is not None:
            check_target(path)
    if detach:
        return detached(settings.model, settings.task)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.discovery.run import discover as found_by

        model = settings.load_model(progress)
        with first_interrupt() as cancel:
            found = found_by(
                model,
                settings.task,
                request,
                under=settings,
                progress=progress,
                cancel=cancel,
                interventions=done,
            )
    lost: tuple[str, ...] = ()
    if to is not None:
        lost = found.save(to, format_)
    if scores is not None:
        found.save_scores(scores)
    written = [str(path) for path in (to, scores) if path is not None]
    for sentence in lost:
        console.warn(sentence)
    if as_json:
        told = {"written": written, "lost": list(lost)}
        output.result_as_json(found.to_json() | told)
    else:
        _report(found, written)
    if found.complete:
        return 0
    where = " and ".join(written) or "the report"
    hold = "hold" if len(written) > 1 else "holds"
    console.say(f"workbench: interrupted; {where} {hold} what had been found by then.")
    return console.EXIT_INTERRUPTED


def _list(as_json: bool) -> None:
    if as_json:
        output.as_json([method.to_json() for method in METHODS.values()])
        return
    for method in METHODS.values():
        output.line(f"{method.name}  ({method.kind})  {method.title}")
        output.line(f"  {method.definition}")
        own = [own_flag(name) for name in method.option_names if name in OWN_FLAGS]
        heeds = [flag for flag in own if flag != "--seed"]
        if heeds:
            output.line(f"  heeds {', '.join(heeds)}")
        for field in method.options:
            if field.name not in OWN_FLAGS:
                default = "" if field.default is None else f" [default: {field.default}]"
                output.line(f"  --option {field.name}=VALUE  {field.help}{default}")
        if METHODS.is_foreign(method.name):
            output.line(f"  comes from {METHODS.source(method.name)}")
        if len(method.ablations) < len(ABLATIONS):
            output.line(f"  defined for the ablation {', '.join(method.ablations)} alone")


def _report(found: Discovery, written: list[str]) -> None:
    method, selected, ablation = found.request.entry, found.selected, found.score.ablation
    output.line(f"method        {method.name}: {method.definition}")
    output.line(f"ablation      {ablation}: {ABLATIONS[ablation].words}")
    told = ", ".join(f"{name} {value}" for name, value in found.summary()["options"].items())
    output.line(f"options       {told}")
    for done in found.circuit.provenance.get("interventions", ()):
        output.line(f"does          {done['text']}")
    if not found.complete:
        output.line("partial       the method was stopped before its end")
    how, selection = "by the method itself", found.request.selection
    if selection is not None:
        how = f"{selection.how} by {'importance' if selection.signed else '|score|'}"
        if selection.threshold is not None:
            how += f" of at least {selection.threshold:g}"
    asked = "" if selected.asked is None else f"{selected.asked:,} asked for, "
    output.line(
        f"selection     {how}: {selected.unit}, {asked}{selected.chosen:,} chosen, "
        f"{selected.kept:,} kept after pruning dead ends"
    )
    output.as_text(found.score)
    output.line(f"time          {found.seconds:.3g} s")
    for remark in found.remarks:
        output.line(f"remark        {remark}")
    for path in written:
        output.line(f"written       {path}")
