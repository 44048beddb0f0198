"""`workbench why`: why a head attends there, by who wrote what its query and key read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import console, output
from workbench.cli.checks import pair_index
from workbench.cli.options import Json, experiment_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.readouts.attention_sources import AttentionSources

MOST_SUMS = 6
"""Sources that are listed for the query alone, and for the key alone."""


@experiment_options()
def why(
    head: Annotated[str, typer.Option(metavar="NODE", help="The head, such as a9.h1.")],
    query: Annotated[
        str, typer.Option(help="From where it looks: a position, -1 the last, or a token role.")
    ] = "-1",
    key: Annotated[
        str | None,
        typer.Option(help="At what: a position or a role. [default: what it attends to most]"),
    ] = None,
    pair: Annotated[
        int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
    ] = None,
    run: Annotated[
        str, typer.Option(help="Which prompts: clean, corrupted or clean-corrupted.")
    ] = "clean",
    top: Annotated[int, typer.Option(min=1, help="How many pairs of sources to list.")] = 12,
    without: Annotated[
        int,
        typer.Option(
            min=0, help="Of so many of them, what the key gets without the two edges, exactly."
        ),
    ] = 0,
    *,
    settings: ExperimentSettings,
    as_json: Json = False,
) -> None:
    """Why a head attends there: its score split by the sources of query and key."""
    settings = settings.checked()
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.experiment.prepare import prepare

        experiment = prepare(settings.load_model(progress), settings.task, settings, progress)
        from workbench.readouts.attention_sources import attention_sources, attention_without

        index = pair_index(pair, experiment.n_pairs)
        places = [_place(where) for where in (query, key)]
        if index is None and any(isinstance(where, int) for where in places):
            places = [_role(experiment.batch.roles, where) for where in places]
        looks, seen = places
        assert looks is not None
        found = attention_sources(experiment, head, query=looks, key=seen, pair=index, run=run)
        left = []
        for n, (source, other, _) in enumerate(found.strongest(min(without, top))):
            progress("Leaving edges out", n / min(without, top))
            left.append(attention_without(experiment, found, source, other))
    if as_json:
        output.as_json(_json(found, top, left))
    else:
        _list(found, top, left)


def _place(where: str | None) -> int | str | None:
    """A position if it is a whole number, else a role's name."""
    return int(where) if where is not None and where.lstrip("-").isdecimal() else where


def _role(roles: Any, where: int | str | None) -> int | str | None:
    """Of a mean over pairs, the role of a position of the first pair."""
    if not isinstance(where, int):
        return where
    own = roles.at(0)
    if not -len(own) <= where < len(own):
        raise WorkbenchError(f"There is no position {where} in a prompt of {len(own)} tokens.")
    return str(own[where])


def _json(found: AttentionSources, top: int, left: list[float]) -> dict[str, Any]:
    pairs = [
        {"query_source": source, "key_source": other, "part": part}
        | ({"attention_without": left[n]} if n < len(left) else {})
        for n, (source, other, part) in enumerate(found.strongest(top))
    ]
    return {
        "head": found.place.node,
        "query": found.query,
        "key": found.key,
        "pair": None if found.place.pair is None else found.place.pair + 1,
        "pairs_read": len(found.spots),
        "run": found.place.run,
        "score": found.score,
        "attention": found.attention,
        "parts": pairs,
        "by_query": dict(zip(found.sources, found.by_query.tolist(), strict=True)),
        "by_key": dict(zip(found.sources, found.by_key.tolist(), strict=True)),
        "definition": found.definition,
        "warnings": console.warned(),
    }


def _list(found: AttentionSources, top: int, left: list[float]) -> None:
    output.line(
        f"{found.place.node} from {found.query} to {found.key}: score {found.score:+.3f}, "
        f"attention {found.attention:.3f}"
    )
    output.line(f"  {'query reads':<12}{'key reads':<12}{'part':>9}{'   attention without':<20}")
    for n, (source, other, part) in enumerate(found.strongest(top)):
        told = f"{left[n]:>12.3f}" if n < len(left) else ""
        output.line(f"  {source:<12}{other:<12}{part:>+9.3f}{told}")
    for words, values in (("query", found.by_query), ("key", found.by_key)):
        order = abs(values).argsort()[::-1][:MOST_SUMS]
        said = ", ".join(f"{found.sources[i]} {values[i]:+.3f}" for i in order)
        output.line(f"{words + ' alone':<12}  {said}")
    output.line(found.definition)
