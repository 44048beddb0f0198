"""What was found about clusters of prompts, view by view, as lines of a given width.

Nothing here knows a widget or computes a number that the result does not have.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from screens.base.numbers import ABSENT, MINUS, plain
from screens.base.prose import heading, prose
from screens.base.tokens import fit, one_line, show_token
from workbench.base.text import tally

if TYPE_CHECKING:
    from workbench.discovery.clusters.find import Clusters
    from workbench.discovery.clusters.run import PromptClusters
    from workbench.prompts.preview import PromptView
    from workbench.session.prompt_clusters import ClusterResult

VIEWS = ("prompts", "faithfulness", "overlap", "worth", "number")
Read = Callable[[int], "PromptView"]
"""Gives a pair of prompts by its index."""

MEDOID = "◆"
MARGIN = 8
"""Cells before a prompt: its mark and number."""
MOST_CELL = 9
ANSWERS = 3
"""Of a pair that are shown, at most."""
USED = "◂ used"
MEASURES = {
    "faithfulness": "own circuit",
    "distance": "distance",
    "oracle": "best circuit",
}
"""Attributes of `Worth`, as they are called here."""


def describe(
    view: str, clustered: ClusterResult, chosen: int, width: int, read: Read
) -> Iterable[Text]:
    """One of `VIEWS`.

    Args:
        chosen: the number of the chosen cluster, the first being 1.
    """
    found = clustered.clusters
    if view == "prompts":
        return _prompts(clustered, chosen, width, read)
    if view == "faithfulness":
        return _faithfulness(found, chosen, width)
    if view == "overlap":
        return _overlap(found, chosen, width)
    if view == "worth":
        return _worth(clustered, width)
    return _number(found, width)


def _prompts(clustered: ClusterResult, number: int, width: int, read: Read) -> Iterable[Text]:
    cluster = clustered.clusters.clusters[number - 1]
    rest = [pair for pair in cluster.pairs if pair != cluster.medoid]
    yield heading(f"Prompts of cluster {number}, its medoid ({MEDOID}) first")
    if tasks := clustered.result.tasks_in(number):
        yield from prose(f"Of {tally(tasks)}.", width)
    for pair in (cluster.medoid, *rest):
        answers = " ".join(show_token(answer) for answer in read(pair).answers[:ANSWERS])
        words = f"{one_line(clustered.result.prompt(pair))} → {answers}"
        mark = MEDOID if pair == cluster.medoid else " "
        style = "bold" if pair == cluster.medoid else ""
        for i, line in enumerate(textwrap.wrap(words, max(20, width - MARGIN))):
            margin = f"{mark}{pair + 1:>{MARGIN - 3}}  " if i == 0 else " " * MARGIN
            yield Text(margin + line, style)


def _faithfulness(found: Clusters, chosen: int, width: int) -> Iterable[Text]:
    yield heading("Faithfulness of each circuit (row) on the pairs of each cluster (column)")
    yield from _matrix(found.cross, chosen, width)
    yield from prose(
        "A circuit that belongs to its cluster is near 1 on the diagonal and farther from it in "
        "the rest of its row.",
        width,
        "dim",
    )


def _overlap(found: Clusters, chosen: int, width: int) -> Iterable[Text]:
    yield heading("Overlap of the circuits (Jaccard: shared edges, of those in either)")
    yield from _matrix(found.overlap, chosen, width)


def _worth(clustered: ClusterResult, width: int) -> Iterable[Text]:
    """The clusters' circuits beside one circuit for all, and beside what chance gives."""
    found = clustered.clusters
    yield heading("What the clusters are worth, over all pairs")
    yield Text(f"{'':22}" + "".join(f"{name:>14}" for name in MEASURES.values()), "dim")
    yield _row("these clusters", [plain(getattr(found.worth, name)) for name in MEASURES], "bold")
    yield _row("one circuit for all", [plain(getattr(found.together, name)) for name in MEASURES])
    chance = [found.chance(name) for name in MEASURES]
    splits = len(found.control)
    yield _row(f"{splits} random splits, mean", [plain(c["mean"] if c else None) for c in chance])
    for word in ("least", "largest"):
        yield _row(f"  {word}", [plain(c[word] if c else None) for c in chance])
    near = clustered.as_near_by_chance()
    if len(found.clusters) == 1:
        said = "One cluster is all pairs: there is nothing to compare it with."
    elif near is None:
        said = (
            "The model does not tell clean from corrupted prompts: there is nothing to come near."
        )
    elif not near:
        said = (
            f"None of {splits} random splits into clusters of the same sizes comes as near to the "
            "model (distance) as these clusters do."
        )
    else:
        said = (
            "As near to the model (distance) as these clusters, or nearer, by chance: "
            f"{near} of {splits} random splits into clusters of the same sizes."
        )
    yield from prose(said, width, "bold")
    for words in (
        "Own circuit: faithfulness where every pair runs through its cluster's circuit.",
        "Distance: mean |m − m(model)| over the pairs, in units of m(model) − m(corrupted); 0 is "
        "the model, pair by pair.",
        "Best circuit: faithfulness where every pair has the circuit that suits it best. It rises "
        "with the number of circuits even by chance, so only its lead over random splits counts.",
    ):
        yield from prose(words, width, "dim")


