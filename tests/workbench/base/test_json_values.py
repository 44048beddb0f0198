"""Plain values are taken for what they are, or refused in a few harmless characters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.base.json_values import DEPTH, parsed, read_values, shaped
from workbench.base.text import QUOTED, quoted


@dataclass(frozen=True)
class Thing:
    """What a file is to hold."""

    name: str
    number: int
    share: float | None = None
    words: tuple[str, ...] = ()


def test_a_dataclass_is_made_of_what_fits_it() -> None:
    made = shaped(Thing, {"name": "a", "number": 3, "share": 1, "words": ["x"]})
    assert made == Thing("a", 3, 1.0, ("x",))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"name": "a"},
        {"name": 1, "number": 3},
        {"name": "a", "number": True},
        {"name": "a", "number": 2.0},
        {"name": "a", "number": 10**40},
        {"name": "a", "number": 3, "share": float("inf")},
        {"name": "a", "number": 3, "share": 10**400},
        {"name": "a", "number": 3, "words": "x"},
        {"name": "a", "number": 3, "words": {"x": 1}},
        {"name": "a", "number": 3, "\x1b[2J" * 99: 1},
    ],
)
def test_what_does_not_fit_is_told_in_short(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        shaped(Thing, value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 2 * QUOTED


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "[" * (DEPTH + 1) + "]" * (DEPTH + 1)])
def test_depth_has_an_end(text: str) -> None:
    with pytest.raises(ValueError, match="too deeply"):
        parsed(text)
    assert parsed("[" * DEPTH + "]" * DEPTH) is not None
    assert len(parsed("[" + ",".join(["[1]"] * 1000) + "]")) == 1000


def test_size_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2]")
    assert read_values(tmp_path / "a.json", 6) == [1, 2]
    with pytest.raises(ValueError, match="more than 5 bytes"):
        read_values(tmp_path / "a.json", 5)


@pytest.mark.parametrize(
    "value",
    ["a" * 10**6, "\u202e\x9b\ud800" * 50, 10**400, [1] * 1000, {"x": 1}, float("nan"), None],
)
def test_a_quotation_is_short_and_harmless(value: Any) -> None:
    assert quoted(value).isprintable() and quoted(value).isascii()
    assert len(quoted(value)) <= QUOTED
