"""Keys that arrive in one read do what the same keys do when they are typed, on every screen.

What a key does may depend on numbers that are computed meanwhile: a table is sorted anew when its
effects are known. So the effects are known here before the first key, and no key stops a
computation halfway.

Each place is tried once, with a few keys. WORKBENCH_BURSTS=20 tries more and longer ones: so many
for each place.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.tutorial.guided import GuidedBench
from tests.support.drawing import without_drawing
from tests.support.key_bursts import GAP, calm, ended, seen, send
from tests.support.no_settings import forget_settings
from tests.support.tiny_sessions import tiny_session
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.engine.patch_points import KINDS
from workbench.readouts.heads.ways import INPUTS
from workbench.session.about import SessionAbout, write_about
from workbench.session.session import Session
from workbench.tutorial.tour import Tour

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_frame")]


class LoadingApp(WorkbenchApp):
    """Loads something above the bench, without an end."""

    def show_bench(self, session: Session) -> None:
        super().show_bench(session)

        def opening(say: Callable[[str, float | None], None]) -> Session:
            while True:
                say("Reading what never ends", 0.5)  # which raises once it is cancelled
                time.sleep(0.01)

        self._load("tiny · ioi", opening)


class TutorialApp(WorkbenchApp):
    """Begins with the tutorial's first step."""

    def show_bench(self, session: Session) -> None:
        self._show_bench(GuidedBench(session, Tour()))


MOVES = "⏎⎋⇥jkhl↓↑←→"
PLACES = {
    "bench": ("", MOVES + "⌫ew  ax-ruUidsftWJ1230A][/nN"),
    "edges": ("e2", MOVES + "  axruis01mheads.⌫/nN"),
    "filter": ("e2f", MOVES + "a01mh.< x⌫"),
    "readouts": ("e3", "⏎⎋⇥hl←→,.<>0me/nN~;"),
    "pairs": ("e5", MOVES + "  sOuU=I⎋n/12"),
    "ask": ("e3Q", "⎋⇥⏎ Maryto#1⌫→←"),
    "metric": ("#", MOVES + "lh ⏎"),
    "bench of prompts": ("e␙", MOVES + "  O*-uU+/n⎋"),
    "between": ("eg&", "⎋⇥⏎ logits,m0⌫→←&u"),
    "graph": ("eg", MOVES + "  gGRnmpfbuU?12-/JVa"),
    "discover": ("D", MOVES + " 1250ab-st"),
    "assessment": ("ev", MOVES + " e"),
    "heads": ("e8", MOVES + "  s;fAcm01>."),
    "effects": ("e⊛", MOVES + "V1234;sJa1⌫/nN"),
    "between tokens": ('e"', MOVES + "  Vt19.⌫/nN"),
    "beside": ("eB", MOVES + " ab-B/n"),
    "neurons": ("e9", MOVES + "    stuUXm<>,.0Q1⏎"),
    "history": ("eweuH", MOVES + "   BWfsuU?1ab"),
    "name": ("eweHW", "⏎⎋⇥ab .⌫→←W"),
    "jump": ("J", MOVES + "a1m.⌫"),
    "help": ("?", MOVES + "/ab0nN"),
    "prompts": ("p", MOVES + "<>0"),
    "export": ("o", "⎋⇥a1.⌫→←"),
    "copy": ("eY", "⏎⎋jkhl↓↑←→Y"),
    "picture": ("ego", "⎋⇥⇥a1.⌫→← "),
    "note": ("eW", "⏎⎋⇥a1 .⌫→←W"),
    "palette": ("e^", MOVES + "am01. lens⌫"),
    "letters": ("e@", "asdzx⎋⏎"),
    "layout": ("e", "VF1234()jkVF⏎2⌫"),
    "search": ("e2/", MOVES + "a01mh.⌫"),
    "setup": ("␎", MOVES + "⇤ tiny⌫␎"),
    "sessions": ("␎⇤", MOVES + "  --yyWx#/nN⌫␎"),
    "threshold": ("t", "⏎⎋⇥01.⌫→←ta"),
    "rule": ("E", "⎋⇥→←hl 01.⌫⏎e"),
    "cut": ("e}", "{}→←hl⏎⎋mujk2}"),
    "interventions": ("e!", "⎋⇥jkt⏎ma1*2 ⌫:-uX12V/n"),
    "loading": ("", "⎋⏎⇥⇤c?@␎␙j↓ ⌫/1ayn"),
    "loading, palette": ("^", MOVES + "am01 ⌫c"),
    "tutorial": ("", MOVES + "yyyybz?TX  ewpg23 1Jmi[u#"),
}
"""How to come to a screen or dialog, and the keys that are tried there."""
BEGINNINGS = {"loading": LoadingApp, "loading, palette": LoadingApp, "tutorial": TutorialApp}
"""The apps of places that are no screens of an ordinary session's."""
PICKED = (
    "2fx1", "2fx1⏎ ", "Jm1⏎", "gh h h ", "ewewew", "ejj ", "jj2 ", "jjm", "uUuU", "W1hello⏎",
    "␎⎋e␎⎋j", "␎⇤W#a b⏎j-y", "␎⇤j-yk⏎e", "␎⇤-n-yj-yj", "␎⇤/two⏎-y", "␎xyz⏎⎋e",
    "t0.3⏎a", "eg Rname⏎role⏎", "2/m1⏎nn ", "e/a⏎nN-", "?/kl⏎nn", "2/zz⎋ ",
    "eweuHjWab⏎f", "eweuHj⏎jU", "eweuHj j ⏎", "eweuH/m⏎n⏎⎋e",
    "Yjj⏎2", "2Yljj⏎j", "Yoa.txt⏎2", "egog.svg⏎⎋", "!t⌫⌫3⏎2⏎", "!t⏎-u⎋jj",
)  # fmt: skip
"""Each of a kind that went wrong once, or would without a queue."""
BURSTS = int(os.environ.get("WORKBENCH_BURSTS", "1"))
LONG = 14 if BURSTS > 1 else 10
"""How often random keys are tried at each place, and how many."""
TIMES = re.compile(r" *<?\d+ ms| *\d+\.?\d* s\b|\d{4}-\d\d-\d\d \d\d:\d\d")
"""How long something took, or when it was, which differs."""
BLANKS = re.compile(r" {2,}")
"""What makes room for it."""


