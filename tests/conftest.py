"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes to be made says something of the machine only.
settings.register_profile("any machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# The models are tiny: more threads would only wait for one another, and the tests run in parallel
# processes. Before anything imports torch, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The user's own settings are not tested: for these processes and those that they start.
os.environ["WORKBENCH_CONFIG"] = tempfile.mkdtemp(prefix="workbench-config-")
os.environ["WORKBENCH_STATE"] = tempfile.mkdtemp(prefix="workbench-state-")

# A shell that starts something in the background lets it ignore Ctrl-C; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings() -> Iterator[None]:
    """What the app keeps in the user's settings is not there in the next test."""
    from tests.support.no_settings import forget_settings

    yield
    forget_settings()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is told by its place or by what it asks for."""
    for item in items:
        if "screens" in item.path.parts:
            item.add_marker(pytest.mark.screens)
        if "snap_compare" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.snapshot)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector of garbage need not look through it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """What a file leaves behind stays too: models that are kept for more than one file.

    The app collects garbage between pieces of a computation, which took five times as long after a
    few hundred tests as at their start.
    """
    done = yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    return done
