"""Sessions that are killed, kept from writing or opened twice, each in a process of its own.

The process tells each command that was acknowledged; afterwards the journal has to hold all of
them and at most one more, replay, and every exported file has to be whole.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.campaign.files import fault
from tests.campaign.forks import SIGNALS, Forked
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit
from workbench.session.header import Header
from workbench.session.holder import HeldElsewhere, is_held
from workbench.session.journal import Journal, read
from workbench.session.journals import list_sessions
from workbench.session.session import Session
from workbench.session.start import replayed

LONGEST = 1.0
"""Seconds after which a process is killed at the latest."""
COMMANDS = 60


def act(session: Session, chance: random.Random, folder: Path) -> None:
    """Something that a user does: an edit mostly, now and then what takes a while or a file."""
    from workbench.discovery.clusters.request import ClusterRequest
    from workbench.discovery.selection import Selection

    edge = chance.choice(list(session.graph.edges()))
    node = chance.choice(session.graph.nodes[1:])
    calls: list[Callable[[], object]] = [
        *[lambda: session.toggle(edge)] * 6,
        lambda: session.expand(node),
        lambda: session.set_threshold(chance.random()),
        lambda: session.note(node, "a note"),
        session.undo,
        session.redo,
        lambda: session.go_to(0),
        lambda: session.export(folder / f"{chance.randrange(3)}.json"),
        lambda: session.discoveries.run("eap", selection=Selection(n=8)),
        lambda: session.assessor.run(chance.choice(["faithfulness", "minimality", "chance"])),
        lambda: session.assessor.write_report(folder / "report.md"),
        lambda: session.clusterer.run(ClusterRequest(method="eap", edges=8, k=2, splits=2)),
    ]
    chance.choice(calls)()


def _acting(make: Callable[[], Session], seed: float, folder: Path, pipe: int) -> None:
    """Act until killed; one byte for each entry of the journal, 'x' and a message for a fault."""
    chance = random.Random(seed)
    told = 0
    session = make()
    for _ in range(COMMANDS):
        try:
            act(session, chance, folder)
        except WorkbenchError as error:
            if wrong := fault(error):
                os.write(pipe, b"x" + wrong.encode())
                break
        except Exception as error:
            os.write(pipe, b"x" + fault(error).encode())
            break
        if (new := session.n_entries - told) > 0:
            os.write(pipe, b"." * new)
            told += new


def empty(folder: Path) -> None:
    """Make a folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def one_kill(make: Callable[[], Session], path: Path, chance: random.Random) -> str:
    """A session that is killed at some moment; what is wrong afterwards, or nothing."""
    empty(path.parent)
    seed, after, number = chance.random(), chance.random() * LONGEST, chance.choice(SIGNALS)
    child = Forked(lambda pipe: _acting(make, seed, path.parent, pipe))
    child.hear(after)
    child.kill(number)
    heard = child.hear(LONGEST)
    child.end()
    acknowledged, _, wrong = heard.partition(b"x")
    return wrong.decode() or judged(path, len(acknowledged))


def judged(path: Path, acknowledged: int) -> str:
    """What is wrong with a journal that has to hold so many entries, or one more; or nothing."""
    if not path.exists():
        return f"{acknowledged} commands and no journal" if acknowledged else ""
    try:
        if is_held(path):
            return "still held"
        listed = [one for one in list_sessions() if one.path == path]
        if listed and listed[0].damage:
            return listed[0].damage
        opened, reading = Journal.open(path)
        opened.close()
        if not 0 <= len(reading.entries) - acknowledged <= 1:
            return f"{acknowledged} acknowledged, {len(reading.entries)} in the journal"
        replayed(Header.from_json(reading.header), reading, path)
        for circuit in path.parent.glob("[0-9].json"):
            load_circuit(circuit)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


# Places that do not do as they should. Each runs in a fork, so that limits stay there.


def no_room(session: Session, chance: random.Random) -> None:
    """No file may grow further than somewhere."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = session.path.stat().st_size + chance.randrange(4000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def no_folder(session: Session, chance: random.Random) -> None:
    """The folder of the sessions is taken away."""
    session.path.parent.rename(session.path.parent.with_name("away"))


def no_right(session: Session, chance: random.Random) -> None:
    """A file stands where results are kept."""
    found = session.path.with_suffix(".found")
    shutil.rmtree(found, ignore_errors=True)
    found.write_text("in the way")


def turned_clock(session: Session, chance: random.Random) -> None:
    """The clock goes back by years."""
    real = time.time
    time.time = lambda: real() - 1e8 * chance.random()


def opened_twice(session: Session, chance: random.Random) -> None:
    """Somebody else opens it, too."""
    try:
        Journal.open(session.path)
    except HeldElsewhere:
        return
    raise AssertionError("two sessions hold one journal")


PLACES = (no_room, no_folder, no_right, turned_clock, opened_twice)


def one_place(make: Callable[[], Session], path: Path, chance: random.Random) -> tuple[str, str]:
    """A session in a place that does not do as it should: which, and what is wrong, or nothing."""
    trouble = chance.choice(PLACES)
    empty(path.parent)

    def work(pipe: int) -> None:
        wrong = ""
        try:
            session = make()
            for at in range(12):
                if at == 4:
                    trouble(session, chance)
                with suppress(WorkbenchError):
                    act(session, chance, path.parent)
            lost = session.n_entries - len(read(path).entries) if path.exists() else 0
            wrong = f"{lost} acknowledged commands are not in the journal" if lost else ""
        except BaseException as error:
            wrong = fault(error)
        os.write(pipe, wrong.encode())

    child = Forked(work)
    heard = child.hear(30)
    child.end()
    away = path.parent.with_name("away")
    if away.is_dir():
        shutil.rmtree(path.parent, ignore_errors=True)
        away.rename(path.parent)
    return f"place: {trouble.__name__}", heard.decode()
