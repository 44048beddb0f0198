"""What the app writes for a key stays small enough for a slow line, and shows what it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    STEPS,
    Cost,
    Listener,
    key_costs,
    open_app,
    sweep_rate,
)

pytestmark = pytest.mark.slow

FLAGS = ("--task", "ioi", "--device", "cpu", "--pairs")
LATE = 1.25
"""To how much more than its share a step may come at a node that was never seen, if the machine is
too busy to have its effects at once: they are then written one by one."""

PRESSES = 4
"""Of each key."""

_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=?][0-9;]*(?:u|\$p)|\x1b\[\?2026[hl]")


class Brief(Listener):
    """Waits less after a key than where it is measured: nothing is swept here."""

    def press(self, keys: bytes) -> bytes:
        self.child.write(keys)
        return self.rest(0.7 * REST)


@dataclass
class Pressed:
    """An app whose keys were pressed."""

    size: tuple[int, int]
    app: Listener
    costs: dict[str, Cost]


@pytest.fixture(scope="module", params=[LARGE, SMALL], ids=["160x48", "80x24"])
def pressed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pressed]:
    size: tuple[int, int] = request.param
    few = tuple(replace(step, keys=step.keys[:PRESSES]) for step in STEPS)
    with (
        pytest.MonkeyPatch.context() as patch,
        open_app("pocket", [*FLAGS, "4"], state(tmp_path_factory.mktemp("state")), size) as child,
    ):
        patch.setattr("workbench.benchmarks.line.STEPS", few)
        app = Brief(child)
        app.wait(READY)
        app.rest(2 * REST)
        yield Pressed(size, app, {cost.step.name: cost for cost in key_costs(app, size)})


def state(folder: Path) -> dict[str, str]:
    return {"WORKBENCH_STATE": str(folder), "OMP_NUM_THREADS": "1"}


def test_keys_cost_little(pressed: Pressed) -> None:
    for name, cost in pressed.costs.items():
        if cost.most is None:
            continue
        if name == FIRST_SIGHT:
            assert min(cost.bytes) <= cost.most, cost.bytes
            assert max(cost.bytes) <= cost.most * LATE, cost.bytes
        else:
            assert max(cost.bytes) <= cost.most, (name, cost.bytes)


def test_an_edit_is_a_frame(pressed: Pressed) -> None:
    """More than one only where its numbers take longer than a moment."""
    frames = pressed.costs["keeping or dropping an edge"].frames
    assert min(frames) == 1
    assert max(frames) <= 3


def test_nothing_is_written_at_rest(pressed: Pressed) -> None:
    before = len(pressed.app.child.chunks)
    pressed.app.child.read(IDLE / 2)
    assert len(pressed.app.child.chunks) == before


def test_the_screen_is_what_it_would_be_if_written_whole(pressed: Pressed) -> None:
    so_far = b"".join(data for _, data in pressed.app.child.chunks)
    whole = pressed.app.press(b"\x0c")
    assert len(whole) > pressed.size[0] * pressed.size[1]
    assert shown(so_far, pressed.size) == shown(whole, pressed.size)


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


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["160x48", "80x24"])
def test_a_sweep_costs_little(size: tuple[int, int], tmp_path: Path) -> None:
    with open_app("pocket", [*FLAGS, "3000"], state(tmp_path), size) as child:
        app = Listener(child)
        app.wait(READY)
        app.rest(3 * REST)
        rate, seconds = sweep_rate(app, "a3.h1")
    assert seconds > 0.3, "The sweep was too short to be listened to."
    assert rate <= (4096 if size == LARGE else 2048)
