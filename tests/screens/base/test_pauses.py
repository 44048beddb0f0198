"""The interpreter's pauses are shorter in the app, and nothing is lost by it."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from screens.base.pauses import INTERVAL, RARELY, keep_short, set_aside


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Loop:
    """Something that only a collection of garbage finds."""

    def __init__(self) -> None:
        self.me = self


def test_threads_give_way_and_old_garbage_is_looked_for_rarely() -> None:
    young = gc.get_threshold()[:2]
    keep_short()
    assert sys.getswitchinterval() == pytest.approx(INTERVAL)
    assert gc.get_threshold() == (*young, RARELY)


def test_what_was_set_aside_is_let_go_of_the_next_time() -> None:
    loop = Loop()
    gone = weakref.ref(loop)
    set_aside()
    assert gc.get_freeze_count() > 1000
    del loop
    gc.collect()
    assert gone() is not None, "it is looked at no more"
    set_aside()
    assert gone() is None
