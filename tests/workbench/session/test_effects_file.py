"""Exact effects outlive the process, and only where they are still true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.cases.session_cases import new_session, tiny
from workbench.session.effects_file import effects_path
from workbench.session.start import resume_session


def exact(session: object, node: str = "logits") -> list[float | None]:
    return [row.exact for row in session.candidates(node)]  # type: ignore[attr-defined]


@pytest.fixture
def left(tmp_path: Path) -> tuple[Path, list[float | None]]:
    with new_session(tmp_path) as session:
        session.expand("logits")
        return session.path, exact(session)


def test_they_are_known_after_resuming(left: tuple[Path, list[float | None]]) -> None:
    path, before = left
    with resume_session(path, model=tiny()[0]) as session:
        assert exact(session) == before and None not in before
        assert not any(row.estimated for row in session.tree()[1:])


@pytest.mark.parametrize("changed", ["pairs", "eap"])
def test_those_of_others_are_not_taken(left: tuple[Path, list[float | None]], changed: str) -> None:
    file = effects_path(left[0])
    with np.load(file) as kept:
        arrays = dict(kept)
    arrays[changed] = np.array("other") if changed == "pairs" else arrays["eap"] + np.float32(1)
    np.savez(file, **arrays)
    with resume_session(left[0], model=tiny()[0]) as session:
        assert set(exact(session)) == {None}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and then nothing", b"\x00" * 100])
def test_a_damaged_file_is_told_of(left: tuple[Path, list[float | None]], damage: bytes) -> None:
    effects_path(left[0]).write_bytes(damage)
    with resume_session(left[0], model=tiny()[0]) as session:
        assert "computed anew" in session.status().message
        assert set(exact(session)) == {None} and session.status().edges