CRITERIA = {
    "silhouette": "the largest mean silhouette",
    "elbow": "the bend of the squares within",
    "gap": "the first gap near the next",
}


def number_words(found: Clusters) -> str:
    """Who said how many clusters there are, and what the others say, in a few words."""
    said = found.criteria
    if said is None:
        return "as asked"
    others = ", ".join(f"{name} {getattr(said, name)}" for name in CRITERIA if name != found.by)
    return f"by {found.by} ({others})"


def purity_words(result: PromptClusters) -> str:
    """The purity of the clusters, with what parts it from what follows; "" if it is not known."""
    return "" if result.purity is None else f"purity {plain(result.purity, 2)} · "


def _number(found: Clusters, width: int) -> Iterable[Text]:
    """What each criterion says of how many clusters there are."""
    said = found.criteria
    yield heading("How many clusters")
    if said is None:
        yield from prose(f"{len(found.clusters)}, as was asked for.", width)
        return
    for name, words in CRITERIA.items():
        mark = USED if name == found.by else ""
        text = Text(f"{name:<12}{getattr(said, name):>3}  ", "bold" if mark else "")
        yield text.append(f"{mark:<8}").append(fit(words, width - 25).rstrip(), "dim")
    yield Text(f"{'k':>3}{'within':>13}{'silhouette':>12}{'gap':>10}{'± error':>10}", "dim")
    for k, within in said.within.items():
        text = Text(f"{k:>3}{within:>13.4g}{plain(said.silhouettes.get(k), 3):>12}")
        text.append(f"{plain(said.gaps[k], 3):>10}{plain(said.gap_errors[k], 3):>10}")
        yield text.append(f"  {USED}" if k == len(found.clusters) else "")


def _row(label: str, values: Sequence[str], style: str = "") -> Text:
    return Text(f"{label:<22}" + "".join(f"{value:>14}" for value in values), style)


def _matrix(rows: Sequence[Sequence[float | None]], chosen: int, width: int) -> Iterable[Text]:
    """A square of numbers; the diagonal is bold, and the chosen row is marked."""
    label = len("  circuit 10")
    cells = max(6, min(MOST_CELL, (width - label) // len(rows)))
    yield Text(" " * label + "".join(f"{column:>{cells}}" for column in range(1, len(rows) + 1)),
               "dim")  # fmt: skip
    for i, row in enumerate(rows, start=1):
        text = Text(f"{'▸' if i == chosen else ' '} circuit {i:<2}")
        for j, value in enumerate(row, start=1):
            text.append(_cell(value, cells), "bold" if i == j else "")
        yield text


def _cell(value: float | None, cells: int) -> str:
    """A number with as many digits as there is room for, a blank before it."""
    if value is None:
        return f"{ABSENT:>{cells}}"
    for digits in (3, 2, 1, 0):
        text = plain(value, digits)
        if len(text) < cells:
            return f"{text:>{cells}}"
    return f"{value:.0e}".replace("e+0", "e").replace("-", MINUS).rjust(cells)
