"""The map of what is patched at each role, and what is said of the cell under the cursor."""

from __future__ import annotations

import math

from rich.text import Text

from screens.base.numbers import signed
from screens.base.prose import prose
from screens.effects.keys import BY_NAME
from screens.effects.node_grid import NodeGrid
from workbench.effects.role_map_results import RoleMap
from workbench.engine.patch_points import KINDS

KIND = BY_NAME["kind"].shown


class RoleGrid(NodeGrid):
    """Rows are what is patched, columns the roles."""

    GAP = 1
    HELP = f"""\
Activation patching by token role. A row is what is patched, the last layer above: the residual
before a layer, what its attention or its MLP writes, or what one head writes; {KIND}
goes on to the next of them. A column is a role: a place in the prompt that has one name in all
prompts, whatever its position. The activation is ablated at the positions of this role alone, and
everything later reacts. Below zero: the metric falls, so what stood there helped.
"""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kind = ""
        self._wanted: str | None = None
        self._placed: tuple[int, int] | None = None
        self._left: tuple[int, int] | None = None

    @property
    def cell(self) -> tuple[int, int] | None:
        """Row and column under the cursor."""
        row = self.highlighted
        return None if self.map is None or row is None else (row, self.column)

    def show_roles(self, found: RoleMap | None) -> None:
        """Show a map, the cursor where it is.

        Of another kind: on the node that is wanted, else at the top, and on the largest effect as
        soon as all are known, unless somebody has moved by then.
        """
        before = self.map
        if before is not None and found is None:
            self._left = self.cell
        self.show_map(found)
        if found is None or found is before:
            return
        if found.kind != self._kind:
            self._kind, self._left = found.kind, None
            self.move_to(0)
            self._placed = self.cell
        elif before is None and self._left is not None:
            self._go(*self._left)
        if self._wanted is not None:
            self.go_to(self._wanted)
            self._placed = None
        if found.complete and self._placed is not None:
            if self.cell == self._placed and (ranked := found.ranked()):
                point, role, _ = ranked[0]
                self._go(found.rows.index(point), found.columns.index(role))
            self._placed = None

    def go_to(self, node: str) -> None:
        """Put the cursor on a head or MLP at the same role, as soon as the map has it."""
        found = self.map
        self._wanted = node
        if found is not None and found.node_at(0, 0) is not None and node in found.rows:
            self._wanted = None
            self._go(found.rows.index(node), self.column)

    def _go(self, row: int, column: int) -> None:
        self.column = column
        self.move_to(row)
        self.refresh()
        self._tell(self.Highlighted(self, self.highlighted))


def of_roles(found: RoleMap | None, cell: tuple[int, int] | None, width: int) -> list[Text]:
    """A cell in words."""
    if found is None or cell is None:
        return []
    point, role = found.rows[cell[0]], found.columns[cell[1]]
    lines = [Text(f"{point} at {role}", "bold")]
    value, pairs = float(found.grid()[cell]), found.pairs[cell[1]]
    if pairs == 0:
        return lines + prose(f"This prompt has no position of the role {role}.", width)
    if math.isnan(value):
        return lines + prose("Not known yet.", width)
    ranked = [(name, at) for name, at, _ in found.ranked()]
    place = f"number {ranked.index((point, role)) + 1} of {len(ranked)} by size"
    of = f"; mean of {pairs} pair{'' if pairs == 1 else 's'} with this role"
    said = f"{signed(value, 3)}, {place}{of if found.pair is None else ''}."
    return lines + prose(said, width)


def title_of_roles(found: RoleMap | None, kind: str) -> str:
    """What is patched, and what changes."""
    what = KINDS[kind]  # that it is by role stands in the tabs
    return what if found is None else f"{found.metric_name} · {what}"
