"""The app in a pseudo-terminal, killed or left without its terminal while keys set off things.

It tells each entry that it wrote into a journal. Afterwards it has to be gone, whatever befell it,
every journal has to hold what was told and at most one entry more, and to replay.
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import signal
import string
import struct
import termios
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.campaign.forks import SIGNALS, Forked
from tests.campaign.kills import empty, judged
from tests.support.burst_places import GROUPS
from tests.support.key_bursts import NAMED
from tests.support.patience import Patience
from tests.support.pseudo_terminal import KEYS
from workbench.base.folders import state_folder
from workbench.cli.main import main
from workbench.session.journal import Journal, read

LONGEST = 6.0
"""Seconds after which something befalls it, at the latest."""
PATIENCE = 60.0
"""Seconds in which it has to be gone, on a machine that does nothing else."""
SIZES = ((24, 80), (48, 160))
BYTES = {**KEYS, "shift+tab": KEYS["backtab"], "ctrl+g": "\x07", "ctrl+n": "\x0e", "at": "@",
         "f2": "\x1bOQ", "f3": "\x1bOR"}  # fmt: skip
WAYS = [place.way for group in ("bench", "about edges", "graphs", "screens")
        for place in GROUPS[group].values()]  # fmt: skip
GO = ("", "⏎", "⏎⏎", " ⏎")
"""What begins what a screen or dialog is for."""


def _keys(chance: random.Random) -> list[bytes]:
    """Strings of keys, each sent at once: to a place, what begins something there, and others."""
    some = string.ascii_letters.replace("q", "")
    strings = [
        chance.choice(WAYS) + chance.choice(GO) + "".join(chance.choices(some, k=6)) + "⎋⎋"
        for _ in range(6)
    ]
    return [
        "".join(BYTES.get(NAMED.get(key, key), key) for key in keys).encode() for keys in strings
    ]


def _app(command: Sequence[str], master: int, slave: int, pipe: int) -> None:
    """Run a command of the command line in a terminal; each entry's journal is told."""
    os.close(master)  # or it would never hang up
    os.chdir(state_folder())  # where it writes files
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for stream in (0, 1, 2):
        os.dup2(slave, stream)
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    append = Journal.append

    def told(self: Journal, entry: dict[str, object]) -> None:
        append(self, entry)
        os.write(pipe, f"{self.path.name}\n".encode())

    pytest.MonkeyPatch().setattr(Journal, "append", told)
    main(list(command))


def _press(master: int, keys: Sequence[bytes], child: Forked, seconds: float) -> None:
    """Press strings of keys, evenly over so many seconds; what is drawn is thrown away."""
    end, waiting = time.monotonic() + seconds, list(keys)
    each = seconds / (len(waiting) + 1)
    with suppress(OSError):
        while (left := end - time.monotonic()) > 0:
            if waiting and left < each * len(waiting):
                os.write(master, waiting.pop(0))
            if select.select([master], [], [], min(left, each))[0]:
                os.read(master, 65536)


def _gone(child: Forked, master: int | None) -> bool:
    """Whether it ends by itself in time."""
    patience = Patience(PATIENCE, child.pid)
    while not patience.over():
        if master is not None:
            with suppress(OSError):
                if select.select([master], [], [], 0.02)[0]:
                    os.read(master, 65536)
        if child.ended(0.02):
            return True
    return False


def one_terminal(folder: Path, chance: random.Random) -> tuple[str, str]:
    """An app that something befalls: what, and what is wrong afterwards, or nothing.

    Args:
        folder: the state folder's sessions; emptied, but for a session that is gone on with.
    """
    before = sorted(folder.glob("*.jsonl"))
    if before and chance.random() < 0.5:
        command = ["resume", before[0].stem]
    else:
        empty(folder)
        command = ["open", "known", "--task", "induction", "--pairs", "6"]
    known = Counter({path.name: _entries(path) for path in folder.glob("*.jsonl")})
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *chance.choice(SIZES), 0, 0))
    child = Forked(lambda pipe: _app(command, master, slave, pipe))
    os.close(slave)
    what: signal.Signals | None = chance.choice([*SIGNALS, None])
    _press(master, _keys(chance), child, chance.random() * LONGEST)
    if what is None:
        os.close(master)
    else:
        child.kill(what)
    gone = _gone(child, None if what is None else master)
    heard = child.hear(0.1)
    child.end()
    if what is not None:
        os.close(master)
    name = f"terminal: {'hang-up' if what is None else what.name}"
    if not gone:
        return name, f"not gone after {PATIENCE:.0f} s"
    told = known + Counter(heard.decode().splitlines())
    for path in folder.glob("*.jsonl"):
        if wrong := judged(path, told[path.name]):
            empty(folder)  # it would be found again and again
            return name, wrong
    lost = [path for path in told if not (folder / path).exists()]
    return name, f"{lost[0]} is not there" if lost else ""


def _entries(path: Path) -> int:
    return len(read(path).entries)
