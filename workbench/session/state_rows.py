"""The states of a session as plain rows: what a screen or the command line lists."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.session.history import History
from workbench.session.state_tree import Node


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state of the tree.

    Attributes:
        n: its number: that of the journal's entry that made it; 0 for the start.
        parent: the number of the state above it; None for the start.
        depth: commands between it and the start.
        branch: 0 for the branch that begins at the start; where a state has several below it, the
            first goes on with its branch and each other begins one, numbered as they came.
        when: time, ISO 8601, UTC; "" if it is not known.
        did: what the command that made it did, in one line.
        edges: kept ones.
        faithfulness: as it was evaluated then; None if it is undefined or not known.
        change: how much more that is than in the state above; None if the command left the edges
            alone or either is not known.
        seconds: that the command took; None if it is not known.
        name: that the user gave it, or "".
        is_current: the session is in it.
        on_current_path: it is the present state or above it.
        is_ahead: redo leads there, in one or more steps.

    Glossary: docs/glossary.md#tree-of-states.
    """

    n: int
    parent: int | None
    depth: int
    branch: int
    when: str
    did: str
    edges: int
    faithfulness: float | None
    change: float | None
    seconds: float | None
    name: str
    is_current: bool
    on_current_path: bool
    is_ahead: bool


def state_rows(history: History) -> list[StateRow]:
    """All states, in the order in which they were made."""
    nodes = history.nodes()
    way = history.way()
    path = {node.number for node in way}
    ahead, node = set(), way[-1].onward
    while node is not None:
        ahead.add(node.number)
        node = node.onward
    branches: dict[int, int] = {}
    continued: set[int] = set()
    last = 0
    rows = []
    for node in nodes:
        parent = node.parent
        if parent is None:
            branch = 0
        elif parent.number in continued:
            last += 1
            branch = last
        else:
            continued.add(parent.number)
            branch = branches[parent.number]
        branches[node.number] = branch
        command, measured = node.command, node.measured
        rows.append(
            StateRow(
                n=node.number,
                parent=None if parent is None else parent.number,
                depth=node.depth,
                branch=branch,
                when=measured.when,
                did="Everything is open." if command is None else command.describe(),
                edges=measured.edges,
                faithfulness=measured.faithfulness,
                change=_change(node),
                seconds=measured.seconds,
                name=node.name,
                is_current=node.number == way[-1].number,
                on_current_path=node.number in path,
                is_ahead=node.number in ahead,
            )
        )
    return rows


def _change(node: Node) -> float | None:
    if node.parent is None or node.command is None or not node.command.change.edits_circuit:
        return None  # what it is on other pairs, is no change of the circuit's
    before, after = node.parent.measured.faithfulness, node.measured.faithfulness
    return None if before is None or after is None else after - before
