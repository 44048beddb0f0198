"""A terminal that is gone is noticed."""

from __future__ import annotations

import os

from screens.hang_up import is_gone


def test_a_terminal_is_there_until_its_other_end_is_closed() -> None:
    ours, theirs = os.openpty()
    try:
        assert not is_gone(theirs)
        os.close(ours)
        assert is_gone(theirs)
        assert not is_gone(None)
    finally:
        os.close(theirs)
