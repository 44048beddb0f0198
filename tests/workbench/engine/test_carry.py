"""Sums that are extended or taken ahead, against sums of all terms, and what is summed for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workbench.circuits.graph import Graph
from workbench.engine import carry as carrying
from workbench.engine.carry import Carry, look_ahead
from workbench.engine.deltas import Deltas
from workbench.engine.plan import Positions

N, SHAPE = 90, (1, 1, 2, 3)
VALUES = torch.randn(N, *SHAPE, generator=torch.Generator().manual_seed(0))


def deltas_of(n: int) -> Deltas:
    """The first so many sources are up to date."""
    deltas = Deltas(N, SHAPE, (N, N), torch.zeros(1))
    for source in range(n):
        deltas.put(source, VALUES[source], Positions.ALL)
    return deltas


def put(deltas: Deltas, sources: range) -> None:
    for source in sources:
        deltas.put(source, VALUES[source], Positions.ALL)


def right(columns: np.ndarray, positions: int) -> torch.Tensor:
    """All terms, one after the other, in float64."""
    values = VALUES if positions == Positions.ALL else VALUES[:, :, :, -1:]
    chosen = torch.from_numpy(columns.astype(np.float64))
    return torch.einsum("ds,s...->d...", chosen, values[: columns.shape[1]].double()).float()


class Summed:
    """How many terms each sum was asked for, and those that were added to one taken ahead."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sums: list[list[int]] = []
        self.added: list[list[int]] = []
        plain, add = Deltas.sum, Deltas.add

        def summed(deltas: Deltas, columns: Any, *rest: Any) -> Any:
            self.sums.append(np.count_nonzero(columns, axis=1).tolist())
            return plain(deltas, columns, *rest)

        def added(deltas: Deltas, total: Any, columns: Any, *rest: Any) -> Any:
            self.added.append(np.count_nonzero(columns, axis=1).tolist())
            return add(deltas, total, columns, *rest)

        patch.setattr(Deltas, "sum", summed)
        patch.setattr(Deltas, "add", added)


