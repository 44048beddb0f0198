"""python -m tests.campaign --kills 1000 --files 100000 --keys 10000 --minutes 60

Prints a table of what was tried and what failed, and each fault as it comes; the exit code says
whether anything did. Of eight kills two have a session beside them in a place that does not do as
it should, two a conversion that something befalls, and one an app in a terminal that is killed or
left.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One line of the table.

    Attributes:
        tried: how often.
        faults: each with how often it was found.
    """

    tried: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def note(self, wrong: str) -> None:
        """One more try, with what was wrong or nothing."""
        self.tried += 1
        if wrong:
            self.faults[wrong] += 1
            print(f"{self.tried:,}: {wrong}", file=sys.stderr, flush=True)


def campaign(kills: int, files: int, keys: int, minutes: float, seed: int) -> dict[str, Row]:
    """Damage files, kill sessions, trouble places, press keys, until all is tried or it is time."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is opened by chance is looked for here
    os.environ["OMP_NUM_THREADS"] = "1"  # a fork has none of the threads that torch would wait for
    from tests.campaign.conversions import Conversions
    from tests.campaign.files import kinds, try_file
    from tests.campaign.kills import one_kill, one_place
    from tests.campaign.terminals import one_terminal
    from tests.support.cases.session_cases import new_session, ready
    from workbench.base.folders import sessions_folder
    from workbench.session.session import Session

    table: dict[str, Row] = {}
    end = time.monotonic() + 60 * minutes
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["WORKBENCH_STATE"] = made
        whole = kinds(folder)
        for kind in whole:
            table[kind.name] = Row()
            if wrong := try_file(kind, kind.whole, math.inf):  # it imports what reads it
                table[kind.name].note(f"undamaged: {wrong}")
        # In turn, so that every kind has its share of a short time; so has each part.
        share = 60 * minutes / max(1, sum(map(bool, (kills, files, keys))))
        for n in range(files):
            if time.monotonic() > end - share * (bool(kills) + bool(keys)):
                break
            kind = whole[n % len(whole)]
            table[kind.name].note(try_file(kind, kind.damaged(chance)))
        sessions = folder / "killed"
        sessions.mkdir()
        path = sessions / "tried.jsonl"
        ready()

        def make() -> Session:
            return new_session(sessions, name=path.name)

        besides: list[tuple[int, Callable[[], tuple[str, str]]]] = [
            (4, lambda: one_place(make, path, chance)),
            (8, lambda: one_terminal(sessions_folder(), chance)),
        ]
        if kills:
            conversions = Conversions(folder)
            besides.append((4, lambda: conversions.one(chance)))
        table["killed"] = Row()
        for n in range(kills):
            if n and time.monotonic() > end - share * bool(keys):
                break  # one of each in any case
            table["killed"].note(one_kill(make, path, chance))
            for each, trouble in besides:
                if n % each == 0:
                    name, wrong = trouble()
                    table.setdefault(name, Row()).note(wrong)
        if keys:  # last: what is forked above has no threads of an app's
            os.environ["WORKBENCH_CONFIG"] = str(folder)
            from tests.campaign.keys import try_keys

            table["keys"] = Row()
            try_keys(folder / "keys", keys, end, seed, table["keys"].note)
    return table


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    table = campaign(asked.kills, asked.files, asked.keys, asked.minutes, asked.seed)
    print(f"{'what':<40}{'tried':>8}{'failed':>8}")
    for name, row in table.items():
        print(f"{name:<40}{row.tried:>8,}{sum(row.faults.values()):>8,}")
        for wrong, times in row.faults.most_common(10):
            print(f"    {times:,} times: {wrong}")
    return int(any(row.faults for row in table.values()))


if __name__ == "__main__":
    sys.exit(main())
