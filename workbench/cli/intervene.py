"""`workbench intervene`: scale, set or add to components, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, Selecting, experiment_options, selecting_options
from workbench.errors import WorkbenchError
from workbench.experiment.intervention_groups import PREFIX, parse_with_groups
from workbench.experiment.interventions import VECTORS, Intervention, parse_factors
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.circuits.circuit import RoleGroup
    from workbench.circuits.graph import Graph
    from workbench.engine.intervention_results import (
        AlphaCurve,
        InterventionEffect,
        Measures,
    )
    from workbench.engine.trial_results import TokenChance

Lines = list[str] | None


@experiment_options()
@selecting_options
def intervene(
    settings: ExperimentSettings,
    selection: Selecting,
    scale: Annotated[
        Lines,
        typer.Option(
            metavar="NODE=FACTOR",
            help="Scale: a5.h1=2, an edge a5.h1->m7=0, a group of the circuit group:movers=0.",
        ),
    ] = None,
    set_: Annotated[
        Lines,
        typer.Option("--set", metavar="NODE=VECTOR", help=f"Set: m3=mean ({', '.join(VECTORS)})."),
    ] = None,
    add: Annotated[
        Lines,
        typer.Option(metavar="NODE=N*VECTOR", help="Add: r5=3*unit:difference. Repeatable."),
    ] = None,
    do: Annotated[
        Lines,
        typer.Option(metavar="LINE", help="Any of these in one line: 'a5.h1 * 2 at -1'."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="POSITIONS",
            help="For all of --scale, --set and --add: -1, 0,3, -2: as Python counts, or token "
            "roles, S2. [default: all]",
        ),
    ] = None,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure this circuit in both models.")
    ] = None,
    alphas: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="A curve: these factors for the last one, 0,1,2."),
    ] = None,
    pair: Annotated[
        int, typer.Option(min=1, help="Whose next tokens are listed, counted from 1.")
    ] = 1,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many of the likeliest.")] = 10,
    tokens: Annotated[int, typer.Option(min=0, max=1000, help="Go on with so many tokens.")] = 10,
    as_json: Json = False,
) -> None:
    """Scale, set or add to components of a model, and measure what it does then."""
    from workbench.cli.checks import read_circuit, warn_of_empty
    from workbench.formats import NeedsGraph

    # What costs nothing to find out comes before what takes seconds.
    asked = _asked(scale, set_, add, do, at)
    known = [_parsed(*one) for one in asked if PREFIX not in one[0]]
    factors = None if alphas is None else parse_factors(alphas)
    if factors is not None and len(known) == len(asked):
        known[-1].times(1.0)
    settings, loaded = settings.checked(), None
    if circuit is not None:
        with suppress(NeedsGraph):
            loaded = read_circuit(circuit, selection)
    elif selection is not None:
        raise WorkbenchError("--edges, --nodes, --select and --signed go with --circuit FILE.")
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.base.work import finish
        from workbench.engine.intervention_effect import (
            alpha_curves,
            intervention_effects,
            with_interventions,
        )
        from workbench.experiment.prepare import NO_MEMORY, prepare

        model = settings.load_model(progress)
        if circuit is not None:
            loaded = loaded or read_circuit(circuit, selection, model.graph)
            warn_of_empty(loaded, circuit)
        groups = () if loaded is None else loaded.groups
        every = [_parsed(*one, groups, model.graph) for one in asked]
        plain = prepare(model, settings.task, settings, progress)
        pair_index(pair, plain.n_pairs)
        curve = None
        with memory_errors(NO_MEMORY):
            done = with_interventions(plain, every)
            how = {"pair": pair - 1, "top": top, "n": tokens}
            effect = finish(
                intervention_effects(plain, done, loaded, **how),
                lambda fraction: progress("Measuring", fraction),
            )
            if factors is not None:
                work = alpha_curves(plain, done.interventions, -1, factors, loaded)
                curve = finish(work, lambda fraction: progress("Going over factors", fraction))
    if as_json:
        value = effect.to_json() | ({"curve": curve.to_json()} if curve is not None else {})
        output.as_json(value | {"warnings": console.warned()})
        return
    _report(effect)
    if curve is not None:
        _report_curve(curve)


def _asked(
    scale: Lines, set_: Lines, add: Lines, do: Lines, at: str | None
) -> list[tuple[str, str | None]]:
    """Every line, and at which positions if it does not say so itself."""
    made: list[tuple[str, str | None]] = []
    for option, lines, sign in (("--scale", scale, "*"), ("--set", set_, "="), ("--add", add, "+")):
        for line in lines or ():
            nodes, equals, rest = line.partition("=")
            if not equals or not rest:
                raise WorkbenchError(f"{option} takes NODE=..., not {line[:40]!r}.")
            made.append((f"{nodes} {sign} {rest}", at))
    made += [(line, None) for line in do or ()]
    if not made:
        raise WorkbenchError("Say what is to be done: --scale, --set, --add or --do.")
    return made


def _parsed(
    line: str,
    at: str | None,
    groups: Sequence[RoleGroup] = (),
    graph: Graph | None = None,
) -> Intervention:
    one = Intervention.parse(line) if graph is None else parse_with_groups(line, groups, graph)
    return one if at is None else replace(one, at="".join(at.split()))


def _report(found: InterventionEffect) -> None:
    for line in found.interventions:
        output.line(f"does          {line}")
    rows = (("without", found.without), ("with", found.done))
    output.line(f"{found.metric:<14}clean      corrupted  accuracy  KL        faithfulness")
    for name, one in rows:
        output.line(f"{name:<14}{_measures(one)}")
    output.line("")
    output.line("|".join(found.prompt))
    for left, right in zip(found.top_without, found.top_done, strict=True):
        output.line(f"{_chance(left):<32}{_chance(right)}")
    for name, side in (("without", found.goes_on_without), ("with", found.goes_on_done)):
        if side:
            output.line(f"{name:<8} {''.join(one.text for one in side)!r}")
    output.line(found.definition)


def _measures(one: Measures) -> str:
    share = "" if one.faithfulness is None else f"{one.faithfulness:.4f}"
    numbers = f"{one.clean:<11.4g}{one.corrupted:<11.4g}{one.accuracy:<10.3f}{one.kl:<10.4g}"
    return (numbers + share).rstrip()


def _report_curve(curve: AlphaCurve) -> None:
    output.line("")
    output.line(f"{curve.intervention}, over its factor")
    output.line(f"{'factor':<10}{curve.metric:<12}accuracy  KL        faithfulness")
    for one in curve.points:
        share = "" if one.faithfulness is None else f"{one.faithfulness:.4f}"
        numbers = f"{one.alpha:<10g}{one.metric:<12.4g}{one.accuracy:<10.3f}{one.kl:<10.4g}"
        output.line((numbers + share).rstrip())


def _chance(one: TokenChance) -> str:
    return f"{one.probability:>8.4f} {one.text!r}"
