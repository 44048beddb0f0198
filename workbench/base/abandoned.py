"""Names of half-written files that tell whether whoever writes them still lives.

A process that is killed leaves its half-written file behind. Its name says which process of which
machine it was, so that the next one need not wait until nobody can be writing any more.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_NAMED = re.compile(r"([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{16}")


def writer_token() -> str:
    """A part of a name for what this process writes; nobody can tell it beforehand."""
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def is_abandoned(path: Path, seconds: float) -> bool:
    """Whether the process that wrote this is gone, or nothing was written for so many seconds.

    Raises:
        OSError: it cannot be looked at.
    """
    found = _NAMED.search(path.name)
    if found and found[1] == _machine() and not _lives(int(found[2])):
        return True
    return time.time() - path.lstat().st_mtime > seconds


@cache
def _machine() -> str:
    """This boot of this machine, and where processes are numbered anew, of this container."""
    known = [socket.gethostname()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        known.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.blake2b("\n".join(known).encode(), digest_size=4).hexdigest()


def _lives(process: int) -> bool:
    if os.name != "posix":  # there is no signal that only asks
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
