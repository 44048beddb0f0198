"""Random strings of keys, each sent in one burst at a screen or dialog that is drawn at random.

Nothing is stood in for: sessions are opened, resumed and deleted, computations begin and are
stopped, files are written, all in a folder of the campaign's own. What may come of a string is
whatever the app shows; not a traceback, not an unexpected error, not an end that no key asked for,
and nothing that still works after a minute.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import string
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen
from textual.widgets import Input

from screens.base import worker
from screens.loading import Loading
from tests.support.burst_places import GROUPS, Place
from tests.support.burst_walk import APPS, MOVES, LoadingApp, Walk, WorkbenchApp
from tests.support.key_bursts import NAMED, bound, seen, too_long
from tests.support.patience import Patience
from tests.support.style_sheets import parsed_once
from workbench.jobs import detach
from workbench.jobs.listing import job_of

LONGEST = 60.0
"""Seconds after which the app has to be at rest, on a machine that does nothing else."""
ONE_APP = 16
"""How many strings follow one another in one app, if none of them ends it."""
LENGTHS = (4, 40)
"""Keys of a string."""
QUITTING = {"q", "ctrl+q"}
OFTEN = 8
"""One string of so many may quit."""
SIZES = ((160, 48), (80, 24), (120, 30), (60, 16))
OTHERS = (*NAMED.values(), *string.printable[:95], "home", "delete", "pageup", "ctrl+w", "ctrl+l")
"""Keys that are tried anywhere, whether or not the place binds them."""


def drawn(screen: Screen[Any], place: Place, chance: random.Random) -> tuple[str, ...]:
    """Keys for a place: mostly those that it binds or that are typed there, and those that move."""
    own = [key for key in bound(screen) if "super" not in key]
    if place.typed or isinstance(screen.focused, Input):
        own = [*place.typed, "backspace", "left", "enter"]
    never = set() if chance.randrange(OFTEN) == 0 else QUITTING
    pools = [[key for key in keys if key not in never] for keys in (own, MOVES, OTHERS)]
    weights = (5 if pools[0] else 0, 3, 2)
    pool = [chance.choices(pools, weights)[0] for _ in range(chance.randint(*LENGTHS))]
    return tuple(chance.choice(keys) for keys in pool)


class Faults(logging.Handler):
    """What went wrong since it was last asked, wherever the app tells or hides it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(told(error) if error else record.getMessage())

    def taken(self) -> str:
        """The first of them, or nothing; all are forgotten."""
        first = next(iter(self.found), "")
        self.found.clear()
        return first

    @contextmanager
    def heard(self) -> Iterator[None]:
        """While this holds, errors of threads, of the loop and unexpected ones are noted."""
        whole, of_threads = worker.error_sentence, threading.excepthook

        def sentence(error: BaseException) -> str:
            said = whole(error)
            if said.startswith("Unexpected:"):
                self.found.append(told(error))
            return said

        def in_thread(what: threading.ExceptHookArgs) -> None:
            self.found.append(f"in a thread: {told(what.exc_value)}")
            of_threads(what)

        log = logging.getLogger("workbench")
        log.addHandler(self)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(threading, "excepthook", in_thread)
                for module in list(sys.modules.values()):
                    if getattr(module, "error_sentence", None) is whole:
                        patch.setattr(module, "error_sentence", sentence)
                yield
        finally:
            log.removeHandler(self)

    def in_loop(self, _: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        """A handler of what a loop finds unhandled."""
        error = what.get("exception")
        self.found.append(f"in the loop: {told(error) if error else what.get('message')}")


def told(error: BaseException | None) -> str:
    """An error in a line, with the line of the project's that it comes from."""
    if error is None:
        return "nothing"
    frames = traceback.extract_tb(error.__traceback__)
    parts = ("screens", "workbench", "tasks")
    own = [one for one in frames if any(f"/{part}/" in one.filename for part in parts)]
    where = "".join(f" ({Path(one.filename).name}:{one.lineno})" for one in (own or frames)[-1:])
    return f"{type(error).__name__}: {str(error)[:160]}{where}"


class Strings:
    """An app, and the strings that are tried in it."""

    def __init__(self, folder: Path, chance: random.Random, examples: dict[str, str]) -> None:
        """A folder for its files, what all is drawn by, and the first string of each fault."""
        self._chance, self._examples = chance, examples
        group = GROUP_OF[chance.choice(list(PLACES))]
        begin = APPS.get(group, WorkbenchApp)
        self._names = [n for n, of in GROUP_OF.items() if APPS.get(of, WorkbenchApp) is begin]
        self._walk = Walk(folder, slowly=False, begin=begin, size=chance.choice(SIZES))
        self._faults = Faults()
        self._asked = False
        self._tried = "nothing"

    async def run(self, tries: int, end: float) -> AsyncIterator[str]:
        """Try so many strings at most, until one ends the app or the time is over.

        Yields:
            for each what was wrong, or nothing.
        """
        asyncio.get_running_loop().set_exception_handler(self._faults.in_loop)
        with self._faults.heard(), self._told_of_leaving():
            try:
                async with self._walk.running():
                    for n in range(tries):
                        if n and time.monotonic() > end:
                            return
                        wrong = await self._one()
                        yield wrong
                        if wrong or over(self._walk.app):
                            return
            except Exception as error:
                if error is not self._walk.app._exception:  # that one was told of
                    yield f"at the end: {told(error)} · {self._tried}"

    @contextmanager
    def _told_of_leaving(self) -> Iterator[None]:
        """While this holds, it is noted that a key or a command asked the app to end."""
        whole = WorkbenchApp.action_quit

        async def asked(app: WorkbenchApp) -> None:
            self._asked = True
            await whole(app)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WorkbenchApp, "action_quit", asked)
            yield

    async def _one(self) -> str:
        """Try a string; what was wrong, or nothing."""
        walk, chance, before = self._walk, self._chance, self._tried
        name = chance.choice(self._names)
        try:
            screen = await walk.go(PLACES[name].way)
        except Exception as error:  # of an app in which the string before left no way to go
            if walk.app._exception is not None:
                return f"late: {told(walk.app._exception)} · {before}"
            if "too long" in str(error):
                return f"not at rest on the way · {before}, then {name}"
            await walk.start()
            screen = await walk.go(PLACES[name].way)
        keys = drawn(screen, PLACES[name], chance)
        self._tried = f"{name}, {walk.size}: {' '.join(keys)}"
        wrong = await self._sent(keys)
        wrong = self._faults.taken() or wrong
        if not wrong:
            return ""
        return f"{wrong} · {self._examples.setdefault(wrong, f'{self._tried} (after {before})')}"

    async def _sent(self, keys: tuple[str, ...]) -> str:
        walk, patience = self._walk, Patience(LONGEST)
        app = walk.app
        pressing = asyncio.ensure_future(self._pressed(keys))
        while not (pressing.done() or over(app)) and not patience.over():
            await asyncio.sleep(0.005)
        if over(app):
            pressing.cancel()
            await asyncio.wait([pressing])
            if app._exception is not None:
                return told(app._exception)
            return "" if self._asked else "it ended, though nothing asked it to"
        if not pressing.done():
            pressing.cancel()
            await asyncio.wait([pressing])
            return too_long(app)
        try:
            shown = pressing.result()
        except Exception as error:
            return told(error)
        return next((line.strip() for line in shown.splitlines() if "Unexpected:" in line), "")

    async def _pressed(self, keys: tuple[str, ...]) -> str:
        """Press them, wait for a session that they open, and say what is to be seen."""
        walk = self._walk
        shown = await walk.press(keys)
        while walk.begin is not LoadingApp and isinstance(walk.app.screen, Loading):
            await asyncio.sleep(0.01)
            shown = seen(walk.app)
        return shown