def prepared(folder: Path, *, former: bool) -> Session:
    """A session in which all effects in the full model are known; `former`: others were there."""
    folder.mkdir(parents=True)
    session = tiny_session(folder)
    kept = folder / "state" / "sessions"
    for name in ("one", "two") if former else ():
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
    return session


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key does while a model loads depends on how fast that is."""
    monkeypatch.setenv("WORKBENCH_STATE", "set by each run, and put back after the test")
    for name in ("open_session", "resume_session", "open_tutorial"):
        monkeypatch.setattr(WorkbenchApp, name, lambda *_, **__: None)


async def outcome(
    folder: Path,
    place: str,
    keys: str,
    gap: float,
    size: tuple[int, int],
    begin: type[WorkbenchApp] = WorkbenchApp,
) -> str:
    """What is to be seen after these keys, and the commands that they made."""
    forget_settings()  # such as the layout that the keys before have left
    session = prepared(folder, former=bool({"␎", "^"} & set(place + keys)))
    app = begin(session=session)
    before = os.getcwd()
    os.chdir(folder)
    os.environ["WORKBENCH_STATE"] = str(folder / "state")
    try:
        # What is typed is only looked at when it ends: the burst is drawn, as users see it.
        drawing = without_drawing() if gap else nullcontext()
        async with AsyncExitStack() as stack:
            stack.enter_context(drawing)
            pilot = await stack.enter_async_context(app.run_test(size=size))
            await calm(pilot, 0.1)
            for sign in place:
                await send(app, sign, 0)
                await calm(pilot, 0.05)
            await send(app, keys, gap)
            await calm(pilot)
            app.clear_notifications()
            await pilot.pause()
            text = "\n".join([seen(app), *session.commands()])
    finally:
        ended()
        os.chdir(before)
    return BLANKS.sub(" ", TIMES.sub(" ", text.replace(str(folder), "")))


async def check(
    tmp_path: Path,
    place: str,
    keys: str,
    size: tuple[int, int],
    begin: type[WorkbenchApp] = WorkbenchApp,
) -> None:
    typed = await outcome(tmp_path / "typed", place, keys, GAP, size, begin)
    at_once = await outcome(tmp_path / "burst", place, keys, 0, size, begin)
    assert at_once == typed, (place, keys)


@pytest.mark.parametrize("place", PLACES)
async def test_random_keys(tmp_path: Path, place: str) -> None:
    way, alphabet = PLACES[place]
    begin = BEGINNINGS.get(place, WorkbenchApp)
    for n in range(BURSTS):
        draw = random.Random(f"{place} {n}" if n else place)
        keys = "".join(draw.choices(alphabet, k=LONG))
        await check(tmp_path / str(n), way, keys, draw.choice([(160, 48), (80, 24)]), begin)


@pytest.mark.parametrize("keys", PICKED)
async def test_picked_keys(tmp_path: Path, keys: str) -> None:
    await check(tmp_path, "", keys, (160, 48))
