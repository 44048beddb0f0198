"""`workbench reliability`: sound and faulty components, and the sound ones scaled up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, experiment_options
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import parse_factors
from workbench.experiment.settings import ExperimentSettings
from workbench.reliability.results import KINDS, ORDERS, ReliabilitySettings

if TYPE_CHECKING:
    from workbench.reliability.results import ComponentReliability, Reliability, Steering

_DEFAULT = ReliabilitySettings()
SHOWN = 12
"""Components of a kind that are listed, where --all is not asked for."""


@experiment_options()
def reliability(
    settings: ExperimentSettings,
    neurons: Annotated[
        bool, typer.Option("--neurons", help="Look at neurons, too. It takes minutes.")
    ] = False,
    sound: Annotated[
        float, typer.Option(min=0.01, max=1, help="Accuracy on a class that is reliable.")
    ] = _DEFAULT.sound,
    harm: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of wrong answers promoted: harmful.")
    ] = _DEFAULT.harm,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the largest logit: promoted.")
    ] = _DEFAULT.share,
    order: Annotated[
        str, typer.Option(help=f"How reliable ones are ranked: {', '.join(ORDERS)}.")
    ] = _DEFAULT.order,
    numbers: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="How many to scale: 1,3,5.")
    ] = None,
    factors: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="And by how much: 1.4,2.")
    ] = None,
    also: Annotated[
        str | None, typer.Option(metavar="TASK", help="Tell what scaling does to this task.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Read what is written at this role, not at the end: S2."),
    ] = None,
    position: Annotated[
        int, typer.Option(help="Or at this token: from the end if negative, else from the start.")
    ] = -1,
    pair: Annotated[
        int | None, typer.Option(min=1, help="The map of this pair alone, from 1. [default: all]")
    ] = None,
    run: Annotated[
        Literal["clean", "corrupted", "clean-corrupted"],
        typer.Option(help="What is written on which prompts, or the difference."),
    ] = "clean",
    only_map: Annotated[
        bool, typer.Option("--map", help="Do not scale; the map is of all prompts then.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List every component.")] = False,
    as_json: Json = False,
) -> None:
    """Find which components prefer the right answer, and scale the reliable ones up."""
    from workbench.prompts.task_file import check_task

    # What costs nothing to find out comes before what takes seconds.
    if role is not None and position != -1:
        raise WorkbenchError("Name a --position or a --role, not both.")
    how = _settings(neurons, sound, harm, share, order, numbers, factors)
    how = replace(how, position=role or position, run=run)
    settings = settings.checked()
    if also is not None:
        check_task(also)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.base.work import finish
        from workbench.experiment.prepare import NO_MEMORY, prepare
        from workbench.reliability.steering import reliability as find

        model = settings.load_model(progress)
        experiment = prepare(model, settings.task, settings, progress)
        how = replace(how, pair=pair_index(pair, experiment.n_pairs))
        other = None
        if also is not None:
            own = replace(settings, task=also, metric=None, pairs=None, means=None)
            other = prepare(model, also, replace(own, ablation="patching"), progress)
        with memory_errors(NO_MEMORY):
            found = finish(
                find(experiment, how, scale_up=not only_map, also=other),
                lambda fraction: progress("Looking at components", fraction),
            )
    if as_json:
        output.as_json(found.to_json() | {"warnings": console.warned()})
    else:
        _report(found, None if everything else SHOWN)


def _settings(
    neurons: bool,
    sound: float,
    harm: float,
    share: float,
    order: str,
    numbers: str | None,
    factors: str | None,
) -> ReliabilitySettings:
    made = replace(
        _DEFAULT,
        neurons=neurons,
        sound=sound,
        harm=harm,
        share=share,
        order=order,  # type: ignore[arg-type]  # checked by the settings
    )
    if factors is not None:
        made = replace(made, factors=parse_factors(factors))
    if numbers is not None:
        many = parse_factors(numbers)
        if any(n != int(n) or n < 1 for n in many):
            raise WorkbenchError(f"--numbers takes whole numbers from 1, not {numbers[:40]!r}.")
        made = replace(made, numbers=tuple(int(n) for n in many))
    return made


def _report(found: Reliability, most: int | None) -> None:
    classes = found.map.classes
    counts = ", ".join(f"{n} of {c!r}" for n, c in zip(found.map.prompts, classes, strict=True))
    output.line(f"prompts       {counts}")
    output.line(f"read at       {found.map.settings.place}")
    for kind in KINDS:
        own = found.map.of_kind(kind)
        output.line("")
        output.line(f"{kind}: {len(own):,}, {found.map.settings.words(kind)}")
        if own and (kind != "unreliable" or most is None):
            output.line(f"{'':<14}{'right on each class':<34}F1    wrong promoted")
        for one in own[: (0 if kind == "unreliable" else most) if most is not None else None]:
            output.line(_component(one))
    if found.steering is not None:
        output.line("")
        _report_steering(found.steering, classes)
    output.line("")
    output.line(found.map.definition)


def _component(one: ComponentReliability) -> str:
    return f"{one.name:<14}{_shares(one.accuracy):<34}{one.macro_f1:<6.2f}{one.harmful_share:.2f}"


def _report_steering(found: Steering, classes: tuple[str, ...]) -> None:
    output.line(f"likeliest token right, by class: {', '.join(map(repr, classes))}")
    output.line(f"{'as it is':<20}{_shares(found.before)}")
    for point in found.grid:
        name = f"{point.number} x {point.factor:g}"
        output.line(f"{name:<20}{_shares(point.accuracy)}")
    output.line(f"chosen        {found.intervention or 'nothing: none does better'}")
    output.line(f"other half    {_shares(found.told_before)} as it is")
    output.line(f"              {_shares(found.told_after)} scaled")
    if found.also is not None:
        one = found.also
        output.line(f"{one.task:<14}{one.before:.3f} as it is, {one.after:.3f} scaled")
    before, after = found.perplexity_before, found.perplexity_after
    output.line(f"perplexity    {before:.2f} as it is, {after:.2f} scaled, of plain English")
    output.line(found.definition)


def _shares(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
