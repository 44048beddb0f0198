"""A model that is converted into the cache, and what may befall it there.

Whatever does, the next start has to compute what it computes without trouble, and nothing
half-written may stay after it.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.campaign.files import fault
from tests.campaign.forks import SIGNALS, Forked
from tests.support.tiny_gguf import write_tiny_gguf
from workbench.base.folders import cache_folder
from workbench.models.model import load_model

TOKENS = [[5, 80, 260, 17]]
LONGEST = 0.5
"""Seconds in which something befalls it."""
MOST = 120.0
"""Seconds that a start may take, on a machine that does other things besides."""


def _tell(file: Path, pipe: int, before: Callable[[], None] = lambda: None) -> None:
    """Load a model and tell the digest of what it computes, or 'x' and what went wrong."""
    warnings.simplefilter("ignore")  # that it could not be kept
    before()
    try:
        with torch.no_grad():
            found: Any = load_model(str(file), device="cpu").hf(torch.tensor(TOKENS)).logits
        answer = hashlib.sha256(found.numpy().tobytes()).hexdigest()
    except BaseException as error:
        answer = "x" + (fault(error) or f"refused: {error}")
    os.write(pipe, answer.encode())


def _start(file: Path, before: Callable[[], None] = lambda: None) -> Forked:
    return Forked(lambda pipe: _tell(file, pipe, before))


def _answer(child: Forked) -> str:
    heard = child.hear(MOST).decode()
    child.end()
    return heard or "x no answer"


def _wrong(answers: list[str], right: str) -> str:
    return next((one.removeprefix("x") for one in answers if one != right), "")


# What may befall it; each tells what the starts under it answered.


def killed(file: Path, chance: random.Random) -> list[str]:
    """It is killed."""
    child = _start(file)
    child.hear(chance.random() * LONGEST)
    child.kill(chance.choice(SIGNALS))
    child.end()
    return []


def no_room(file: Path, chance: random.Random) -> list[str]:
    """The disk fills while it is written."""
    most = chance.randrange(2 * file.stat().st_size)

    def before() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return [_answer(_start(file, before))]


def no_cache(file: Path, chance: random.Random) -> list[str]:
    """The cache is taken away while it is written or read."""
    child = _start(file)
    for _ in range(3):
        child.hear(chance.random() * LONGEST / 3)
        shutil.rmtree(cache_folder(), ignore_errors=True)
    return [_answer(child)]


def lost_pages(file: Path, chance: random.Random) -> list[str]:
    """The machine starts anew, and a part of what was written is not there, or full of zeros."""
    answer = _answer(_start(file))
    for entry in cache_folder().glob("[!.]*"):
        (entry / "checked").unlink(missing_ok=True)
        path = chance.choice(sorted(entry.iterdir()))
        whole = path.read_bytes()
        keep = chance.randrange(len(whole) + 1)
        path.write_bytes(whole[:keep] + chance.choice((b"", bytes(len(whole) - keep))))
    return [answer]


def two_at_once(file: Path, chance: random.Random) -> list[str]:
    """A second process converts the same file."""
    one = _start(file)
    one.hear(chance.random() * LONGEST / 3)
    return [_answer(_start(file)), _answer(one)]


TROUBLES = (killed, no_room, no_cache, lost_pages, two_at_once)


class Conversions:
    """A file to convert, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        """An empty folder."""
        os.environ["WORKBENCH_CACHE"] = str(folder / "cache")
        self._file = write_tiny_gguf(folder / "tiny.gguf")
        self._right = _answer(_start(self._file))

    def one(self, chance: random.Random) -> tuple[str, str]:
        """Something that befalls a conversion: what, and what is wrong afterwards, or nothing."""
        trouble = chance.choice(TROUBLES)
        if chance.random() < 0.5:  # else it is read, not written
            shutil.rmtree(cache_folder(), ignore_errors=True)
        answers = [*trouble(self._file, chance), _answer(_start(self._file))]
        wrong = _wrong(answers, self._right)
        left = [path.name for path in cache_folder().glob(".*")]
        return f"conversion: {trouble.__name__}", wrong or (f"left: {left[0]}" if left else "")
