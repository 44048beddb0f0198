"""Line: a model of the terminal, by which few bytes show all that Textual writes.

It understands what Textual writes: text, looks, links, and the cursor put somewhere. Modes and
questions pass through. What it does not understand passes through as well, and as nobody knows what
the terminal shows after that, the next frame is written whole.
"""

from __future__ import annotations

import re
from threading import RLock

from screens.terminal.cells import Row
from screens.terminal.looks import PLAIN, change, drawn, linked
from screens.terminal.pen import Run, runs
from screens.terminal.route import drawing

FRAME, FRAME_END = "\x1b[?2026h", "\x1b[?2026l"

_TEXT = r"[^\x00-\x1f\x7f-\x9f]"
_END = r"(?:\x07|\x1b\\)"
_TOKEN = re.compile(
    rf"\x1b\[([0-9;:]*)m({_TEXT}*)"  # 1, 2: a look, and text that has it
    rf"|({_TEXT}+)"  # 3: text
    r"|\x1b\[(\d*)(?:;(\d*))?H"  # 4, 5: the cursor's row and column, from 1
    r"|(\r?\n)"  # 6
    rf"|\x1b\]8;([^\x00-\x1f]*){_END}"  # 7: a link begins or ends
    r"|\x1b\[\?2026([hl])"  # 8: a frame begins or ends
    # 9: modes, questions, the bell, the clipboard, the pointer: nothing on the screen changes.
    rf"|(\x1b\[\?(?!(?:47|1047|1049)[hl])\d+(?:[hl]|\$p)|\x1b\[[<>=]\d*u|\x07|"
    rf"\x1b\](?:0|2|22|52);[^\x00-\x1f]*{_END})"
    r"|([\s\S])"  # 10: anything else
)