@pytest.mark.parametrize("positions", [Positions.LAST, Positions.ALL])
def test_of_a_running_sum_only_what_is_new_is_added(
    positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    deltas, counted = deltas_of(30), Summed(monkeypatch)
    carry, rng = Carry(deltas), np.random.default_rng(0)
    few = np.zeros((3, 30), dtype=bool)
    few[0], few[1, :23], few[2, :24] = True, True, True
    base = torch.ones(1)
    torch.testing.assert_close(carry.onto(base, few, positions), 1 + right(few, positions))
    assert counted.sums == [[30, 23, 24]]
    put(deltas, range(30, 40))
    more = np.zeros((4, 40), dtype=bool)
    more[:3, :30], more[0, 30:], more[2, 35], more[3] = few, True, True, rng.random(40) < 0.5
    torch.testing.assert_close(carry.sum(more, positions), right(more, positions))
    # Each that is extended by itself, then the others at once: 23 are too few to be kept.
    assert counted.sums[1:] == [[10], [1], [23, int(more[3].sum())]]
    counted.sums.clear()
    put(deltas, range(40, 41))
    last = np.zeros((2, 41), dtype=bool)
    last[0, :40] = last[1, :40] = more[0]
    last[1, 40] = True
    torch.testing.assert_close(carry.sum(last, positions), right(last, positions))
    assert counted.sums == [[0], [1]]
    other = Positions.ALL if positions == Positions.LAST else Positions.LAST
    torch.testing.assert_close(carry.sum(last, other), right(last, other))
    assert counted.sums[2:] == [[40, 41]]  # nothing was kept of these positions


def test_of_four_sums_at_most_more_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    deltas, counted = deltas_of(30), Summed(monkeypatch)
    carry = Carry(deltas)
    columns = np.ones((6, 30), dtype=bool)
    columns[np.arange(6), np.arange(6)] = False
    carry.sum(columns, Positions.ALL)
    counted.sums.clear()
    torch.testing.assert_close(carry.sum(columns, Positions.ALL), right(columns, Positions.ALL))
    assert counted.sums == [[0], [0], [0], [0], [29, 29]]


def test_nothing_is_no_sum_and_some_nothing_is_zero() -> None:
    deltas = deltas_of(30)
    carry = Carry(deltas)
    nothing = np.zeros((2, 30), dtype=bool)
    assert carry.sum(nothing, Positions.ALL) is None
    assert carry.onto(torch.ones(1), nothing, Positions.ALL) is None
    first = np.ones((1, 30), dtype=bool)
    carry.sum(first, Positions.ALL)
    both = np.concatenate((nothing[:1], first, nothing[:1]))
    found = carry.sum(both, Positions.ALL)
    torch.testing.assert_close(found, right(both, Positions.ALL))


def distinct(n: int, n_sources: int) -> np.ndarray:
    """So many columns, each another one."""
    columns = np.random.default_rng(n).random((n, n_sources)) < 0.6
    columns[:, 0] = True
    assert len({column.tobytes() for column in columns}) == n
    return columns


def test_ahead_of_several_stages_all_is_summed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    deltas, counted = deltas_of(30), Summed(monkeypatch)
    carry, columns = Carry(deltas), distinct(9, 30)
    columns = columns[[0, 1, 2, 0, *range(3, 9)]]  # two read the same
    assert carry.look_ahead(columns) == 10
    assert len(counted.added) == 1 and len(counted.added[0]) == 9 and not counted.sums
    put(deltas, range(30, 33))
    base, later = torch.full((1,), 2.0), np.zeros((10, 33), dtype=bool)
    later[:, :30] = columns
    later[::2, 31:] = True
    sent = list[Any]()
    plain = carrying.uploaded

    def uploaded(rows: Any, *rest: Any) -> torch.Tensor:
        sent.append(rows)
        return plain(rows, *rest)

    monkeypatch.setattr(carrying, "uploaded", uploaded)
    for places in ([0], [3], [1, 2], [4, 6], [0, 3], [9, 5], [8, 9]):
        found = carry.onto(base, later[places], Positions.ALL)
        torch.testing.assert_close(found, 2 + right(later[places], Positions.ALL))
        assert counted.added[-1] == [2 * (place % 2 == 0) for place in places]
        if len({*places} - {0, 3}) == len(places):
            # A sum that nobody else reads may be taken as it is: it is put back for the others.
            carry.look_ahead(columns)
    assert not counted.sums
    assert sent == [[3, 5], [0, 0], [8, 4]]  # those that lie side by side are not gathered
    # At the last position alone, or where one was not summed ahead, it is summed as ever.
    carry.onto(base, later[[4]], Positions.LAST)
    assert len(counted.sums) == 1
    unknown = later[[4, 5]].copy()
    unknown[1, :30] = ~unknown[1, :30]
    torch.testing.assert_close(
        carry.onto(base, unknown, Positions.ALL), 2 + right(unknown, Positions.ALL)
    )
    assert len(counted.sums) == 2
    carry.forget_ahead()
    carry.onto(base, later[[6]], Positions.ALL)
    assert len(counted.sums) == 3


def test_few_sums_are_not_taken_ahead_and_no_more_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deltas, counted = deltas_of(30), Summed(monkeypatch)
    carry = Carry(deltas)
    assert carry.look_ahead(distinct(7, 30)) == 7 and not counted.added
    assert carry.look_ahead(np.zeros((9, 30), dtype=bool)) == 9 and not counted.added
    carry.onto(torch.ones(1), distinct(7, 30)[:1], Positions.ALL)
    assert len(counted.sums) == 1
    assert carry.look_ahead(distinct(8, 30)) == 8 and len(counted.added) == 1
    monkeypatch.setattr(carrying, "_AHEAD_BYTES", 9 * deltas.row_bytes + 1)
    columns = distinct(12, 30)[[0, 0, *range(1, 12)]]
    assert carry.look_ahead(columns) == 10
    assert [len(one) for one in counted.added] == [8, 9]


def test_when_it_is_worth_another_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three layers where all was taken, after one where too little is to be summed."""
    graph = Graph(8, 9)
    deltas, counted = deltas_of(N), Summed(monkeypatch)
    stage = next(s for s in graph.stages if s.kind == "heads" and s.layer == 5)
    mask = np.random.default_rng(3).random((graph.n_sources, graph.n_destinations)) < 0.95
    up = np.full(graph.n_sources, Positions.ALL, dtype=np.uint8)
    up[3] = Positions.LAST
    wanted = np.ones(graph.n_destinations, dtype=bool)
    carry = Carry(deltas)
    per_layer = graph.destinations_per_layer
    assert look_ahead(carry, stage, mask, up, wanted) == 8
    here = slice(stage.columns.start, stage.columns.start + 3 * per_layer)
    whole = mask[: stage.parents, here] & (up[: stage.parents] == Positions.ALL)[:, None]
    found = {column.tobytes() for column in whole.T}
    # The logits are no layer, but the stage behind the last one.
    assert sorted(counted.added[0]) == sorted(np.frombuffer(one, dtype=bool).sum() for one in found)
    few = np.zeros_like(mask)
    few[:4, here] = True  # 4 summands for each
    assert look_ahead(carry, stage, few, up, wanted) == 6 and len(counted.added) == 1
    # What was summed ahead may have been written over by those that read it.
    carry.onto(torch.ones(1), whole.T[:1], Positions.ALL)
    assert len(counted.added) == 1 and len(counted.sums) == 1
    monkeypatch.setattr(carrying, "_AHEAD_BYTES", (per_layer + 3) * deltas.row_bytes)
    assert look_ahead(carry, stage, mask, up, wanted) == 6
    monkeypatch.setattr(carrying, "_AHEAD_BYTES", (2 * per_layer + 3) * deltas.row_bytes)
    assert look_ahead(carry, stage, mask, up, wanted) == 7
    monkeypatch.setattr(carrying, "_AHEAD_BYTES", 3 * deltas.row_bytes)
    assert look_ahead(carry, stage, mask, up, wanted) == 6
