"""The clusters as a list: each one's size, and what its circuit does for it and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text

from screens.base.numbers import count, plain
from screens.base.tokens import fit
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table

if TYPE_CHECKING:
    from workbench.discovery.clusters.find import Clusters

HEADING = f"   {'pairs':>6}{'medoid':>8}{'edges':>8}{'own':>9}{'others':>9}  (faithfulness)"


@dataclass(frozen=True)
class ClusterRow:
    """One cluster.

    Attributes:
        number: counted from 1, the largest cluster first.
        pairs: how many are in it.
        medoid: number of the pair that is nearest to all others in it, counted from 1.
        edges: of its circuit.
        own, others: faithfulness of its circuit on its own pairs, and on those of all others.
    """

    number: int
    pairs: int
    medoid: int
    edges: int
    own: float | None
    others: float | None


def cluster_rows(found: Clusters) -> list[ClusterRow]:
    """One row a cluster, in their order."""
    return [
        ClusterRow(
            i + 1,
            len(cluster.pairs),
            cluster.medoid + 1,
            cluster.circuit.n_edges,
            found.cross[i][i],
            found.others[i],
        )
        for i, cluster in enumerate(found.clusters)
    ]


class ClusterList(LineList[ClusterRow]):
    """The list; what is shown beside it belongs to the cluster under the cursor."""

    HEADING: ClassVar[int] = 1
    HELP = """\
Prompts are put together by the edges that they need: each pair's own edge scores are reduced by a
truncated SVD and cut into clusters. The mean of a cluster's scores selects its circuit, which is
then evaluated exactly.

- **own**: faithfulness of the cluster's circuit on its pairs
- **others**: its faithfulness on the pairs of all other clusters
- **medoid**: the pair that is nearest to all others of the cluster, marked ◆ among its prompts
"""

    def key(self, row: ClusterRow) -> str:
        return str(row.number)

    def names(self, row: ClusterRow) -> tuple[tuple[str, str], ...]:
        return (("name", f"cluster {row.number}"),)

    def table(self) -> Table:
        columns = ("cluster", "pairs", "medoid", "edges", "own", "others")
        values = tuple(
            (row.number, row.pairs, row.medoid, row.edges, row.own, row.others) for row in self.rows
        )
        return Table("clusters of prompts", columns, values)

    def heading(self, width: int) -> Text:
        return Text(fit(HEADING, width))

    def line(self, row: ClusterRow, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '}{row.number:>2}")
        text.append(f"{count(row.pairs):>6}{count(row.medoid):>8}{count(row.edges):>8}")
        text.append(f"{plain(row.own, 3):>9}", "bold").append(f"{plain(row.others, 3):>9}")
        return text
