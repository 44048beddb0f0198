"""Sums over sources: the slots in which each lies, given away and taken back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workbench.base.transfers import uploaded
from workbench.engine.deltas import Deltas
from workbench.engine.plan import Positions

SHAPE = (2, 1, 3, 4)


def made(capacity: int = 4) -> Deltas:
    return Deltas(9, SHAPE, (capacity, capacity), torch.zeros(1))


def value(number: float) -> torch.Tensor:
    return torch.full(SHAPE, number)


def rooms(deltas: Deltas) -> list[int]:
    return [len(tensor) for tensor in deltas.tensors()]


def test_the_first_slot_is_given_back_as_any_other() -> None:
    deltas = made(1)
    deltas.put(3, value(3), Positions.ALL)
    deltas.drop(3)
    deltas.put(5, value(5), Positions.ALL)
    assert rooms(deltas) == [1, 1]
    assert torch.equal(deltas.get(5, Positions.ALL), value(5))


def test_to_add_nothing_takes_the_slot_that_a_source_has() -> None:
    deltas = made(2)
    deltas.put(0, value(7), Positions.ALL)
    deltas.put_nothing(0)
    deltas.put_nothing(0)
    deltas.put(1, value(1), Positions.ALL)
    assert rooms(deltas) == [2, 2]
    assert not deltas.get(0, Positions.ALL).any() and deltas.get(1, Positions.LAST).all()


def test_new_sources_are_written_to_their_place_only_behind_all_others() -> None:
    """A place for several is behind what is there; where there are slots free, those are taken."""
    deltas = made()
    deltas.put(0, value(1), Positions.ALL)
    deltas.put(1, value(2), Positions.ALL)
    assert deltas.place_for([1, 2], Positions.ALL) is None  # 1 has one
    assert deltas.place_for([2, 1], Positions.ALL) is None
    assert deltas.place_for([0, 2], Positions.ALL) is None
    place = deltas.place_for([2, 3], Positions.ALL)
    assert place is not None
    place[0], place[1] = 3, 4
    deltas.put_in_place([2, 3], Positions.ALL)
    deltas.drop(1)
    assert deltas.place_for([4], Positions.ALL) is None  # there is one free
    deltas.put(4, value(5), Positions.ALL)
    assert deltas.place_for([5], Positions.ALL) is None  # it is full
    for positions in (Positions.ALL, Positions.LAST):
        total = deltas.sum(np.array([[1, 0, 1, 1, 1, 0, 0, 0, 0]], dtype=bool), positions)
        assert total is not None and bool((total == 1 + 3 + 4 + 5).all())
    assert rooms(deltas) == [4, 4]


def test_what_lies_side_by_side_is_summed_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of a copy of all terms: weights alone go to the device, no indices."""
    deltas, sent = made(9), list[np.dtype]()
    for source in range(9):
        deltas.put(source, value(source), Positions.ALL)

    def counted(array: np.ndarray, *rest: Any) -> torch.Tensor:
        sent.append(np.asarray(array).dtype)
        return uploaded(array, *rest)

    monkeypatch.setattr("workbench.engine.deltas.uploaded", counted)
    close = np.array([[0, 1, 1, 0, 1, 1, 1, 0, 0]], dtype=bool)
    apart = np.array([[1, 1, 0, 0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0, 1]], dtype=bool)
    for columns, kinds in ((close, ["b"]), (apart, ["i", "b"])):
        sent.clear()
        total = deltas.sum(columns, Positions.ALL)
        assert total is not None
        wanted = (columns * np.arange(9)).sum(axis=1)
        assert total[:, 0, 0, 0, 0].tolist() == wanted.tolist()
        assert [kind.kind for kind in sent] == kinds
