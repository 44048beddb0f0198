"""python -m tests.mutation [FILE ...] [--sample N] [--kept FOLDER] [--page]

Puts small faults into the core files, one after the other, and prints which of them no test
notices. Those that a table in docs/mutation.md names count as explained; the exit code says whether
less than 90 of 100 were noticed or explained. With --kept it goes on where it stopped: what was
noticed is not tried again while neither the file nor the sample changes. With --page it writes its
figures and what is left at the end of that page.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.mutants import Mutant, compiled, mutants_of
from tests.mutation.tests_of import TESTS_OF

ROOT = Path(__file__).parents[2]
LIST = ROOT / "docs" / "mutation.md"
BAR = 0.9
FEW = 12
"""Tests that are asked first, the shortest; then all others that pass the line."""
FIGURES = "## Figures\n"
"""What stands from there on in the page is the tool's."""
CODE = re.compile(r"`` ?(.+?) ?``|`(.+?)`")


@dataclass
class Passed:
    """Which tests pass through which lines, and how long each takes."""

    tests: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    seconds: dict[str, float] = field(default_factory=dict)

    def of(self, mutant: Mutant) -> list[str]:
        """The tests of a mutant's line, the shortest first, whole files last."""
        found = self.tests.get((mutant.file, mutant.line), set())
        return sorted(found, key=lambda test: ("::" not in test, self.seconds.get(test, 0.0)))


@dataclass
class Counts:
    """How many faults were noticed, are explained, and are neither."""

    noticed: int = 0
    explained: int = 0
    left: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.noticed + other.noticed, self.explained + other.explained, self.left + other.left
        )

    @property
    def tried(self) -> int:
        return self.noticed + self.explained + self.left

    @property
    def share(self) -> float:
        """Noticed or explained, of all that were tried."""
        return (self.noticed + self.explained) / max(1, self.tried)

    def told(self) -> str:
        """As cells of a row."""
        return f"{self.tried} | {self.noticed} | {self.explained} | {self.left}"


def explained() -> set[tuple[str, str, str]]:
    """The mutants that the list in the documentation explains, by file, place and change."""
    found = set()
    for row in LIST.read_text("utf-8").splitlines() if LIST.exists() else ():
        cells = [a or b for a, b in CODE.findall(row.replace("\\|", "|"))]
        if row.startswith("|") and len(cells) >= 3 and cells[0].endswith(".py"):
            found.add((cells[0], cells[1], cells[2]))
    return found


def test_files(named: tuple[str, ...]) -> list[str]:
    """The test files of some folders and files."""
    found = []
    for name in named:
        path = ROOT / name
        found += sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(ROOT)) for path in dict.fromkeys(found)]


def learned(files: list[str], kept: Path) -> Passed:
    """Which tests pass through the lines of these files; those of a folder are found once."""
    from tests.mutation.trial import passed

    result = Passed()
    wanted = dict.fromkeys(test for file in files for test in test_files(TESTS_OF[file]))
    for test in wanted:
        of = [file for file in TESTS_OF if test in test_files(TESTS_OF[file])]
        digest = hashlib.sha256(b"".join((ROOT / f).read_bytes() for f in (test, *of)))
        out = kept / f"lines-{digest.hexdigest()[:16]}.jsonl"
        if not out.exists():
            draft = out.with_suffix(".new")
            draft.unlink(missing_ok=True)
            passed(ROOT, of, test, draft)
            draft.rename(out)
        for row in out.read_text().splitlines():
            name, _, seconds, lines = json.loads(row)
            result.seconds[name] = seconds
            for file, line in lines:
                result.tests[file, line].add(name)
    return result


def noticed(mutant: Mutant, passed: Passed) -> bool:
    """Whether a test notices a mutant: a few short ones are asked first."""
    from tests.mutation.trial import notices

    code, tests = compiled(ROOT, mutant), passed.of(mutant)
    for some in (tests[:FEW], tests[FEW:]):
        usual = sum(passed.seconds.get(test, 0.0) for test in some) + 5
        if some and notices(ROOT, mutant.file, code, some, usual):
            return True
    return False


