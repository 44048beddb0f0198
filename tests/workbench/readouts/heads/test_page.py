"""The page on heads lists the columns and kinds that there are."""

from __future__ import annotations

from tests.support.heads_page import HEADS_PAGE, heads_tables


def test_the_tables_of_the_page_are_what_the_catalogue_says() -> None:
    """If they are meant to change, put `heads_tables()` into the page."""
    assert heads_tables() in HEADS_PAGE.read_text(encoding="utf-8")
