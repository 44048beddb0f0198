"""TreeLayout: the tree's rows with what drawing them needs, made in a thread.

The tree may be large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from screens.base.numbers import digits_for
from workbench.circuits.tree import TreeRow

DEEPEST = 8
"""Levels drawn as lines; deeper rows say their depth in front instead."""


def key_of(row: TreeRow) -> str:
    """What a row is known by: its kept edge, which no other row has; the logits by their name."""
    return row.edge or row.name


@dataclass(frozen=True)
class TreeLayout:
    """The rows of the tree and how they hang together.

    Attributes:
        rows: as the session gives them: depth first.
        index: place of a row by its key.
        home: place of the row, by node, under which what feeds the node is listed; a missing
            edge's row is nobody's.
        above: place of each row's parent, -1 for the first.
        last: whether a row is the last child of its parent.
        digits: behind the point of the effects.
    """

    rows: tuple[TreeRow, ...] = ()
    index: dict[str, int] = field(default_factory=dict)
    home: dict[str, int] = field(default_factory=dict)
    above: tuple[int, ...] = ()
    last: tuple[bool, ...] = ()
    digits: int = 4

    @classmethod
    def of(cls, rows: Sequence[TreeRow]) -> TreeLayout:
        index: dict[str, int] = {}
        home: dict[str, int] = {}
        above: list[int] = []
        last = [True] * len(rows)
        path: list[int] = []  # the row last seen at each depth
        largest = 0.0
        for i, row in enumerate(rows):
            index[key_of(row)] = i
            if row.state != "missing" and (not row.repeated or row.name not in home):
                home[row.name] = i
            if len(path) > row.depth:
                last[path[row.depth]] = False
                del path[row.depth :]
            above.append(path[-1] if path else -1)
            path.append(i)
            if row.effect is not None and abs(row.effect) > largest:
                largest = abs(row.effect)
        return cls(tuple(rows), index, home, tuple(above), tuple(last), digits_for(largest))

    def find(self, node: str) -> TreeRow | None:
        """The row under which a node's feeders are listed; None if it is not in the circuit."""
        at = self.home.get(node)
        return None if at is None else self.rows[at]

    def guide(self, row: TreeRow) -> str:
        """The lines that lead to a row."""
        i = self.index[key_of(row)]
        if row.depth == 0:
            return ""
        lines = "└ " if self.last[i] else "├ "
        for _ in range(DEEPEST):
            i = self.above[i]
            if self.rows[i].depth == 0:
                return lines
            lines = ("  " if self.last[i] else "│ ") + lines
        return f"{row.depth}…" + lines[2:]