def write_page(sample: int | None, rows: list[tuple[str, int, Counts]], left: list[Mutant]) -> None:
    """Put the figures of a run at the end of the page, in the place of those before."""
    of = f"{sample} of each file, drawn at random" if sample else "All of each file"
    lines = [
        f"{of}; this part is written by `python -m tests.mutation --page`.\n",
        "| file | faults | tried | noticed | explained | left |",
        "|---|---|---|---|---|---|",
    ]
    total = Counts()
    for file, n, counts in rows:
        total += counts
        lines.append(f"| `{file}` | {n} | {counts.told()} |")
    n = sum(n for _, n, _ in rows)
    lines += [f"| all | {n} | {total.told()} |", ""]
    lines += [f"{total.share:.1%} are noticed or explained.", ""]
    if left:
        lines.append("Left, noticed by no test:\n")
        lines += [f"- `{one.file}`, `{one.place}`: `` {one.what} ``" for one in left]
    before = LIST.read_text("utf-8").partition(FIGURES)[0]
    figures = FIGURES + "\n" + "\n".join(lines).rstrip() + "\n"
    LIST.write_text(f"{before.rstrip()}\n\n{figures}", "utf-8")


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("files", nargs="*", default=list(TESTS_OF), metavar="FILE")
    parser.add_argument("--sample", type=int, help="so many faults of each file; else all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--kept", type=Path, help="a folder, to go on where it stopped")
    parser.add_argument("--page", action="store_true", help="write the figures into the page")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    end = time.monotonic() + 60 * asked.minutes
    kept = asked.kept or Path(tempfile.mkdtemp(prefix="workbench-mutation-"))
    kept.mkdir(exist_ok=True)
    _load_others()
    known = explained()
    print(f"{'file':<40}{'faults':>8}{'tried':>8}{'noticed':>9}{'explained':>11}{'left':>6}")
    total, rows, every = Counts(), list[tuple[str, int, Counts]](), list[Mutant]()
    for file in asked.files:
        mutants = mutants_of(ROOT, file)
        chosen = mutants
        if asked.sample and asked.sample < len(mutants):
            chance = random.Random(f"{asked.seed} {file}")
            chosen = sorted(chance.sample(mutants, asked.sample), key=lambda one: one.number)
        digest = hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]
        memory = kept / f"noticed-{digest}.jsonl"
        before = (
            {tuple(json.loads(row)) for row in memory.read_text().splitlines()}
            if (memory.exists())
            else set()
        )
        counts = Counts()
        left = []
        # Where all is known from an earlier run, it need not be known which test passes where.
        to_try = any(mutant.name not in before | known for mutant in chosen)
        passed = learned([file], kept) if to_try and time.monotonic() < end else Passed()
        for mutant in chosen:
            if mutant.name in before:
                counts.noticed += 1
            elif mutant.name in known:
                counts.explained += 1
            elif time.monotonic() > end:
                continue
            elif noticed(mutant, passed):
                counts.noticed += 1
                with memory.open("a") as stream:
                    stream.write(json.dumps(mutant.name) + "\n")
            else:
                counts.left += 1
                left.append(mutant)
        total += counts
        rows.append((file, len(mutants), counts))
        every += left
        print(
            f"{file:<40}{len(mutants):>8}{counts.tried:>8}{counts.noticed:>9}"
            f"{counts.explained:>11}{counts.left:>6}"
        )
        for mutant in left:
            print(f"    line {mutant.line}, {mutant.place}: {mutant.what}", flush=True)
    print(
        f"{total.noticed + total.explained} of {total.tried} are noticed or explained: "
        f"{total.share:.1%}"
    )
    if asked.page:
        write_page(asked.sample, rows, every)
    return int(total.share < BAR)


def _load_others() -> None:
    """Load what is not ours, once for all."""
    import hypothesis
    import numpy
    import sklearn.cluster
    import torch
    import transformer_lens
    import transformers

    import tests.support.cases.session_cases  # noqa: F401

    torch.set_num_threads(1)
    del hypothesis, numpy, sklearn, transformer_lens, transformers


if __name__ == "__main__":
    sys.exit(main())
