"""What is asked for of clusters, as fields on one or two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widgets import Button

from screens.discovery.fields import Labelled
from screens.widgets.choice import Choice
from workbench.discovery.clusters.request import ClusterRequest

if TYPE_CHECKING:
    from workbench.discovery.clusters.clustering import Algorithm, Criterion
    from workbench.session.session import Session

MOST_CLUSTERS = 10
MOST_EDGES = 200
SHARE = 10
"""At first one edge in so many is asked for, if that is less than `MOST_EDGES`."""


class ClusterSettings(Container):
    """The fields. `request` reads them."""

    HELP = """\
What scores the edges of each pair; how many edges each circuit is to have, before dead ends are
taken out; how many clusters, as a number or by a criterion; how clusters are made; and whether
every pair's scores are **scaled** to length 1 before, so that pairs are compared by which edges
they need, not by how much. *by role* scores and chooses edges at each token role alone.
"""
    CRITERIA: ClassVar = [(name, f"by {name}") for name in ("silhouette", "elbow", "gap")]
    ALGORITHMS: ClassVar = [("k-means", "k-means"), ("average-linkage", "average linkage")]
    OVER: ClassVar = [("", "whole"), ("role", "by role")]
    SCALES: ClassVar = [("", "as they are"), ("scaled", "scaled")]

    def __init__(self, session: Session) -> None:
        super().__init__()
        held = session.clusterer.held
        edges = max(1, min(MOST_EDGES, session.graph.n_edges // SHARE))
        self.first = ClusterRequest(edges=edges) if held is None else held.request
        self.methods = [(method.name, method.name) for method in session.clusterer.methods()]
        most = min(MOST_CLUSTERS, session.task.n_pairs)
        self.numbers = [*self.CRITERIA, *((str(k), str(k)) for k in range(1, most + 1))]

    def compose(self) -> ComposeResult:
        first = self.first
        with Horizontal():
            yield Choice("method", self.methods, first.method, id="method")
            yield Labelled("edges", id="edges")
            number = first.by if first.k is None else str(first.k)
            yield Choice("clusters", self.numbers, number, id="number")
        with Horizontal():
            yield Choice("made by", self.ALGORITHMS, first.algorithm, id="algorithm")
            scale = "scaled" if first.normalise else ""
            yield Choice("scores", self.SCALES, scale, id="scores")
            yield Choice("edges", self.OVER, "role" if first.by_role else "", id="over")
            yield Button("Find", compact=True)

    def on_mount(self) -> None:
        self.query_one("#edges", Labelled).value = str(self.first.edges)

    def request(self) -> ClusterRequest:
        """What is asked for. Raises `Refused`, with a sentence, if no number of edges is typed."""
        number = self._value("number")
        by_number = number.isdigit()
        return ClusterRequest(
            method=self._value("method"),
            edges=self.query_one("#edges", Labelled).whole(1),
            k=int(number) if by_number else None,
            by=cast("Criterion", "silhouette" if by_number else number),
            algorithm=cast("Algorithm", self._value("algorithm")),
            normalise=bool(self._value("scores")),
            by_role=bool(self._value("over")),
        )

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Choice).value
