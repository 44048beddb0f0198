"""An app that is led from place to place by keys, and keys drawn at random for each place."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.bench.checkpoint_dialog import CheckpointDialog
from screens.bench.screen import BenchScreen
from screens.bench.session_runner import EdgesView
from screens.tutorial.guided import GuidedBench
from tests.support.burst_places import REFERENCE, SWEEP, Place
from tests.support.drawing import without_drawing
from tests.support.key_bursts import bound, calm, ended, heard, seen, send, send_slowly
from tests.support.no_settings import forget_settings
from tests.support.tiny_sessions import tiny_session
from workbench.checkpoints.sequence import Checkpoint
from workbench.discovery.selection import Selection
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.engine.patch_points import KINDS
from workbench.readouts.heads.ways import INPUTS
from workbench.session.about import SessionAbout, write_about
from workbench.session.session import Session
from workbench.tutorial.tour import Tour

A_SWEEP = 'models = ["pocket"]\ntasks = ["ioi"]\nmethods = ["eap"]\nsizes = [4, 9, 20]\n'


class LoadingApp(WorkbenchApp):
    """Loads something above the bench, without an end."""

    def show_bench(self, session: Session) -> None:
        super().show_bench(session)

        def opening(say: Callable[[str, float | None], None]) -> Session:
            while True:
                say("Reading what never ends", 0.5)  # which raises once it is cancelled
                time.sleep(0.01)

        self._load("tiny · ioi", opening)


class TrainingApp(WorkbenchApp):
    """Asks above the bench for another checkpoint; what is chosen is not gone to."""

    def show_bench(self, session: Session) -> None:
        super().show_bench(session)
        steps = tuple(Checkpoint(f"checkpoint-{step}", step=step) for step in (0, 20, 100))
        self.push_screen(CheckpointDialog(steps, steps[1], (None,) * len(steps), old=False))


class TutorialApp(WorkbenchApp):
    """Begins with the tutorial's first step."""

    def show_bench(self, session: Session) -> None:
        self._show_bench(GuidedBench(session, Tour()))


APPS = {"loading": LoadingApp, "training": TrainingApp, "tutorial": TutorialApp}
"""The apps of groups whose places are no screens of an ordinary session's."""
MOVES = ("enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "j", "k", "h", "l")
LEAVING = {"q", "ctrl+q", "ctrl+c", "c", "S"}
"""What ends the app, or a computation halfway."""
LONG = 12
"""How many keys are drawn."""
REST = 0.3
"""Seconds in which the tutorial looks once more at what the user does."""
SOONER = 0.25
"""How much sooner is shown what waits until the user rests: nobody has to wait for it here."""
FRAMES = 240
"""Frames a second, for a layout that is waited for."""
TIMES = re.compile(r" *<?\d+ ms| *\d+\.?\d* s\b|\d{4}-\d\d-\d\d \d\d:\d\d")
"""How long something took, or when it was, which differs."""
BLANKS = re.compile(r" {2,}")
"""What makes room for it."""


def prepared(folder: Path) -> Session:
    """A session in which all effects in the full model are known, in a folder with two others."""
    folder.mkdir(parents=True)
    session = tiny_session(folder)
    kept = folder / "state" / "sessions"
    for name in ("one", "two"):
        (kept / name).mkdir(parents=True)
        other = tiny_session(kept / name, pairs=2)
        other.close()
        write_about(other.path.rename(kept / f"{name}.jsonl"), SessionAbout(name))
    for source in INPUTS:
        session.heads.run(source)
    session.heads.show(next(iter(INPUTS)))
    for node in session.graph.nodes:
        session.sweep(node, "qkv", "full")
    session.node_effects.map(MapRequest())
    session.node_effects.repair(RepairRequest())
    for kind in KINDS:
        session.node_effects.roles(RoleRequest(kind))
    found = session.discoveries.run("eap", selection=Selection(n=12))
    session.discoveries.export(found.number, folder / REFERENCE)
    (folder / SWEEP).write_text(A_SWEEP, encoding="utf-8")
    return session


class Haste:
    """What waits until the user rests comes sooner, but while keys are heard.

    Attributes:
        factor: of the seconds that are waited.
    """

    factor = SOONER

    @contextmanager
    def holding(self, *, frames: bool) -> Iterator[None]:
        """While this holds; `frames`: layouts come sooner too."""
        later = MessagePump.set_timer

        def sooner(pump: MessagePump, delay: float, *others: Any, **named: Any) -> Any:
            timer: Any = later(pump, delay * self.factor, *others, **named)
            timer.due = time.monotonic() + delay * self.factor
            return timer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MessagePump, "set_timer", sooner)
            if frames:
                patch.setattr("textual.screen.UPDATE_PERIOD", 1 / FRAMES)
            yield