class Line:
    """What the terminal shows, and what it should.

    Threads may share one: each call of `take` is one piece of what is written.

    Args:
        erases: whether the terminal erases cells with the ground that it draws on.
    """

    def __init__(self, *, erases: bool = False) -> None:
        self._erases = erases
        self._lock = RLock()  # a signal may write while something is being written
        self._wanted: list[Row] = []
        self._shown: list[Row] = []
        self._known = False  # whether `_shown` is what the terminal shows
        self._columns: int | None = None
        self._rows: int | None = None
        self._x = self._y = 0  # where Textual takes the cursor to be
        self._look = PLAIN  # how Textual takes text to be drawn
        self._at = (0, 0)  # where the terminal's cursor was left
        self._left = PLAIN  # how the terminal was left drawing
        self._in_frame = self._frame_written = False

    def forget(self) -> None:
        """Nobody knows what the terminal shows: the next frame is written whole."""
        with self._lock:
            self._known = False

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size: what it shows now is its own affair."""
        with self._lock:
            self._known = False
            self._columns, self._rows = columns, rows
            del self._wanted[rows:]
            for row in self._wanted:
                row.crop(columns)

    def take(self, data: str) -> str:
        """What to write to the terminal in place of `data`; may be empty."""
        with self._lock:
            known, self._known = self._known, True  # a signal's handler may forget it meanwhile
            passed, touched, understood, ends = self._read(data)
            if not understood:
                self._known = False
                return self._framed(self._plainly() + data, ends)
            moved = known and (self._x, self._y) != self._at
            if not touched and not moved:  # modes and the like: no frame to write, whole or not
                self._known = known
                return self._framed(passed, ends)
            if not known:
                self._shown = []
                touched = set(range(len(self._wanted)))
                passed += self._plainly() or "\x1b[m"
            return self._framed(passed + self._differences(sorted(touched)), ends)

    def _framed(self, out: str, ends: bool) -> str:
        """What is written, with the marks of a frame around it if there is anything in it."""
        if self._in_frame and out and not self._frame_written:
            out = FRAME + out
            self._frame_written = True
        if ends:
            if self._frame_written:
                out += FRAME_END
            self._in_frame = self._frame_written = False
        return out

    # What Textual writes.

    def _read(self, data: str) -> tuple[str, set[int], bool, bool]:
        """Take in what should be shown.

        Returns:
            What passes through; rows written to; whether all was understood; whether a frame ends.
        """
        passed: list[str] = []
        touched: set[int] = set()
        understood, ends = True, False
        for token in _TOKEN.finditer(data):
            kind = token.lastindex
            if kind == 2:
                self._look = drawn(self._look, token[1])
                if token[2]:
                    self._put(token[2], touched)
            elif kind == 3:
                self._put(token[3], touched)
            elif kind in (4, 5):
                self._y = max(1, int(token[4] or 1)) - 1
                self._x = max(1, int(token[5] or 1)) - 1
            elif kind == 6:
                self._x, self._y = 0, self._y + 1
            elif kind == 7:
                self._look = linked(self._look, token[7] if token[7] != ";" else "")
            elif kind == 8:
                if token[8] == "h":
                    self._in_frame, self._frame_written = True, False
                else:
                    ends = True
            elif kind == 9:
                passed.append(token[9])
            else:
                understood = False
        return "".join(passed), touched, understood, ends

    def _put(self, text: str, touched: set[int]) -> None:
        if self._rows is not None and self._y >= self._rows:
            return
        while len(self._wanted) <= self._y:
            self._wanted.append(Row())
        row = self._wanted[self._y]
        self._x = row.put(self._x, text, self._look)
        if self._columns is not None and len(row.texts) > self._columns:
            row.crop(self._columns)
        touched.add(self._y)

    # What the terminal is told.

    def _differences(self, touched: list[int]) -> str:
        """Bring the terminal from what it shows to what it should, in these rows."""
        while len(self._shown) < len(self._wanted):
            self._shown.append(Row())
        found: list[Run] = []
        for y in touched:
            old, new = self._shown[y], self._wanted[y]
            if old.texts == new.texts and old.looks == new.looks:
                continue
            if cells := _differing(old, new):
                found += runs(y, new, cells, in_order=old.wide or new.wide)
            new.settle()
            self._shown[y] = new.copy()
        cursor = (self._x, self._y)
        if not found and cursor == self._at:
            return ""
        self._at = cursor
        columns = max((len(row.texts) for row in self._wanted), default=0)
        written, self._left = drawing(
            found, self._wanted, columns, cursor, self._left, erases=self._erases
        )
        return written

    def _plainly(self) -> str:
        """Have the terminal draw plainly, for what others write."""
        left, self._left = self._left, PLAIN
        return change(left, PLAIN)


def _differing(old: Row, new: Row) -> list[int]:
    """The columns that have to be written so that `old` becomes `new`."""
    common = min(len(old.texts), len(new.texts))
    cells = [
        x
        for x, (was, text, had, has) in enumerate(
            zip(old.texts, new.texts, old.looks, new.looks, strict=False)
        )
        if (was != text or had is not has)
        and has is not None
        and not (was == text == " " and had is not None and had.blank is has.blank)
    ]
    cells += [x for x in range(common, len(new.texts)) if new.looks[x] is not None]
    if not cells or not (old.wide or new.wide):
        return cells
    if old.unsure or new.unsure:  # a terminal may have put what comes after elsewhere
        return [x for x in range(len(new.texts)) if new.looks[x] is not None]
    return _whole_characters(old, new, cells)


def _whole_characters(old: Row, new: Row, cells: list[int]) -> list[int]:
    """With a cell of a wide character all of its cells, of what stood there and of what will."""
    found: set[int] = set()
    left = cells
    while left:
        found.update(left)
        covered = {
            i for x in left for row in (old, new) for i in range(row.head(x), row.end(row.head(x)))
        }
        left = [x for x in covered - found if 0 <= x < len(new.texts)]
    return sorted(x for x in found if new.looks[x] is not None)
