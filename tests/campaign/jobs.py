"""python -m tests.campaign.jobs --kills 200.

Jobs of all kinds, killed by SIGKILL at moments left to chance, again and again, and gone on with:
at the end each has to have found what one that nobody disturbed has found, to the last bit. Prints
a table of what was killed how often, and what was other; the exit code says whether anything was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.forks import Forked
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection
from workbench.jobs import detach, process
from workbench.jobs.folder import DONE, JobFolder, find_folder
from workbench.jobs.listing import Job, job_of
from workbench.session.session import Session

MODEL, PAIRS = "pocket", 12
MOST_KILLS = 8
"""Of one job, which is then let go on to its end."""
LONGEST = 300.0
"""Seconds after which a job that nobody disturbs should be done."""
SECONDS = ("seconds", "created", "time")


@dataclass(frozen=True)
class Asked:
    """One kind of job: what it is called, and how a session or a command asks for it."""

    name: str
    detach: Callable[[Session, Path], Job]


def _discovery(method: str, options: Options, selection: Selection | None = None) -> Asked:
    return Asked(
        method, lambda session, _: detach.detach_discovery(session, method, options, selection)
    )


TOP = Selection(n=40)
COMMAND = ("discover", MODEL, "ioi", "--pairs", str(PAIRS), "-m", "acdc", "--threshold", "0.02")
ALL = (
    _discovery("eap-ig", Options(steps=40), TOP),
    _discovery("exact", Options(), TOP),
    _discovery("activation-patching", Options(), Selection(n=5)),
    _discovery("acdc", Options(threshold=0.02)),
    _discovery("greedy-growth", Options(edges=15)),
    _discovery("greedy-pruning", Options(edges=15)),
    _discovery("edge-pruning", Options(edges=20, steps=40)),
    Asked("assessment", lambda session, _: detach.detach_assessment(session)),
    Asked(
        "clusters",
        lambda session, _: detach.detach_clusters(session, ClusterRequest("eap", edges=40, k=2)),
    ),
    Asked(
        "discover, a command",
        lambda _, folder: detach.detach_command(
            [*COMMAND, "-o", str(folder / "circuit.json"), "--json"]
        ),
    ),
)


def found(folder: JobFolder, beside: Path) -> dict[str, Any]:
    """All that a job found, in plain values and arrays, without times."""
    told: dict[str, Any] = {}
    # Killed before that was there, a job leaves scores to which nothing belongs.
    for path in sorted((folder.path / "session.found").glob("*.json")):
        with np.load(path.with_suffix(".npz")) as arrays:
            told |= {f"scores: {name}": arrays[name].tobytes() for name in arrays.files}
    for path in [*folder.path.glob("part-*.json"), folder.path / "clusters.json"]:
        if path.is_file():
            value = json.loads(path.read_text())
            told[path.name] = value["tuple"][0] if "tuple" in value else value
    for path in [*sorted((folder.path / "clusters").glob("*.json")), beside / "circuit.json"]:
        if path.is_file():
            value = json.loads(path.read_text())
            told[path.name] = value["edges"]
    return told


def one_process(folder: JobFolder) -> Forked:
    """A process, forked from this one, that computes a job."""

    def run(arguments: list[str], say: Callable[[str, float | None], None]) -> int:
        from workbench.cli import console
        from workbench.cli.main import main

        with console.watched(say):
            return main(arguments)

    def compute(pipe: int) -> None:
        from workbench.jobs.work import work

        for number, path in ((1, folder.output), (2, folder.log)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
        folder.forget_end()
        work(folder.path, run)

    return Forked(compute)


def finish(folder: JobFolder) -> float:
    """Let a job come to its end; returns how long that took."""
    began = time.monotonic()
    running = one_process(folder)
    running.ended(LONGEST)
    running.end()
    return time.monotonic() - began


def campaign(kills: int, seed: int, each: int = 20) -> tuple[Counter[str], Counter[str]]:
    """Kill jobs until so many kills are done.

    Args:
        each: of so many kills one is of a process that was started as the app starts one.

    Returns:
        How often a job of each kind was killed, and what went wrong how often.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from workbench.session.start import start_session

    chance, killed, wrong = random.Random(seed), Counter[str](), Counter[str]()
    recalled = 0
    with tempfile.TemporaryDirectory() as made:
        beside = Path(made)
        os.environ["WORKBENCH_STATE"] = str(beside / "state")
        started, detach.start = detach.start, job_of
        with start_session(MODEL, "ioi", pairs=PAIRS) as session:
            circuit = session.discoveries.run("eap", selection=TOP)
            session.discoveries.take(circuit.number)
            expected: dict[str, tuple[dict[str, Any], float]] = {}
            number = 0
            while killed.total() < kills:
                asked = ALL[number % len(ALL)]
                number += 1
                if asked.name not in expected:
                    folder = find_folder(asked.detach(session, beside).id)
                    took = finish(folder)
                    if folder.end()[0] != DONE:
                        wrong[f"{asked.name} undisturbed: {folder.end()[1]}"] += 1
                        break
                    expected[asked.name] = found(folder, beside), took
                    process.remove(folder)
                whole, took = expected[asked.name]
                (beside / "circuit.json").unlink(missing_ok=True)
                folder = find_folder(asked.detach(session, beside).id)
                for _ in range(min(MOST_KILLS, kills - killed.total())):
                    real = killed.total() % each == each - 1
                    if real:
                        detach.start = started
                        process.start(folder)
                        time.sleep(chance.uniform(0, took + 4))
                        holder = folder.holder()
                        running = None if holder is None else holder.process()
                        if running is not None:
                            running.kill()
                        while folder.is_running():
                            process.reap()
                            time.sleep(0.01)
                        detach.start = job_of
                    else:
                        forked = one_process(folder)
                        # Mostly once it computes; the first moments load the model.
                        forked.hear(chance.uniform(0, took) if chance.random() < 0.9 else 0.01)
                        forked.kill(signal.SIGKILL)
                        forked.end()
                    killed[asked.name] += 1
                    recalled += any(folder.pieces.iterdir())
                    if folder.end()[0] == DONE:
                        break
                if folder.end()[0] != DONE:
                    finish(folder)
                if folder.end()[0] != DONE:
                    wrong[f"{asked.name} does not end: {job_of(folder)}"] += 1
                elif (other := found(folder, beside)) != whole:
                    names = [n for n in {*other, *whole} if other.get(n) != whole.get(n)]
                    wrong[f"{asked.name} found something else: {', '.join(names)}"] += 1
                process.remove(folder)
    print(f"{recalled} of {killed.total()} kills left pieces behind to go on from")
    return killed, wrong


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.jobs")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    killed, wrong = campaign(asked.kills, asked.seed)
    print(f"{'what':<24}{'killed':>8}")
    for name, times in killed.items():
        print(f"{name:<24}{times:>8}")
    print(f"{'together':<24}{killed.total():>8}")
    for what, times in wrong.items():
        print(f"WRONG, {times} times: {what}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
