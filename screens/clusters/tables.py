"""What was found about clusters of prompts as tables of raw values, to be copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.base.table import Table

if TYPE_CHECKING:
    from workbench.prompts.preview import PromptView
    from workbench.session.prompt_clusters import ClusterResult


def cluster_tables(held: ClusterResult, read: Callable[[int], PromptView]) -> tuple[Table, ...]:
    """The prompts with their cluster; faithfulness and overlap of the clusters' circuits."""
    found = held.clusters
    prompts = tuple(
        (pair + 1, number, pair == cluster.medoid, held.result.prompt(pair), *_first(read(pair)))
        for number, cluster in enumerate(found.clusters, 1)
        for pair in cluster.pairs
    )
    names = tuple(f"cluster_{number}" for number in range(1, len(found.clusters) + 1))
    cross = tuple((name, *row) for name, row in zip(names, found.cross, strict=True))
    overlap = tuple((name, *row) for name, row in zip(names, found.overlap, strict=True))
    columns = ("pair", "cluster", "medoid", "prompt", "answer")
    return (
        Table("prompts by cluster", columns, tuple(sorted(prompts))),
        Table("faithfulness of circuit on cluster", ("circuit_of", *names), cross),
        Table("overlap of circuits", ("circuit_of", *names), overlap),
    )


def _first(view: PromptView) -> tuple[str | None]:
    return (view.answers[0] if view.answers else None,)
