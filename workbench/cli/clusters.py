"""`workbench clusters`: prompts in clusters by the edges they need, a circuit for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.base.text import tally
from workbench.cli import console, output
from workbench.cli.jobs import Detach, detached
from workbench.cli.options import Do, Json, experiment_options
from workbench.experiment.interventions import parse_all
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.discovery.clusters.find import Clusters
    from workbench.discovery.clusters.run import PromptClusters

WORTH = {
    "faithfulness": "own circuit",
    "distance": "distance",
    "oracle": "best circuit",
}


SEED = typer.Option(help="Of the task's generator, the clustering and the random splits.")


@experiment_options(words={"seed": Annotated[int, SEED]})
def clusters(
    method: Annotated[
        str, typer.Option("--method", "-m", help="What scores the edges of each pair.")
    ] = "eap-ig",
    steps: Annotated[
        int | None, typer.Option(help="Of integrated gradients. [default: the method's own]")
    ] = None,
    edges: Annotated[int, typer.Option(help="How many to select for each circuit.")] = 200,
    signed: Annotated[
        bool, typer.Option("--signed", help="Best is what the task needs most, not |score|.")
    ] = False,
    by_role: Annotated[
        bool,
        typer.Option("--by-role", help="Score and choose edges at each role alone."),
    ] = False,
    k: Annotated[
        int | None, typer.Option("--k", min=1, help="How many clusters. [default: see --by]")
    ] = None,
    by: Annotated[
        Literal["silhouette", "elbow", "gap"], typer.Option(help="What says how many clusters.")
    ] = "silhouette",
    algorithm: Annotated[
        Literal["k-means", "average-linkage"], typer.Option(help="How clusters are made.")
    ] = "k-means",
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise/--raw-scores",
            help="Scale every pair's scores to length 1 before, so that pairs are told apart by "
            "which edges they need and not by how much, or leave them as they are.",
        ),
    ] = True,
    splits: Annotated[
        int, typer.Option(min=0, help="Random splits of the same sizes to compare with.")
    ] = 5,
    *,
    do: Do = None,
    settings: ExperimentSettings,
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="A new folder for the circuits."),
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> int:
    """Cluster prompts by the edges that they need, with a circuit for each cluster."""
    # What costs nothing to find out comes before what takes seconds.
    done = parse_all(do or ())
    settings = settings.checked()
    from workbench.discovery.clusters.files import check_folder
    from workbench.discovery.clusters.request import ClusterRequest

    request = ClusterRequest(
        method,
        steps=steps,
        edges=edges,
        k=k,
        by=by,
        algorithm=algorithm,
        normalise=normalise,
        signed=signed,
        splits=splits,
        by_role=by_role,
    ).checked(metric=settings.metric, ablation=settings.ablation)
    if to is not None:
        check_folder(to)
    if detach:
        return detached(settings.model, settings.task)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.discovery.clusters.run import clusters_under

        model = settings.load_model(progress)
        found = clusters_under(
            settings, model, settings.task, request, interventions=done, progress=progress
        )
    written = [] if to is None else [str(path) for path in found.save(to)]
    if as_json:
        output.result_as_json(found.to_json() | {"written": written})
        return 0
    _report(found)
    for path in written:
        output.line(f"written       {path}")
    return 0


def _report(found: PromptClusters) -> None:
    made = found.clusters
    k = len(made.clusters)
    output.line(f"method        {found.method.name}: {found.method.definition}")
    scaled = ", each pair's scores scaled to length 1" if made.normalised else ""
    for one in found.experiment.interventions:
        output.line(f"does          {one.text}")
    output.line(f"clusters      {k} by {made.algorithm}{scaled}; {_number(made)}")
    for number, cluster in enumerate(made.clusters, start=1):
        output.line("")
        output.line(
            f"cluster {number}     {len(cluster.pairs)} pairs, {cluster.circuit.n_edges:,} edges"
            + (f", {len(at.kept):,} at some roles" if (at := cluster.circuit.at) else "")
        )
        output.line(f"  such as     {found.prompt(cluster.medoid)}")
        if tasks := found.tasks_in(number):
            output.line(f"  tasks       {tally(tasks)}")
    output.line("")
    if found.purity is not None:
        output.line(
            f"purity        {found.purity:.4f}: the share of pairs that are of the most frequent "
            "task of their cluster"
        )
    output.line("faithfulness of each cluster's circuit (rows) on each cluster's pairs (columns)")
    _matrix(made.cross)
    output.line("overlap of the circuits' edges (Jaccard)")
    _matrix(made.overlap)
    output.line("on all pairs  own circuit: faithfulness, each pair by its own cluster's circuit")
    output.line("              distance: mean |m - m(model)| in units of m(model) - m(corrupted)")
    output.line(
        "              best circuit: faithfulness if each pair had the best circuit for it,"
    )
    output.line("              which rises with the number of circuits, whatever they are")
    for name, title in WORTH.items():
        text = f"  {title:<14}{_shown(getattr(made.worth, name))}"
        text += f"   one circuit for all {_shown(getattr(made.together, name))}"
        chance = made.chance(name)
        if chance is not None:
            text += (
                f"   random splits {_shown(chance['mean'])} "
                f"({_shown(chance['least'])} to {_shown(chance['largest'])})"
            )
        output.line(text)


def _number(made: Clusters) -> str:
    said = made.criteria
    if said is None:
        return "their number was given"
    return f"silhouette says {said.silhouette}, elbow {said.elbow}, gap {said.gap}; used: {made.by}"


def _matrix(rows: tuple[tuple[float | None, ...], ...]) -> None:
    for number, row in enumerate(rows, start=1):
        output.line(f"  {number:<4}" + "".join(f"{_shown(value):>10}" for value in row))


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
