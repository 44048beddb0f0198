"""The rows of the bench's lists as tables of raw values, to be copied or written."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.base.table import Table
from workbench.circuits.names import input_of, parse_name
from workbench.circuits.tree import TreeRow
from workbench.session.views import Candidate


def edge_table(rows: Sequence[Candidate]) -> Table:
    """Edges into a node; effects in units of the metric."""
    into = {parsed.node for row in rows if (parsed := parse_name(row.destination))}
    title = f"edges into {min(into)}" if len(into) == 1 else "edges"
    columns = (
        *("edge", "source", "destination", "input", "at", "kept", "open", "eap", "exact", "score"),
        *("direct", "drop_cost", "found", "proposed", "reference", "role"),
    )
    values = tuple(
        (
            *(row.edge, row.source, row.destination, input_of(row.destination)),
            *(" ".join(row.at), row.kept),
            *(
                row.open,
                row.eap,
                row.exact,
                row.score,
                row.direct,
                row.drop_cost,
                row.found,
                row.proposed,
            ),
            *(row.reference, row.role),
        )
        for row in rows
    )
    return Table(title, columns, values)


def tree_table(rows: Sequence[TreeRow]) -> Table:
    """The circuit as a tree, row by row from the logits."""
    columns = (
        *(
            "depth",
            "node",
            "parent",
            "edge",
            "input",
            "at",
            "effect",
            "estimated",
            "state",
            "repeated",
        ),
        *("reference", "role"),
    )
    values = tuple(
        (
            *(row.depth, row.name, row.parent, row.edge, input_of(row.destination or "")),
            " ".join(row.at),
            *(row.effect, row.estimated, row.state, row.repeated, row.reference, row.role),
        )
        for row in rows
    )
    return Table("circuit", columns, values)
