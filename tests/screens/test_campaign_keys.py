"""What random keys may bring to light is noticed by the campaign that presses them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from screens.base.worker import Worker, error_sentence
from tests.campaign import keys
from tests.support import burst_walk
from tests.support.tiny_sessions import tiny_session
from workbench.session.session import Session


async def fails(app: WorkbenchApp) -> None:
    raise KeyError("gone")


async def tells(app: WorkbenchApp) -> None:
    app.notify(error_sentence(KeyError("gone")))


async def fails_apart(app: WorkbenchApp) -> None:
    def work() -> None:
        raise KeyError("gone")

    apart = Worker(app, "apart")
    apart.put(work, lambda _: None, lambda _: None)
    apart.stop()


async def ends(app: WorkbenchApp) -> None:
    app.exit()


async def goes_on(app: WorkbenchApp) -> None:
    await asyncio.sleep(2)


async def leaves(app: WorkbenchApp) -> None:
    await app.action_quit()


@pytest.mark.parametrize(
    ("does", "wrong"),
    [
        (fails, "KeyError: 'gone' (test_campaign_keys.py"),
        (tells, "KeyError: 'gone'"),
        (fails_apart, "KeyError: 'gone'"),
        (ends, "it ended, though nothing asked it to"),
        (goes_on, "it took too long: keys wait"),
        (leaves, ""),
    ],
)
def test_what_a_key_does_wrong_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: Callable[..., Any], wrong: str
) -> None:
    def session(folder: Path) -> Session:
        folder.mkdir(parents=True)
        return tiny_session(folder)

    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path))
    monkeypatch.setattr(WorkbenchApp, "action_prompt_bench", does)
    monkeypatch.setattr(burst_walk, "prepared", session)
    monkeypatch.setattr(keys, "LONGEST", 1.0)
    monkeypatch.setattr(keys, "drawn", lambda *_: ("ctrl+y",))
    monkeypatch.setattr(keys, "PLACES", {"open": keys.PLACES["open"]})
    monkeypatch.setattr(keys, "GROUP_OF", {"open": "bench"})
    noted: list[str] = []
    keys.try_keys(tmp_path / "keys", 1, time.monotonic(), 0, noted.append)
    assert len(noted) == 1
    assert noted[0].startswith(wrong) if wrong else noted == [""], noted
