"""`workbench effects` and `workbench repair`: what nodes do, and what makes up for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.base.progress import Progress
from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, PlotFile, experiment_options
from workbench.effects.definitions import (
    COLUMNS,
    DEFINITIONS,
    JOINED,
    METRIC,
    TARGETS,
    find_definition,
)
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.readouts.files import check_readout_file

if TYPE_CHECKING:
    from workbench.effects.joint import Joint
    from workbench.effects.map_results import NodeMap
    from workbench.effects.repair_results import Repairer, SelfRepair
    from workbench.experiment.experiment import Experiment

RunOption = Annotated[
    Literal["clean", "corrupted"], typer.Option(help="Whose prompts are run and ablated.")
]
PairOption = Annotated[
    int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
]
_WORDS = " ".join(f"{d.name}: the direct effect is {d.direct}." for d in DEFINITIONS.values())


@experiment_options()
def effects(
    into: Annotated[
        str,
        typer.Option(
            metavar="NODE",
            help="Into the metric, or through one node alone: logits, m10, a9.h1 (q, k and v "
            "together) or a9.h1<q>.",
        ),
    ] = METRIC,
    pair: PairOption = None,
    run: RunOption = "clean",
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Estimates by attribution alone, at once.")
    ] = False,
    top: Annotated[int, typer.Option(min=0, help="How many to list; 0: all.")] = 20,
    *,
    settings: ExperimentSettings,
    out: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Map what ablating each node does, layer by layer: to the metric, or through one reader."""
    settings = settings.checked()
    if out is not None:
        check_readout_file(out)
    with console.ProgressLine() as progress:
        experiment = _prepared(settings, progress)
        from workbench.effects.files import write_effects
        from workbench.effects.node_map import node_map

        found = node_map(
            experiment,
            into,
            run=run,
            pair=pair_index(pair, experiment.n_pairs),
            exact=not estimate,
            progress=lambda fraction: progress("Ablating each node", fraction),
        )
        if out is not None:
            write_effects(found, out)
    if as_json:
        output.as_json(found.to_json() | _told(out))
    else:
        _list_map(found, top)
        _written(out)


@experiment_options()
def repair(
    node: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE",
            help=f"This node; a1.h0{JOINED}m3 ablates both at once, a2 all heads of a layer. "
            "[default: every node]",
        ),
    ] = None,
    definition: Annotated[
        str, typer.Option(help=f"Of self-repair. {_WORDS} See docs/effects.md.")
    ] = "change",
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN",
            help=f"The logit that is looked at: {', '.join(TARGETS)}, or a token. [default: "
            "answers; of removal, top]",
        ),
    ] = None,
    distractor: Annotated[
        list[str] | None,
        typer.Option(metavar="TOKEN", help="Less that of this one. [default: all tokens' mean]"),
    ] = None,
    pair: PairOption = None,
    run: RunOption = "clean",
    position: Annotated[
        int | None,
        typer.Option(max=-1, help="Ablate at this position alone, from the end, -1 the last."),
    ] = None,
    sort: Annotated[
        str, typer.Option(help=f"By which column: node, {', '.join(COLUMNS)}.")
    ] = "direct",
    top: Annotated[int, typer.Option(min=0, help="How many to list; 0: all.")] = 20,
    joint: Annotated[
        bool,
        typer.Option(
            "--joint", help="Test the given nodes for being backups of one another instead."
        ),
    ] = False,
    *,
    settings: ExperimentSettings,
    out: PlotFile = None,
    as_json: Json = False,
) -> None:
    """Direct against total effect of every node, and what makes up for the difference."""
    find_definition(definition)
    if sort != "node" and sort not in COLUMNS:
        raise WorkbenchError(
            f"There is no column {sort!r}; choose one of: node, {', '.join(COLUMNS)}."
        )
    if joint and len(node or ()) < 2:
        raise WorkbenchError("--joint tests two nodes at least: name them, each with --node.")
    settings = settings.checked()
    if out is not None:
        check_readout_file(out)
    with console.ProgressLine() as progress:
        experiment = _prepared(settings, progress)
        from workbench.effects.files import write_effects
        from workbench.effects.joint import joint_effects
        from workbench.effects.self_repair import self_repair
        from workbench.readouts.target import find_target

        def tell(fraction: float) -> None:
            progress("Ablating each node", fraction)

        index = pair_index(pair, experiment.n_pairs)
        if position is not None:
            _check_position(experiment, position)
        named = next((t for t in target or () if t in TARGETS and len(target or ()) == 1), None)
        found: SelfRepair | Joint
        if joint:
            found = joint_effects(experiment, node or (), run=run, progress=tell)
        else:
            found = self_repair(
                experiment,
                node or None,
                definition=definition,
                run=run,
                pair=index,
                target=named
                or find_target(experiment.batch, target or (), distractor or (), pair=index),
                position=None if position is None else -1 - position,
                progress=tell,
            )
        if out is not None:
            write_effects(found, out, sort=sort)
    if as_json:
        output.as_json(found.to_json() | _told(out))
        return
    from workbench.effects.joint import Joint

    if isinstance(found, Joint):
        _list_joint(found)
    else:
        _list_repair(found, sort, top)
    _written(out)


