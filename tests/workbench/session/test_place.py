"""The place beside the journal: whole or not at all, and damage costs a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.session.place import Place, PlaceFile

TEXT = st.text(max_size=8)
WHOLE = st.integers(-(2**63), 2**63 - 1)
PLACES = st.builds(
    Place, TEXT, TEXT, TEXT, TEXT, st.booleans(), st.booleans(), TEXT, TEXT, TEXT,
    st.booleans(), TEXT, TEXT, WHOLE, st.none() | WHOLE, st.booleans(),
    TEXT, TEXT, TEXT, TEXT, TEXT, TEXT,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLACES)
def test_what_is_saved_is_loaded(tmp_path: Path, place: Place) -> None:
    file = PlaceFile(tmp_path / "one.jsonl")
    file.save(place)
    assert file.load() == place
    assert [path.name for path in tmp_path.iterdir()] == ["one.place"]


def test_without_a_file_there_is_no_place_and_newer_fields_are_passed_over(tmp_path: Path) -> None:
    file = PlaceFile(tmp_path / "one.jsonl")
    assert file.load() is None
    file.path.write_text(json.dumps({"node": "m0", "colour": [1, 2]}))
    assert file.load() == Place(node="m0")


@pytest.mark.parametrize("field", list(asdict(Place())))
def test_a_field_of_another_kind_is_damage(tmp_path: Path, field: str) -> None:
    file = PlaceFile(tmp_path / "one.jsonl")
    file.path.write_text(json.dumps({field: [1]}))
    with pytest.raises(WorkbenchError, match=r"one\.place is not readable"):
        file.load()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.just(b"[" * 60_000) | st.just(b"x" * 200_000))
def test_any_bytes_are_a_place_or_a_sentence(tmp_path: Path, data: bytes) -> None:
    file = PlaceFile(tmp_path / "one.jsonl")
    file.path.write_bytes(data)
    try:
        assert isinstance(file.load(), Place)
    except WorkbenchError as error:
        assert "The session itself is whole" in str(error)


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    file = PlaceFile(tmp_path / "nowhere" / "one.jsonl")
    with pytest.raises(WorkbenchError):
        file.save(Place())
