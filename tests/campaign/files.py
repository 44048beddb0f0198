"""Every kind of file that the workbench reads, damaged at random and read again.

What comes out is a value, or one sentence; nothing else, soon, and in bounded memory.
"""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.damage import broken_bytes, broken_json
from workbench.errors import WorkbenchError

SLOWEST = 5.0
"""Seconds that reading a damaged file of some kilobytes may take."""
MOST_MEMORY = 2**30
"""Bytes by which the process may grow over all of it."""
LONGEST = 700
"""Characters of a sentence, the path of the file among them."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: what the table calls it.
        path: the file that is damaged.
        whole: its bytes.
        read: reads it as the workbench does.
        lines: it has a JSON value on each line, not one on all.
        plain: it is JSON.
    """

    name: str
    path: Path
    whole: bytes
    read: Callable[[], object]
    plain: bool = False
    lines: bool = False

    def damaged(self, chance: random.Random) -> bytes:
        """The file with something done to it."""
        if not self.plain or chance.random() < 0.3:
            return broken_bytes(self.whole, chance)
        if not self.lines:
            return broken_json(json.loads(self.whole), chance)
        lines = self.whole.splitlines(keepends=True)
        at = chance.randrange(len(lines))
        lines[at] = broken_json(json.loads(lines[at]), chance) + b"\n"
        return b"".join(lines)


def fault(error: BaseException | None) -> str:
    """What is wrong with the way in which a file was refused; nothing if it is a sentence."""
    if error is None:
        return ""
    if not isinstance(error, WorkbenchError):
        return f"{type(error).__name__}: {str(error)[:200]}"
    sentence = str(error)
    if not sentence.isprintable():
        return f"not printable: {sentence[:200]!r}"
    if not sentence.endswith("."):
        return f"no sentence: {sentence[:200]}"
    if len(sentence) > LONGEST:
        return f"{len(sentence)} characters: {sentence[:200]}"
    return ""


def try_file(kind: Kind, data: bytes, slowest: float = SLOWEST) -> str:
    """Read a file with these bytes; what is wrong with the outcome, or nothing."""
    kind.path.write_bytes(data)
    began = time.process_time()  # of a machine that does other things besides
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error: BaseException | None = None
    try:
        kind.read()
    except Exception as raised:
        error = raised
    finally:
        kind.path.write_bytes(kind.whole)
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    wrong = fault(error)
    if not wrong and seconds > slowest:
        wrong = f"{seconds:.1f} s"
    if not wrong and grown > MOST_MEMORY:
        wrong = f"{grown / 2**20:.0f} MiB more"
    return wrong


def kinds(folder: Path) -> list[Kind]:
    """Every kind, each with a whole file in the folder, which is the state folder too."""
    from tests.campaign.kinds import circuit_kinds, model_kinds, session_kinds, state_kinds

    return [
        *circuit_kinds(folder),
        *session_kinds(folder),
        *state_kinds(folder),
        *model_kinds(folder),
    ]