class Walk:
    """An app that is led from place to place.

    Attributes:
        slowly: with a rest after each key; else those of a string at once.
        gap: seconds of that rest, waited in full; 0: as far as anything can happen in them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        slowly: bool,
        gap: float = 0,
        begin: type[WorkbenchApp] = WorkbenchApp,
        size: tuple[int, int] = (160, 48),
    ) -> None:
        self.folder, self.slowly, self.gap = folder, slowly, gap
        self.begin, self.size = begin, size
        self.haste = Haste()
        self._stack = AsyncExitStack()
        self._began = 0
        self._used = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Walk]:
        before = os.getcwd()
        # What is typed is only looked at when it ends: the burst is drawn, as users see it.
        drawing = without_drawing() if self.slowly else nullcontext()
        with drawing, self.haste.holding(frames=self.slowly):
            try:
                await self.start()
                yield self
            finally:
                await self._stack.aclose()
                ended()
                os.chdir(before)

    async def start(self) -> None:
        """Begin another app, on a new session in a folder of its own."""
        await self._stack.aclose()
        forget_settings()  # such as the layout that the keys before have left
        self.home, self._used = self.folder / str(self._began), False
        self._began += 1
        self.session = prepared(self.home)
        self.app = self.begin(session=self.session)
        os.chdir(self.home)
        os.environ["WORKBENCH_STATE"] = str(self.home / "state")
        self._stack = AsyncExitStack()
        self.pilot: Pilot[Any] = await self._stack.enter_async_context(
            self.app.run_test(size=self.size)
        )
        await calm(self.pilot)

    async def go(self, way: str) -> Screen[Any]:
        """Go to a place, step by step, from a session that begins."""
        if self._used:
            await self._back()
        for sign in way:
            await send(self.app, sign, 0)
            await heard(self.pilot)
        return self.app.screen

    async def _back(self) -> None:
        """Back to the tree, and to the state that the session began with."""
        app, session = self.app, self.session
        if self.begin is not WorkbenchApp or session not in list(app.sessions):
            await self.start()
            return
        app.go_to_session(session.path)
        await heard(self.pilot)
        while not isinstance(app.screen, BenchScreen):
            app.pop_screen()
            await heard(self.pilot)
        app.screen.command(lambda: session.go_to(0))
        app.screen.table.set_filter("")
        app.screen.shown.show_as(EdgesView("logits"))
        await calm(self.pilot)
        await send(app, "⎋⎋1", 0)
        await heard(self.pilot)

    async def press(self, keys: Sequence[str]) -> str:
        """Send keys, and say what is to be seen after them, and the commands that they made."""
        self._used = True
        self.haste.factor = 1.0
        if not self.slowly:
            await send(self.app, keys, 0)
            await heard(self.pilot)
        elif self.gap:
            await send(self.app, keys, self.gap)
        else:
            await send_slowly(self.app, keys)
        self.haste.factor = SOONER
        await calm(self.pilot)
        if self.begin is TutorialApp:
            await asyncio.sleep(REST)
            await calm(self.pilot)
        self.app.clear_notifications()
        await calm(self.pilot)
        text = "\n".join([seen(self.app), *self.session.commands()])
        return BLANKS.sub(" ", TIMES.sub(" ", text.replace(str(self.home), "")))


def drawn_keys(screen: Screen[Any], place: Place, draw: random.Random) -> tuple[str, ...]:
    """Some of the keys that are bound there, those that move as often as all others."""
    never = {*LEAVING, *place.without}
    own = [key for key in bound(screen) if key not in never and "super" not in key]
    if place.typed or isinstance(screen.focused, Input):
        own = [*place.typed, "backspace", "left"]
    moves = [key for key in MOVES if key not in never]
    return tuple(draw.choice(own if own and draw.random() < 0.6 else moves) for _ in range(LONG))