def _check_position(experiment: Experiment, position: int) -> None:
    """Refuse a position, -1 the last, that no prompt has; in the words of the option."""
    longest = max(group.length for group in experiment.batch.groups)
    if position < -longest:
        raise WorkbenchError(
            f"Position {position} is before the first token of the longest prompt; choose one from "
            f"{-longest} to -1."
        )


def _prepared(settings: ExperimentSettings, progress: Progress) -> Experiment:
    progress("Starting", None)
    from workbench.experiment.prepare import prepare

    model = settings.load_model(progress)
    return prepare(model, settings.task, settings, progress)


def _told(out: Path | None) -> dict[str, object]:
    return {"written": [] if out is None else [str(out)], "warnings": console.warned()}


def _written(out: Path | None) -> None:
    if out is not None:
        output.line(f"written       {out}")


def _list_map(found: NodeMap, top: int) -> None:
    output.line(found.title)
    output.line("  node        estimate       exact")
    guessed = dict.fromkeys(found.graph.sources, float("nan"))
    if found.estimates is not None:
        guessed = dict(zip(found.graph.sources, map(float, found.estimates), strict=True))
    exact = dict(zip(found.graph.sources, map(float, found.exact), strict=True))
    ranked = found.ranked()
    for node, _ in ranked[: top or None]:
        output.line(f"  {node:<10}{_number(guessed[node])}{_number(exact[node])}")
    _left(len(ranked), top)
    output.line(found.definition)


def _number(value: float | None) -> str:
    return f"{'':>12}" if value is None or value != value else f"{value:>+12.4f}"


def _left(n: int, top: int) -> None:
    if top and n > top:
        output.line(f"  and {n - top:,} more: --top 0 lists all")


def _list_repair(found: SelfRepair, sort: str, top: int) -> None:
    output.line(f"{found.target}: {found.logit:.4f}; {found.metric_name} {found.metric:.4f}")
    heads = ("direct", "total", "repaired", "heads", "mlps", "norm")
    output.line("  node      " + "".join(f"{name:>10}" for name in heads) + "  made up for by")
    rows = found.sorted_by(sort)
    for row in rows[: top or None]:
        numbers = "".join(f"{getattr(row, name):>+10.4f}" for name in heads)
        who = ""
        if row.is_repaired:
            by = found.repairers(row.node, 3)
            who = "  " + ", ".join(_repairer(r) for r in by)
        word = f"  [{row.verdict}]" if row.verdict else ""
        output.line(f"  {row.node:<10}{numbers}{who}{word}")
    _left(len(rows), top)
    output.line(found.said)


def _repairer(one: Repairer) -> str:
    moved = "" if one.attention is None else f", attention moved {one.attention:.2f}"
    return f"{one.node} {one.change:+.2f} ({one.kind}{moved})"


def _list_joint(found: Joint) -> None:
    output.line(f"{found.metric_name} {found.metric:.4f}; {found.ablation}, {found.run} prompts")
    output.line("  nodes                   effect  beyond the sum")
    for name, effect, beyond in found.table().rows:
        assert isinstance(effect, float)
        told = "" if not isinstance(beyond, float) else f"{beyond:>+16.4f}"
        output.line(f"  {name!s:<20}{effect:>+10.4f}{told}")
    output.line(
        "Beyond the sum: E(both) - E(one) - E(other); large and of E's sign where each is a backup "
        "of the other."
    )
