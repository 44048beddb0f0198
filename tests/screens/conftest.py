"""What holds for all tests of screens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from screens.bench import row_order
from tests.support.drawing import drawing_at_rest
from tests.support.style_sheets import parsed_once
from workbench.jobs import detach
from workbench.jobs.listing import job_of


@pytest.fixture(autouse=True)
def _drawn_at_rest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Frames between two rests are left out, but where a test asks for `every_frame`."""
    if "every_frame" in request.fixturenames:
        yield
    else:
        with drawing_at_rest():
            yield


@pytest.fixture(autouse=True)
def _rests_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here for rows to be put in order."""
    monkeypatch.setattr(row_order, "REST", 0.01)


@pytest.fixture
def every_frame() -> None:
    """Draw as the app does for a user."""


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that keys detach by the way is not computed: its process would outlive the test."""
    monkeypatch.setattr(detach, "start", job_of)


@pytest.fixture(autouse=True)
def _styles_parsed_once() -> Iterator[None]:
    with parsed_once():
        yield