def over(app: WorkbenchApp) -> bool:
    """Whether it has ended, or is about to."""
    return app._exit or app._exception is not None


async def _tried(folder: Path, tries: int, end: float, seed: int) -> AsyncIterator[str]:
    examples: dict[str, str] = {}
    done = app = 0
    while done < tries and (not done or time.monotonic() < end):
        chance = random.Random(f"{seed} {app}")
        strings = Strings(folder / str(app), chance, examples)
        async for wrong in strings.run(min(ONE_APP, tries - done), end):
            done += 1
            yield wrong
        app += 1


def try_keys(folder: Path, tries: int, end: float, seed: int, note: Callable[[str], None]) -> None:
    """Try strings of keys until all are tried or the time is over, one of them in any case.

    Args:
        folder: an empty one, for all files that the app writes.
        tries: how many strings.
        end: when the time is over, by the monotonic clock.
        seed: what they are drawn by.
        note: is told of each what was wrong, or nothing.
    """
    detach.start = job_of  # a job's process would outlive this one

    async def all_of_them() -> None:
        async for wrong in _tried(folder, tries, end, seed):
            note(wrong)

    state = os.environ.get("WORKBENCH_STATE")
    with pytest.MonkeyPatch.context() as patch, parsed_once():
        patch.setenv("HOME", str(folder))  # a picture of the screen goes there
        patch.setattr(os, "fsync", lambda _: None)  # a disk may take seconds for each of them
        asyncio.run(all_of_them())
    if state is not None:
        os.environ["WORKBENCH_STATE"] = state


GROUP_OF = {name: group for group, places in GROUPS.items() for name in places}
PLACES: dict[str, Place] = {name: place for ones in GROUPS.values() for name, place in ones.items()}
