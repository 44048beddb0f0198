"""Keys that arrive in one read do what the same keys do when they are typed, on every screen.

What a key does may depend on numbers that are computed meanwhile: a table is sorted anew when its
effects are known. So the effects are known here before the first key, and no key begins or stops a
computation that takes long.

Places follow one another in one app, typed, and then in another one, in bursts. The keys are drawn
from those that the place binds. WORKBENCH_BURSTS=20 tries so many strings for each place. Between
two keys that are typed are 50 ms, less what nothing can happen in.
"""

from __future__ import annotations

import os
import pkgutil
import random
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from textual.screen import Screen

import screens
from screens.app import WorkbenchApp
from screens.base import key_queue
from screens.bench import row_order
from tests.support import burst_walk
from tests.support.burst_places import ABSTRACT, GROUPS, PICKED, PICKED_SETUP, Place
from tests.support.burst_walk import APPS, Walk, drawn_keys
from tests.support.key_bursts import GAP
from tests.support.tiny_sessions import tiny_session
from workbench.session.session import Session

pytestmark = pytest.mark.usefixtures("every_frame")

BURSTS = int(os.environ.get("WORKBENCH_BURSTS", "1"))
"""How often random keys are tried at each place."""


UNSWEPT = ("ewew[[ea", "ew}}⏎emmmwe&")
"""Keys that decide by effects, before any of them is exact."""


class Try(NamedTuple):
    """Keys that were tried somewhere, and what came of them."""

    place: str
    way: str
    keys: tuple[str, ...]
    outcome: str


def commands_of(tried: Try) -> str:
    """The circuit's commands, below all that is seen."""
    return tried.outcome[tried.outcome.rindex("\n", 0, tried.outcome.index(" > ")) :]


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key does while a model loads depends on how fast that is; and the app stays.

    Keys wait for what they depend on as long as a busy machine takes.
    """
    monkeypatch.setattr(key_queue, "PATIENCE", 1.0)
    monkeypatch.setattr(row_order, "REST", 2 * GAP)
    monkeypatch.setenv("WORKBENCH_STATE", "set by each run, and put back after the test")
    for name in ("open_session", "resume_session", "open_tutorial", "exit"):
        monkeypatch.setattr(WorkbenchApp, name, lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a disk may take seconds for each of them


async def typed(walk: Walk, places: dict[str, Place]) -> list[Try]:
    """Keys drawn for each place, and what came of them when they were typed."""
    tries = []
    for name, place in places.items():
        for n in range(BURSTS):
            screen = await walk.go(place.way)
            assert type(screen).__name__ == place.screen, f"the way to {name!r} leads elsewhere"
            keys = drawn_keys(screen, place, random.Random(f"{name} {n} {walk.size}"))
            tries.append(Try(name, place.way, keys, await walk.press(keys)))
    return tries


async def compare(
    tmp_path: Path,
    type_them: Callable[[Walk], Any],
    begin: type[WorkbenchApp] = WorkbenchApp,
    size: tuple[int, int] = (160, 48),
    gap: float = 0,
) -> None:
    """Type keys, and let each string arrive at once in another app."""
    typing = Walk(tmp_path / "typed", slowly=True, gap=gap, begin=begin, size=size)
    async with typing.running():
        tries = await type_them(typing)
    burst = Walk(tmp_path / "burst", slowly=False, begin=begin, size=size)
    async with burst.running():
        for one in tries:
            await burst.go(one.way)
            outcome = await burst.press(one.keys)
            assert outcome == one.outcome, (one.place, one.way, " ".join(one.keys))


@pytest.mark.parametrize("group", GROUPS)
async def test_random_keys(tmp_path: Path, group: str) -> None:
    begin = APPS.get(group, WorkbenchApp)
    size = (80, 24) if list(GROUPS).index(group) % 2 else (160, 48)
    await compare(tmp_path, lambda walk: typed(walk, GROUPS[group]), begin, size)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
async def test_random_keys_with_all_of_the_rest_between(tmp_path: Path, group: str) -> None:
    begin = APPS.get(group, WorkbenchApp)
    size = (160, 48) if list(GROUPS).index(group) % 2 else (80, 24)
    await compare(tmp_path, lambda walk: typed(walk, GROUPS[group]), begin, size, GAP)


@pytest.mark.parametrize("strings", [PICKED, PICKED_SETUP], ids=["bench", "setup"])
async def test_picked_keys(tmp_path: Path, strings: tuple[str, ...]) -> None:
    async def type_them(walk: Walk) -> list[Try]:
        tries = []
        for keys in strings:
            await walk.go("")
            tries.append(Try("picked", "", tuple(keys), await walk.press(keys)))
        return tries

    await compare(tmp_path, type_them)


async def test_keys_decide_the_same_however_far_the_effects_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh(folder: Path) -> Session:
        folder.mkdir(parents=True)
        return tiny_session(folder)

    async def type_them(walk: Walk) -> list[Try]:
        tries = []
        for keys in UNSWEPT:
            await walk.start()  # so that nothing is known from before
            await walk.go("")
            tries.append(Try("unswept", "", tuple(keys), await walk.press(keys)))
        return tries

    def swept(folder: Path) -> Session:
        session = fresh(folder)
        for node in session.graph.nodes:
            session.sweep(node)
        return session

    # Keys that find all effects known, and keys that come at once and find none.
    monkeypatch.setattr(burst_walk, "prepared", swept)
    typing = Walk(tmp_path / "typed", slowly=True)
    async with typing.running():
        tries = await type_them(typing)
    monkeypatch.setattr(burst_walk, "prepared", fresh)
    burst = Walk(tmp_path / "burst", slowly=False)
    async with burst.running():
        for one, again in zip(tries, await type_them(burst), strict=True):
            assert commands_of(one) == commands_of(again), " ".join(one.keys)


def test_every_screen_and_dialog_is_such_a_place() -> None:
    for module in pkgutil.walk_packages(screens.__path__, "screens."):
        import_module(module.name)
    above: list[type[Any]] = [Screen]
    found = set()
    while above:
        below = above.pop().__subclasses__()
        above += below
        found |= {one.__name__ for one in below if one.__module__.startswith("screens.")}
    reached = {place.screen for places in GROUPS.values() for place in places.values()}
    assert found - ABSTRACT <= reached
