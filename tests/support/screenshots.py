"""The screenshots of the app in `docs/screenshots`, taken anew.

`python -m tests.support.screenshots [NAME ...]` opens the app without a terminal, presses keys and
writes what is on the screen as SVG; with `pip install resvg-py`, as the PNG that documents show.
SmolLM2 is needed for some.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from textual.pilot import Pilot

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.neurons.screen import NeuronsScreen
from tests.support.paths import ROOT
from tests.support.tiny_sessions import until
from workbench.experiment.settings import ExperimentSettings

FOLDER = ROOT / "docs" / "screenshots"
FONT = "DejaVu Sans Mono"
LONGEST = 600
"""Seconds that something on the screen is waited for."""
SMALL, LARGE = (80, 24), (160, 48)


@dataclass(frozen=True)
class Picture:
    """One screenshot.

    Attributes:
        size: columns and rows of the terminal.
        keys: what is pressed; what begins with ~ is a pattern that has to be on the screen then.
        settings: what is opened; None: the tutorial.
        width: pixels of the PNG.
    """

    size: tuple[int, int]
    keys: Sequence[str]
    settings: ExperimentSettings | None = None
    width: int = 1000


IOI = ExperimentSettings(model="smollm2", task="ioi", pairs=32, device="cpu")
FEW = ExperimentSettings(model="smollm2", task="ioi", pairs=8, device="cpu")
YEARS = ExperimentSettings(model="pocket", task="greater-than", pairs=16, device="cpu")
NAMES = ExperimentSettings(model="pocket", task="ioi", pairs=8, device="cpu")
HEAD = ("e", "J", *"a23.h3", "enter", "e")
BRACKETS = ExperimentSettings(model="smollm2", task="parentheses", pairs=40, device="cpu")
FOUND = ("D", "slash", *"eap-ig", "enter", "enter", "2", "~EAP est. +by eap-ig")

PICTURES = {
    "bench": Picture(LARGE, (*HEAD, "d", "~drop cost", "3", "l", "~whole run"), IOI, 1600),
    "readouts": Picture(SMALL, (*HEAD, "3", "l", "~whole run"), IOI),
    "neurons": Picture(LARGE, ("e", "J", *"m28", "enter", "9", "~What feeds", "t",
                               "enter", "~12 of"), IOI, 1600),
    "lens-map": Picture((110, 26), ("3", "F", *["l"] * 6, "greater_than_sign", "~map, prompt 1"),
                        NAMES, 1100),
    "effects": Picture(LARGE, ("at", "2", "~repaired: ", "J", *"a23.h0", "enter"), FEW, 1600),
    "tutorial": Picture(SMALL, ("~1/\\d", "p", "right", "escape", "~ ✓ ", "y", "2", "~ ✓ ", "y",
                                "j", "~ ✓ ", "y", "e", "~ ✓ ", "y", "home", "space", "u",
                                "~back at")),
    "discovery": Picture(SMALL, (*FOUND, "P", "y", "y", "y", "y", "y"), YEARS),
    "heads": Picture((160, 36), ("8", "~270 of 270", *"ssssssss", "~by copying"), IOI,
                     1600),
    "assessment": Picture(LARGE, (*FOUND, "D", "L", "v", "enter", "j", "enter", "~CMD", "j",
                                  "enter", "~Nodes and edges"), YEARS, 1600),
    "reliability": Picture(LARGE, ("dollar_sign", "enter", "~other half"), BRACKETS, 1600),
}  # fmt: skip


def on_screen(app: WorkbenchApp) -> str:
    """What is to be read."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def _seen(app: WorkbenchApp, pattern: str) -> bool:
    return re.search(pattern, on_screen(app)) is not None


async def settled(pilot: Pilot[Any], app: WorkbenchApp) -> None:
    """Wait until nothing is computed that a key asked for."""
    shown = [s for s in app.screen_stack if isinstance(s, BenchScreen | NeuronsScreen)]
    await until(pilot, lambda: all(screen.quiet for screen in shown), LONGEST)


async def take(picture: Picture) -> str:
    """Open, press and answer the SVG."""
    tutorial: Literal["restart"] | None = "restart" if picture.settings is None else None
    app = WorkbenchApp(picture.settings, tutorial=tutorial)
    async with app.run_test(size=picture.size) as pilot:
        await until(
            pilot, lambda: any(isinstance(one, BenchScreen) for one in app.screen_stack), LONGEST
        )
        await settled(pilot, app)
        for key in picture.keys:
            if key.startswith("~"):
                await until(pilot, partial(_seen, app, key[1:]), LONGEST)
            else:
                await pilot.press(key)
            await settled(pilot, app)
        app.clear_notifications()
        await pilot.pause()
        return app.export_screenshot(title="Circuit Workbench")


def write(name: str, svg: str, width: int) -> Path:
    """Write the picture as PNG, or as SVG where nothing makes one of it."""
    svg = svg.replace("Fira Code, monospace", FONT).replace("arial", "DejaVu Sans")
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        target = FOLDER / f"{name}.svg"
        target.write_text(svg, encoding="utf-8")
        return target
    target = FOLDER / f"{name}.png"
    target.write_bytes(bytes(svg_to_bytes(svg_string=svg, width=width)))
    return target


def main(names: Sequence[str]) -> None:
    """Take these, or all."""
    with tempfile.TemporaryDirectory() as made:
        os.environ["WORKBENCH_STATE"] = os.environ["WORKBENCH_CONFIG"] = made
        for name in names or PICTURES:
            picture = PICTURES[name]
            print(write(name, asyncio.run(take(picture)), picture.width).relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
