"""The ledger: what is whole is read, what is torn or of something else is computed anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.base.kept_values import NotKept, kept_text, value_of
from workbench.base.ledger import (
    LOG,
    EndedByRequest,
    is_kept,
    keep_ledger,
    recorded,
    scope,
    standing,
)


def run(folder: Path, keys: str = "abc") -> list[int]:
    """Which of three pieces were computed; their values are always the same."""
    computed = []

    def compute(number: int) -> np.ndarray:
        computed.append(number)
        return np.arange(number + 3) / 7

    with keep_ledger(folder), scope("outer"):
        for number, key in enumerate(keys):
            found = recorded("piece", key.encode, lambda n=number: compute(n))  # type: ignore[misc]
            assert np.array_equal(found, np.arange(number + 3) / 7)
    return computed


def test_pieces_are_computed_once(tmp_path: Path) -> None:
    assert run(tmp_path) == [0, 1, 2] and run(tmp_path) == []
    assert not is_kept() and recorded("piece", bytes, lambda: np.array(1)) == 1


@pytest.mark.parametrize("cut", [1, 9, 60, 150])
def test_a_torn_end_costs_what_is_torn_and_no_more(tmp_path: Path, cut: int) -> None:
    run(tmp_path)
    log = tmp_path / LOG
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) - cut])
    assert run(tmp_path) == [0, 1, 2][-1 if cut < 150 else -2 :]
    assert log.read_bytes() == whole and run(tmp_path) == []


def test_a_damaged_piece_and_those_after_it_are_computed_anew(tmp_path: Path) -> None:
    run(tmp_path)
    log = tmp_path / LOG
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    assert run(tmp_path) == [1, 2] and run(tmp_path) == []


def test_what_was_computed_of_something_else_is_not_read_nor_what_follows(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, "axc") == [1, 2]
    assert run(tmp_path, "axc") == [], "the later of two counts"


def test_sums_are_gone_on_with_and_damaged_ones_are_not(tmp_path: Path) -> None:
    with keep_ledger(tmp_path, eager=True):
        sums = standing("sums", b"these")
        assert sums.recall() is None
        sums.keep(lambda: {"a": np.array([1.5, np.nan])})
    with keep_ledger(tmp_path):
        found = standing("sums", b"these").recall()
        assert found is not None and np.array_equal(found["a"], [1.5, np.nan], equal_nan=True)
    with keep_ledger(tmp_path):
        assert standing("sums", b"others").recall() is None
    (path,) = tmp_path.glob("standing-*.npz")
    path.write_bytes(path.read_bytes()[:-30])
    with keep_ledger(tmp_path):
        assert standing("sums", b"these").recall() is None


def test_asked_to_end_it_keeps_the_sums_first(tmp_path: Path) -> None:
    with pytest.raises(EndedByRequest), keep_ledger(tmp_path) as ledger:
        sums = standing("sums")
        sums.keep(lambda: {"n": np.array(1)})
        sums.keep(lambda: {"n": np.array(2)})  # too soon to be written
        ledger.end_soon()
        recorded("piece", bytes, lambda: np.array(0))
    with keep_ledger(tmp_path):
        found = standing("sums").recall()
        assert found is not None and int(found["n"]) == 2


def test_a_full_disk_costs_the_keeping_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file on a disk that is full after 40 bytes more."""

        def __init__(self, file: object) -> None:
            self._file, self.room = file, 40

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            now, self.room = data[: self.room], 0
            self._file.write(now)  # type: ignore[attr-defined]
            return len(now)

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    with keep_ledger(tmp_path) as ledger:
        whole = ledger._file
        assert recorded("piece", bytes, lambda: np.arange(9))[3] == 3
        ledger._file = Full(whole)  # type: ignore[assignment]
        assert recorded("piece", bytes, lambda: np.arange(9))[4] == 4
        assert "no space" in ledger.trouble
        ledger._file = whole
        assert recorded("piece", bytes, lambda: np.arange(9))[5] == 5 and not ledger.trouble
    with keep_ledger(tmp_path) as ledger:
        for _ in range(3):
            recorded("piece", bytes, lambda: np.arange(9))
        assert (ledger.recalled, ledger.written) == (2, 1)


def test_values_are_read_as_they_were_and_of_their_room_alone() -> None:
    from workbench.assessment.results.stability import Frequency, Interval

    value = {
        "a": (Frequency("m0->logits", 1 / 3), [Interval(float("inf"), 0.1, 2e-308)]),
        "b": None,
    }
    room = "workbench.assessment.results"
    assert value_of(kept_text(value), room) == value
    for text in (
        '{"class": "os:system", "fields": {}}',
        '{"class": "workbench.assessment.results.stability:asdict", "fields": {}}',
        '{"class": "workbench.assessment.resultsx:A", "fields": {}}',
    ):
        with pytest.raises((ValueError, ImportError)):
            value_of(text, room)
    with pytest.raises(NotKept):
        kept_text(object())
