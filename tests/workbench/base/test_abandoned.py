"""What killed processes leave half-written is told from what is being written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.base import folders
from workbench.base.abandoned import is_abandoned, writer_token
from workbench.base.write_file import write_whole
from workbench.models.cache import CacheEntry

ENDLESS = 1e9


def test_by_its_writer(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = writer_token()
    names = {
        mine: False,
        mine.replace(f"-{os.getpid()}-", f"-{gone.pid}-"): True,
        # Of another machine the processes are not known.
        f"00000000-{gone.pid}-{mine[-16:]}": False,
        mine.replace(f"-{os.getpid()}-", "-9999999999-"): False,  # no such number
    }
    assert len(names) == 4 and writer_token() != mine
    for name, expected in names.items():
        (tmp_path / name).touch()
        assert is_abandoned(tmp_path / name, ENDLESS) == expected, name
        assert is_abandoned(tmp_path / name, -1)


CONVERT = """
import os, resource, signal, sys
from pathlib import Path
from workbench.models.cache import CacheEntry

def write(folder):
    with open(folder / "weights", "wb") as file:
        file.write(bytes(2000))
        file.flush()
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        file.write(bytes(20_000))

if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
entry = CacheEntry.of(Path(sys.argv[1]), lambda message, fraction: None)
print(entry.store(write, 1))
"""


@pytest.mark.parametrize("what", ["killed", "full"])
def test_a_conversion_that_does_not_end_leaves_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv(folders.CACHE_VARIABLE, str(cache))
    model = tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(model), what], capture_output=True, text=True
    )
    parent = next((path for path in cache.rglob("*") if path.name.startswith(".part-")), None)
    if what == "killed":
        assert done.returncode == -signal.SIGKILL and parent is not None
    else:
        assert done.stdout == "False\n" and "could not be kept" in done.stderr
        assert parent is None
    entry = CacheEntry.of(model, lambda message, fraction: None)
    assert entry.store(lambda folder: write_whole(folder / "weights", "x"), 1)
    assert [path.name for path in entry.folder.parent.iterdir()] == [entry.folder.name]


def test_a_killed_export_is_swept_by_the_next(tmp_path: Path) -> None:
    write = (
        "import os, signal, sys; from workbench.base import write_file\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_file.write_whole(sys.argv[1], '{}')"
    )
    target = tmp_path / "a.json"
    done = subprocess.run([sys.executable, "-c", write, str(target)])
    assert done.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    write_whole(target, "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
