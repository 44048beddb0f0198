"""`workbench patch`: activation patching layer by role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, PlotFile, experiment_options
from workbench.engine.patch_points import KINDS, check_kind
from workbench.experiment.settings import ExperimentSettings
from workbench.readouts.files import check_readout_file

if TYPE_CHECKING:
    from workbench.effects.role_map_results import RoleMap

_KINDS = "; ".join(f"{kind}: {words}" for kind, words in KINDS.items())


@experiment_options()
def patch(
    what: Annotated[str, typer.Option(help=f"What is patched. {_KINDS}.")] = "residual",
    pair: Annotated[
        int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
    ] = None,
    run: Annotated[str, typer.Option(help="Whose prompts are run: clean or corrupted.")] = "clean",
    top: Annotated[int, typer.Option(min=0, help="How many rows to list; 0: all.")] = 40,
    *,
    settings: ExperimentSettings,
    out: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Patch activations at each token role alone: a map of layers by roles."""
    settings = settings.checked()
    check_kind(what)
    if out is not None:
        check_readout_file(out)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.experiment.prepare import prepare

        experiment = prepare(settings.load_model(progress), settings.task, settings, progress)
        from workbench.effects.files import write_effects
        from workbench.effects.role_map import role_map

        found = role_map(
            experiment,
            what,
            run=run,
            pair=pair_index(pair, experiment.n_pairs),
            progress=lambda fraction: progress("Patching", fraction),
        )
        if out is not None:
            write_effects(found, out)
    if as_json:
        told = {"written": [] if out is None else [str(out)], "warnings": console.warned()}
        output.as_json(found.to_json() | told)
        return
    _list(found, top)
    if out is not None:
        output.line(f"written       {out}")


def _list(found: RoleMap, top: int) -> None:
    """The rows whose largest effect is largest, in the order of the layers, the last first."""
    output.line(found.title)
    widths = [max(9, len(role) + 2) for role in found.roles]
    heads = "".join(f"{role:>{w}}" for role, w in zip(found.roles, widths, strict=True))
    output.line(f"  {'':<8}{heads}")
    largest = dict.fromkeys(point for point, _, _ in found.ranked())
    listed = set(list(largest)[: top or None])
    for point, row in reversed(list(zip(found.points, found.values, strict=True))):
        if point in listed:
            cells = "".join(f"{value:>+{w}.3f}" for value, w in zip(row, widths, strict=True))
            output.line(f"  {point:<8}{cells}")
    if len(largest) > len(listed):
        output.line(f"  and {len(largest) - len(listed):,} more: --top 0 lists all")
    output.line(found.definition)
