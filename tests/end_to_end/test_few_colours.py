"""The app in terminals with sixteen colours, and for users who want none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.toy_app import COMMAND

pytestmark = pytest.mark.slow

OF_MORE = re.compile(rb"\x1b\[(?:[0-9;]*;)?[34]8;[25];")
"""A colour of 256 or of more."""
OF_SIXTEEN = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3|4|9|10)[1-7](?:;[0-9;]*)?m")


def edges(
    folder: Path, says: Mapping[str, str], terminal: Mapping[str, str], columns: int = 100
) -> tuple[PseudoTerminal, bytes]:
    """The bench with the edges into the logits, the second under the cursor."""
    told = ("TERM", "COLORTERM", "NO_COLOR", "COLORFGBG")
    env = {name: value for name, value in os.environ.items() if name not in told}
    env |= {"WORKBENCH_STATE": str(folder), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **says}
    shown = PseudoTerminal(COMMAND, env=env, cwd=ROOT, rows=24, columns=columns, terminal=terminal)
    with shown:
        shown.wait_for("faithfulness", 120)
        shown.press("e", "2")
        shown.wait_for(r"▸ ● ", 60)
        shown.wait_for(r"exact: all", 60)
        shown.press("down")
        shown.read(0.5)
    return shown, shown.output


def drawn(shown: PseudoTerminal) -> list[tuple[str, str, str, bool]]:
    """Text, ink, ground and whether both are exchanged, of all runs of equal cells."""
    found: list[tuple[str, str, str, bool]] = []
    for y in range(shown._screen.lines):
        for x in range(shown._screen.columns):
            cell = shown._screen.buffer[y][x]
            look = (cell.fg, cell.bg, cell.reverse)
            if x and found and found[-1][1:] == look:
                found[-1] = (found[-1][0] + cell.data, *look)
            else:
                found.append((cell.data, *look))
    return [run for run in found if run[0].strip()]


def grounds(shown: PseudoTerminal) -> tuple[str, str]:
    """The ground of the row under the cursor, and of the row above it."""
    [y] = [i for i, line in enumerate(shown._screen.display) if "▸ " in line]
    x = shown._screen.display[y].index("▸") + 2
    return shown._screen.buffer[y][x].bg, shown._screen.buffer[y - 1][x].bg


def test_sixteen_colours(tmp_path: Path) -> None:
    shown, output = edges(tmp_path, {}, {"TERM": "xterm"})
    assert OF_SIXTEEN.search(output) and not OF_MORE.search(output)
    for text, ink, ground, _ in drawn(shown):
        assert ink != ground or ink == ground == "default", text
    cursor, other = grounds(shown)
    assert cursor == "blue" and other == "default"
    footer = shown.lines[-1]
    assert "go in" in footer and footer.endswith("? help")


def test_sixteen_colours_without_colour(tmp_path: Path) -> None:
    shown, output = edges(tmp_path, {"NO_COLOR": "1"}, {"TERM": "xterm"})
    assert not OF_SIXTEEN.search(output) and not OF_MORE.search(output)
    assert {(ink, ground) for _, ink, ground, _ in drawn(shown)} == {("default", "default")}
    assert re.search(r"▸ ● .*\n", shown.text)  # the mark of the cursor's row


def test_many_colours_without_colour_are_greys_that_differ(tmp_path: Path) -> None:
    terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    shown, _ = edges(tmp_path, {"NO_COLOR": "1"}, terminal)
    for text, ink, ground, _ in drawn(shown):
        if not set(text) <= set("▁▂▃▄▅▆▇█ "):
            red, green, blue = (int(ink[i : i + 2], 16) for i in (0, 2, 4))
            assert red == green == blue and abs(red - int(ground[:2], 16)) > 80, text
    cursor, other = grounds(shown)
    assert cursor != other


def test_a_theme_that_was_chosen_goes_before(tmp_path: Path) -> None:
    _, output = edges(tmp_path, {"WORKBENCH_THEME": "ansi-light"}, {
        "TERM": "xterm-256color", "COLORTERM": "truecolor"
    })  # fmt: skip
    assert OF_SIXTEEN.search(output) and not OF_MORE.search(output)
