"""What the app writes for a key stays small enough for a slow line, and shows what it should.

The keys and their bars are those of `workbench bench --app`, each held for each press. Three apps
run at once: one in each size, whose keys are pressed, and one with many pairs, where a sweep takes
its time, in one size after the other.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyte
import pytest

from workbench.benchmarks.line import (
    FIRST_SIGHT,
    IDLE,
    LARGE,
    READY,
    REST,
    SMALL,
    Cost,
    Listener,
    key_costs,
    open_app,
    sweep_rate,
)

pytestmark = pytest.mark.slow

SIZES = {"160x48": LARGE, "80x24": SMALL}
FLAGS = ("--task", "ioi", "--device", "cpu", "--pairs")
PAUSE = 0.5 * REST
"""Pocket answers sooner than what is measured by `bench`."""
PRESSES = 3
SWEPT = {"160x48": "a3.h1", "80x24": "a3.h0"}
"""Whose edges are swept: what is known of a node is not computed again."""

_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=?][0-9;]*(?:u|\$p)|\x1b\[\?2026[hl]")


@dataclass
class Pressed:
    """An app whose keys were pressed.

    Attributes:
        idle: what it wrote while nothing happened.
        so_far, whole: all that it wrote, and what it wrote when it was to write all again.
    """

    size: tuple[int, int]
    costs: dict[str, Cost]
    idle: bytes
    so_far: bytes
    whole: bytes


Sweep = tuple[float, float]
"""The most bytes in a second, and the seconds that it took."""


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Pressed, Sweep]]:
    folder = tmp_path_factory.mktemp("state")
    with ThreadPoolExecutor(1 + len(SIZES)) as pool:
        swept = pool.submit(sweep, folder)
        pressed = {name: pool.submit(press, size, folder) for name, size in SIZES.items()}
        return {name: (one.result(), swept.result()[name]) for name, one in pressed.items()}


@pytest.fixture(params=SIZES)
def pressed(measured: dict[str, tuple[Pressed, Sweep]], request: pytest.FixtureRequest) -> Pressed:
    return measured[request.param][0]


@contextmanager
def opened(size: tuple[int, int], folder: Path, pairs: int, *flags: str) -> Iterator[Listener]:
    environment = {
        "WORKBENCH_STATE": tempfile.mkdtemp(dir=folder),
        "OMP_NUM_THREADS": "1",
    }
    with open_app("pocket", [*FLAGS, str(pairs), *flags], environment, size) as child:
        app = Listener(child, PAUSE)
        app.wait(READY)
        app.rest(2 * REST)
        yield app


def press(size: tuple[int, int], folder: Path) -> Pressed:
    with opened(size, folder, 4) as app:
        costs = {cost.step.name: cost for cost in key_costs(app, size, PRESSES)}
        app.child.read(IDLE / 2)
        idle = app.rest(0)
        so_far = b"".join(data for _, data in app.child.chunks)
        return Pressed(size, costs, idle, so_far, whole=app.press(b"\x0c"))


def sweep(folder: Path) -> dict[str, Sweep]:
    found = {}
    # All of them, not a sample: the sweep has to take a while.
    with opened(LARGE, folder, 6000, "--sample", "6000") as app:
        for name, node in SWEPT.items():
            app.child.resize(SIZES[name])
            app.rest(REST)
            found[name] = sweep_rate(app, node)
    return found


def test_keys_cost_little(pressed: Pressed) -> None:
    for name, cost in pressed.costs.items():
        assert min(cost.bytes) > 0, (name, "does nothing")
        if cost.most is not None:
            assert max(cost.bytes) <= cost.most, (name, cost.bytes)


def test_a_node_is_shown_in_few_frames(pressed: Pressed) -> None:
    """The cursor, the node's table with its readouts, and the scrollbar that it may need."""
    assert max(pressed.costs[FIRST_SIGHT].frames) <= 4


def test_an_edit_is_a_frame(pressed: Pressed) -> None:
    """More than one only where its numbers take longer than a moment."""
    frames = pressed.costs["keeping or dropping an edge"].frames
    assert min(frames) == 1
    assert max(frames) <= 3


def test_nothing_is_written_at_rest(pressed: Pressed) -> None:
    assert not pressed.idle


def test_the_screen_is_what_it_would_be_if_written_whole(pressed: Pressed) -> None:
    assert len(pressed.whole) > pressed.size[0] * pressed.size[1]
    assert shown(pressed.so_far, pressed.size) == shown(pressed.whole, pressed.size)


@pytest.mark.parametrize("size", SIZES)
def test_a_sweep_costs_little(measured: dict[str, tuple[Pressed, Sweep]], size: str) -> None:
    rate, seconds = measured[size][1]
    assert seconds > 0.3, "The sweep was too short to be listened to."
    assert rate <= (4096 if SIZES[size] == LARGE else 2048)


def shown(data: bytes, size: tuple[int, int]) -> list[list[tuple[object, ...]]]:
    """What a terminal of this size shows after these bytes, cell by cell."""
    rows, columns = size
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(_UNKNOWN_TO_PYTE.sub(b"", data))
    return [[seen(screen.buffer[y][x]) for x in range(columns)] for y in range(rows)]


def seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    """A cell without what cannot be told: the ink of a blank."""
    lines = (cell.underscore, cell.strikethrough, cell.reverse)
    return (" ", cell.bg) if cell.data == " " and not any(lines) else tuple(cell)
