"""What is written instead of a frame shows the same on an emulated terminal, in fewer bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from random import Random
from typing import Literal

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from screens.terminal.line import FRAME, FRAME_END, Line

NARROW = [*"abcxyz  ─│█▌·−é", "e\u0301"]
WIDE = ["漢", "字", "か", "한", "😀"]
COLOURS = ("", "red", "bright_blue", "#ffc473", "#0b3a5f", "color(123)")
LINES = ("none", "underline", "strike", "reverse", "bold", "italic", "blink", "dim")
System = Literal["standard", "256", "truecolor"]
SYSTEMS: tuple[System, ...] = ("standard", "256", "truecolor")


def style(random: Random) -> Style | None:
    if random.random() < 0.2:
        return None
    words = [word for word in random.choices(LINES, k=2) if word != "none"]
    ink, ground = random.choices(COLOURS, k=2)
    words += [ink] if ink else []
    words += ["on", ground] if ground else []
    link = random.choice(("", "", "", "https://a.org/1", "https://a.org/2"))
    return Style.parse(" ".join(words) or "none") + Style(link=link or None)


def strip(random: Random, width: int, *, wide: bool) -> Strip:
    """Random text in random styles, so many cells wide."""
    segments: list[Segment] = []
    left = width
    while left > 0:
        text, room = "", random.randint(1, left)
        while cell_len(text) < room:
            character = random.choice(WIDE if wide and random.random() < 0.3 else NARROW)
            text += character if cell_len(text + character) <= room else " "
        segments.append(Segment(text, style(random)))
        left -= room
    return Strip(segments)


@dataclass
class Both:
    """A terminal that is written to as Textual does, and one that is written to through a line."""

    columns: int
    rows: int
    system: System = "truecolor"
    erases: bool = False

    def __post_init__(self) -> None:
        self.line = Line(erases=self.erases)
        self.line.resize(self.columns, self.rows)
        self.console = Console(file=io.StringIO(), color_system=self.system, force_terminal=True)
        self.plain = pyte.Screen(self.columns, self.rows)
        self.light = pyte.Screen(self.columns, self.rows)
        self.written: list[str] = []
        self.write("\x1b[?7l")

    def write(self, data: str) -> str:
        light = self.line.take(data)
        feed(self.plain, data)
        feed(self.light, light)
        self.written.append(light)
        return light

    def frame(self, pieces: list[tuple[int, int, Strip]]) -> str:
        """Write strips at (column, row), as the compositor of Textual does."""
        data = "".join(
            f"{Control.move_to(x, y).segment.text}{piece.render(self.console)}"
            for x, y, piece in pieces
        )
        return self.write(data + Control.move_to(2, 1).segment.text)

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        for screen in (self.plain, self.light):
            screen.resize(rows, columns)
        self.line.resize(columns, rows)

    def check(self) -> None:
        """Both show the same, cell by cell; of a blank only what can be seen."""
        for y in range(self.rows):
            for x in range(self.columns):
                plain, light = self.plain.buffer[y][x], self.light.buffer[y][x]
                assert seen(plain) == seen(light), (x, y, plain, light, self.written)
        assert (self.plain.cursor.x, self.plain.cursor.y) == (
            self.light.cursor.x,
            self.light.cursor.y,
        )


def feed(screen: pyte.Screen, data: str) -> None:
    stream = pyte.Stream(screen)
    for mark in (FRAME, FRAME_END):
        data = data.replace(mark, "")
    stream.feed(data)


def seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    lines = (cell.underscore, cell.strikethrough, cell.reverse)
    if cell.data == " " and not any(lines):
        return (" ", cell.bg)
    return tuple(cell)


def boundaries(piece: Strip) -> set[int]:
    """Columns at which no wide character is cut."""
    at, found = 0, {0}
    for segment in piece:
        for character in segment.text:
            width = cell_len(character)
            if not width:
                found.discard(at)
            at += width
            found.add(at)
    return found


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    columns=st.integers(4, 40),
    rows=st.integers(2, 8),
    wide=st.booleans(),
    system=st.sampled_from(SYSTEMS),
    erases=st.booleans(),
)
def test_shows_the_same(
    seed: int, columns: int, rows: int, wide: bool, system: System, erases: bool
) -> None:
    random = Random(seed)
    both = Both(columns, rows, system, erases)
    shown = [strip(random, columns, wide=wide) for _ in range(rows)]
    both.frame([(0, y, row) for y, row in enumerate(shown)])
    both.check()
    for _ in range(8):
        event = random.random()
        if event < 0.1:  # another size, or what somebody else wrote
            columns, rows = random.randint(4, 40), random.randint(2, 8)
            both.resize(columns, rows)
            shown = [strip(random, columns, wide=wide) for _ in range(rows)]
            both.frame([(0, y, row) for y, row in enumerate(shown)])
        elif event < 0.2:
            feed(both.light, "\x1b[Hsomebody else wrote this")
            both.line.forget()
            both.frame([(0, 0, shown[0])])
        elif event < 0.3:  # what the line knows nothing of
            both.write("\x1b[2J")
            both.frame([(0, y, row) for y, row in enumerate(shown)])
        else:
            pieces = []
            for y in random.sample(range(rows), random.randint(1, rows)):
                start, end = sorted(random.sample(range(columns + 1), 2))
                new = strip(random, columns, wide=wide)
                parts = [shown[y].crop(0, start), new.crop(start, end), shown[y].crop(end, columns)]
                row = Strip.join(parts)
                cuts = boundaries(row) & boundaries(shown[y])
                start = max(x for x in cuts if x <= start)
                end = min(x for x in cuts if x >= end)
                shown[y] = row
                pieces.append((start, y, row.crop(start, end)))
            both.frame(pieces)
        both.check()


def test_nothing_new_is_nothing_written() -> None:
    both = Both(20, 4)
    rows = [(0, y, strip(Random(y), 20, wide=True)) for y in range(4)]
    assert both.frame(rows)
    assert both.frame(rows) == ""
    assert both.frame(rows[1:3]) == ""


def test_a_frame_has_its_marks_only_if_something_is_in_it() -> None:
    line = Line()
    assert line.take(FRAME) == ""
    assert line.take("\x1b[1;1Hone\x1b[1;1H") == f"{FRAME}\x1b[m\x1b[Hone\x1b[H"
    assert line.take(FRAME_END) == FRAME_END
    assert line.take(FRAME) + line.take("\x1b[1;1Hone\x1b[1;1H") + line.take(FRAME_END) == ""


def test_a_change_costs_a_move_and_its_characters() -> None:
    line = Line()
    line.take("\x1b[1;1Hone two three\x1b[1;1H")
    assert line.take("\x1b[1;1Hone toe three\x1b[1;1H") == "\x1b[;6Hoe\r"
    assert line.take("\x1b[1;1Hone toe three\x1b[1;1H") == ""


def test_a_jump_is_made_only_where_it_is_shorter() -> None:
    line = Line()
    line.take("\x1b[1;1Habcdefghijkl\x1b[1;1H")
    assert line.take("\x1b[1;1HAbCdefghijkL\x1b[1;1H") == "\x1b[HAbC\x1b[8CL\x1b[H"


def test_long_blanks_are_erased_where_the_terminal_does_so_in_colour() -> None:
    """And what is blank between them with them, since that moves nothing."""
    for erases, written in ((True, "\x1b[H\x1b[20X"), (False, "\x1b[H" + 8 * " ")):
        line = Line(erases=erases)
        line.take(f"\x1b[1;1H\x1b[41mabcdefgh{' ' * 10}zz\x1b[0m\x1b[1;1H")
        assert line.take(f"\x1b[1;1H\x1b[41m{' ' * 20}\x1b[0m\x1b[1;1H").startswith(written)
    line = Line(erases=True)  # lines would be erased with the letters
    line.take(f"\x1b[1;1H\x1b[4m{'a' * 20}\x1b[0m\x1b[1;1H")
    assert line.take(f"\x1b[1;1H\x1b[4m{' ' * 20}\x1b[0m\x1b[1;1H") == f"\x1b[H{' ' * 20}\x1b[H"


def test_a_column_is_written_downwards() -> None:
    line = Line()
    rows = [f"\x1b[{y};1Hone{' ' * 30}two" for y in range(1, 5)]
    line.take("".join(rows) + "\x1b[1;1H")
    new = "".join(rows).replace("two", "2wo").replace("one", "1ne")
    column = "\v\b".join
    assert line.take(f"{new}\x1b[1;1H") == f"\x1b[H{column('1111')}\x1b[;34H{column('2222')}\x1b[H"


def test_looks_change_by_what_differs() -> None:
    line = Line()
    line.take("\x1b[1;1H      \x1b[1;1H")
    both = "\x1b[1;38;2;9;9;9;48;2;1;2;3mab\x1b[0m\x1b[38;2;9;9;9;48;2;1;2;3mcd\x1b[0m"
    written = line.take(f"\x1b[1;1H{both}\x1b[1;1H")
    assert written == "\x1b[H\x1b[1;38;2;9;9;9;48;2;1;2;3mab\x1b[22mcd\r"


def test_the_terminal_is_left_drawing_as_it_did() -> None:
    """The next frame goes on from there; before anything else it draws plainly again."""
    line = Line()
    line.take("\x1b[1;1H    \x1b[1;1H")
    assert line.take("\x1b[1;1H\x1b[31ma\x1b[0m\x1b[1;1H") == "\x1b[H\x1b[31ma\b"
    assert line.take("\x1b[1;2H\x1b[31mb\x1b[0m\x1b[1;1H") == "\x1b[;2Hb\r"
    assert line.take("\x1b[?1049l") == "\x1b[m\x1b[?1049l"
    assert line.take("\x1b[?25h") == "\x1b[?25h"  # and no frame where the app has gone


def test_a_blank_has_no_ink() -> None:
    line = Line()
    line.take("\x1b[1;1H\x1b[31;44m  \x1b[0m\x1b[1;1H")
    assert line.take("\x1b[1;1H\x1b[1;32;44m  \x1b[0m\x1b[1;1H") == ""
    assert line.take("\x1b[1;1H\x1b[4;32;44m  \x1b[0m\x1b[1;1H") != ""


@pytest.mark.parametrize(
    "passing",
    [
        "\x1b[?25l",
        "\x1b[?1003h",
        "\x1b[?2026$p",
        "\x1b[>25u",
        "\x07",
        "\x1b]52;c;YQ==\x07",
        "\x1b]22;pointer\x1b\\",
    ],
)
def test_modes_and_questions_pass(passing: str) -> None:
    line = Line()
    line.take("\x1b[1;1Hone\x1b[1;1H")
    assert line.take(passing) == passing
    assert line.take("\x1b[1;1Hone\x1b[1;1H") == ""


@pytest.mark.parametrize("unknown", ["\x1b[?1049h", "\x1b[2J", "\x1b[6n", "\x1bc", "a\tb"])
def test_after_what_is_not_understood_a_frame_is_whole(unknown: str) -> None:
    line = Line()
    line.take("\x1b[1;1Hone\x1b[2;1Htwo\x1b[1;1H")
    assert line.take(unknown) == unknown
    assert "two" in line.take("\x1b[1;1Hone\x1b[1;1H")


def test_a_signal_in_the_middle_of_a_frame_makes_the_next_one_whole() -> None:
    """As ctrl+z does: its handler leaves the screen and comes back while a frame is written."""
    line = Line()
    line.take("\x1b[1;1Hone\x1b[2;1Htwo\x1b[1;1H")
    read = line._read

    def interrupted(data: str) -> tuple[str, set[int], bool, bool]:
        line._read = read  # type: ignore[method-assign]
        line.take("\x1b[?1049l")
        line.take("\x1b[?1049h")
        return read(data)

    line._read = interrupted  # type: ignore[method-assign]
    line.take("\x1b[1;1Hten\x1b[1;1H")
    written = line.take("\x1b[1;1Hten\x1b[1;1H")
    assert "ten" in written
    assert "two" in written


@pytest.mark.parametrize("text", ["👩\u200d💻 now", "❤\ufe0f now", "🇫🇷 now", "👍🏽 now"])
def test_where_terminals_disagree_the_row_is_written_whole(text: str) -> None:
    """What follows is put in its own column, however wide the terminal takes it to be."""
    line = Line()
    at = cell_len(text) - 3
    line.take(f"\x1b[1;1H{text}\x1b[1;1H")
    written = line.take(f"\x1b[1;1H{text[:-3]}nor\x1b[1;1H")
    assert text[:-4] in written
    assert f"\x1b[;{at + 1}Hnor" in written or f"\x1b[;{at}H nor" in written


def test_what_joins_the_character_before_is_written_with_it() -> None:
    line = Line()
    line.take("\x1b[1;1Hlane\x1b[1;1H")
    assert "e\u0301" in line.take("\x1b[1;1Hlane\x1b[1m\u0301\x1b[0m\x1b[1;1H")


def test_a_wide_character_that_is_half_covered_becomes_blank() -> None:
    line = Line()
    line.take("\x1b[1;1H漢字\x1b[1;1H")
    assert line.take("\x1b[1;2Hx\x1b[1;1H") == "\x1b[H x\r"


def test_beyond_the_terminal_nothing_is_written() -> None:
    line = Line()
    line.resize(3, 1)
    assert line.take("\x1b[1;1Habcdef\x1b[2;1Hghi\x1b[1;1H") == "\x1b[m\x1b[Habc\x1b[H"


def test_links_are_opened_and_closed() -> None:
    line = Line()
    link = "\x1b]8;id=1;https://a.org\x1b\\"
    written = line.take(f"\x1b[1;1Hsee {link}here\x1b]8;;\x1b\\ now\x1b[1;1H")
    assert written == f"\x1b[m\x1b[Hsee {link}here\x1b]8;;\x1b\\ now\x1b[H"
