"""Cursor: where the user is on the bench, of one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from screens.bench.session_runner import EdgesView
from workbench.circuits.tree import TreeRow
from workbench.session.views import Candidate


@dataclass(frozen=True)
class Cursor:
    """The panel with the focus, and what is highlighted.

    Attributes:
        panel: 'circuit', 'candidates' or 'readouts'.
        view: the chosen node, which of its inputs, and the setting of the exact effects.
        row: the highlighted row of the tree.
        edge: the highlighted row of the table of edges.
    """

    panel: str
    view: EdgesView
    row: TreeRow | None
    edge: Candidate | None

    @property
    def node(self) -> str:
        """The chosen node; in the tree the one under the cursor, before the table has followed."""
        if self.panel == "circuit" and self.row is not None:
            return self.row.name
        return self.view.node

    @property
    def source(self) -> str:
        """The node that the highlighted edge comes from; elsewhere the chosen one."""
        return self.node if self.in_table is None else self.in_table.source

    @property
    def chosen(self) -> EdgesView:
        """What a command on the chosen node is about."""
        node = self.node
        return self.view if node == self.view.node else replace(self.view, node=node, inputs="qkv")

    @property
    def in_table(self) -> Candidate | None:
        """The highlighted edge, while the table of edges has the focus."""
        return self.edge if self.panel == "candidates" else None
