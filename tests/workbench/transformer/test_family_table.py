"""docs/families.md says what the tests find."""

from __future__ import annotations

from tests.support.family_table import FILE, differences, document, stated_differences
from workbench.transformer.families.catalogue import FAMILIES


def test_the_table_is_what_is_tested() -> None:
    """If not: `python -m tests.support.family_table` writes it anew."""
    text = FILE.read_text(encoding="utf-8")
    stated = stated_differences(text)
    assert set(stated) == set(FAMILIES)
    assert text == document(stated)
    found = differences()
    assert {f: d for f, d in found.items() if d > stated[f]} == {}
    assert max(stated.values()) <= 1e-5, "float noise in float32"
