"""docs/families.md says what the tests find."""

from __future__ import annotations

from tests.support.cases.family_cases import CASES, ONE_OF_EACH
from tests.support.family_table import (
    FILE,
    differences,
    document,
    mechanisms_of,
    stated_differences,
)
from workbench.transformer.families.catalogue import FAMILIES


def test_one_of_each_has_every_mechanism() -> None:
    """So that what is tested on these is tested on all that parts may have."""
    every = set().union(*map(mechanisms_of, CASES))
    assert set().union(*map(mechanisms_of, ONE_OF_EACH)) == every


def test_the_table_is_what_is_tested() -> None:
    """If not: `python -m tests.support.family_table` writes it anew."""
    text = FILE.read_text(encoding="utf-8")
    stated = stated_differences(text)
    assert set(stated) == set(FAMILIES)
    assert text == document(stated)
    found = differences()
    # Processors round differently, by a few times as much.
    assert {f: d for f, d in found.items() if d > 4 * stated[f]} == {}
    assert max(stated.values()) <= 1e-5, "float noise in float32"
