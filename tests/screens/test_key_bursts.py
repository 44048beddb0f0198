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
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from tests.support.drawing import without_drawing
from tests.support.key_bursts import GAP, calm, ended, seen, send
from tests.support.no_settings import forget_settings
from tests.support.tiny_sessions import tiny_session
from workbench.session.about import SessionAbout, write_about
from workbench.session.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_frame")]

MOVES = "⏎⎋⇥jkhl↓↑←→"
PLACES = {
    "bench": ("", MOVES + "⌫ew  ax-ruUidsftWJ1230A][/nN"),
    "edges": ("e2", MOVES + "  axruis01mheads.⌫/nN"),
    "filter": ("e2f", MOVES + "a01mh.< x⌫"),
    "readouts": ("e3", "⏎⎋⇥hl←→,.<>0me/nN"),
    "pairs": ("e5", MOVES + "  sOuU=I⎋n/12"),
    "ask": ("e3Q", "⎋⇥⏎ Maryto#1⌫→←"),
    "metric": ("#", MOVES + "lh ⏎"),
    "bench of prompts": ("e␙", MOVES + "  O*-uU+/n⎋"),
    "graph": ("eg", MOVES + "  gGRnmpfbuU?12-/JVa"),
    "discover": ("D", MOVES + " 1250ab-st"),
    "assessment": ("ev", MOVES + " e"),
    "between tokens": ("e&", MOVES + "  Vt19.⌫/nN"),
    "beside": ("eB", MOVES + " ab-B/n"),
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
}
"""How to come to a screen or dialog, and the keys that are tried there."""
PICKED = (
    "2fx1", "2fx1⏎ ", "Jm1⏎", "gh h h ", "ewewew", "ejj ", "jj2 ", "jjm", "uUuU", "W1hello⏎",
    "␎⎋e␎⎋j", "␎⇤W#a b⏎j-y", "␎⇤j-yk⏎e", "␎⇤-n-yj-yj", "␎⇤/two⏎-y", "␎xyz⏎⎋e",
    "t0.3⏎a", "eg Rname⏎role⏎", "2/m1⏎nn ", "e/a⏎nN-", "?/kl⏎nn", "2/zz⎋ ",
    "eweuHjWab⏎f", "eweuHj⏎jU", "eweuHj j ⏎", "eweuH/m⏎n⏎⎋e",
    "Yjj⏎2", "2Yljj⏎j", "Yoa.txt⏎2", "egog.svg⏎⎋",
)  # fmt: skip
"""Each of a kind that went wrong once, or would without a queue."""
BURSTS = int(os.environ.get("WORKBENCH_BURSTS", "1"))
LONG = 14 if BURSTS > 1 else 10
"""How often random keys are tried at each place, and how many."""
TIMES = re.compile(r" *<?\d+ ms|\d{4}-\d\d-\d\d \d\d:\d\d| {2,}")
"""How long something took, or when it was, which differs, and the blanks that make room for it."""


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
    for node in session.graph.nodes:
        session.sweep(node, "qkv", "full")
    return session


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key does while a model loads depends on how fast that is."""
    monkeypatch.setenv("WORKBENCH_STATE", "set by each run, and put back after the test")
    for name in ("open_session", "resume_session"):
        monkeypatch.setattr(WorkbenchApp, name, lambda *_, **__: None)


async def outcome(folder: Path, place: str, keys: str, gap: float, size: tuple[int, int]) -> str:
    """What is to be seen after these keys, and the commands that they made."""
    forget_settings()  # such as the layout that the keys before have left
    session = prepared(folder, former=bool({"␎", "^"} & set(place + keys)))
    app = WorkbenchApp(session=session)
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
    return TIMES.sub(" ", text.replace(str(folder), ""))


async def check(tmp_path: Path, place: str, keys: str, size: tuple[int, int]) -> None:
    typed = await outcome(tmp_path / "typed", place, keys, GAP, size)
    at_once = await outcome(tmp_path / "burst", place, keys, 0, size)
    assert at_once == typed, (place, keys)


@pytest.mark.parametrize("place", PLACES)
async def test_random_keys(tmp_path: Path, place: str) -> None:
    way, alphabet = PLACES[place]
    for n in range(BURSTS):
        draw = random.Random(f"{place} {n}" if n else place)
        keys = "".join(draw.choices(alphabet, k=LONG))
        await check(tmp_path / str(n), way, keys, draw.choice([(160, 48), (80, 24)]))


@pytest.mark.parametrize("keys", PICKED)
async def test_picked_keys(tmp_path: Path, keys: str) -> None:
    await check(tmp_path, "", keys, (160, 48))
