"""The memory that this process may still take: of its machine, container and limits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where a container sees what it is allowed."""


def free_memory() -> int:
    """Bytes that can still be allocated without swapping, the least of what each limit leaves."""
    import psutil

    left = [int(psutil.virtual_memory().available)]
    with suppress(ImportError, OSError, ValueError, psutil.Error):
        left.append(_of_address_space())
    with suppress(OSError, ValueError):
        left.append(_of_container())
    return max(0, min(left))


def give_back() -> None:
    """Hand memory that was freed back to the system, where the C library would keep it."""
    import ctypes

    with suppress(AttributeError, OSError):  # glibc's
        ctypes.CDLL(None).malloc_trim(0)


def address_space_is_limited() -> bool:
    """Whether what is mapped counts, of files too, as under `ulimit -v`."""
    with suppress(ImportError, ValueError, OSError):
        _of_address_space()
        return True
    return False


def _of_address_space() -> int:
    """What `ulimit -v` leaves.

    Raises:
        ValueError: there is no such limit.
    """
    import resource

    import psutil

    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        raise ValueError
    return int(most - psutil.Process().memory_info().vms)


def _of_container() -> int:
    """What the container's limit leaves; what is kept of files can be had back.

    Raises:
        OSError, ValueError: there is no limit.
    """
    most, used = _read("memory.max"), _read("memory.current")
    stat = (CGROUP / "memory.stat").read_text(encoding="ascii").split()
    files = int(stat[stat.index("inactive_file") + 1])
    return most - used + files


def _read(name: str) -> int:
    return int((CGROUP / name).read_text(encoding="ascii"))
