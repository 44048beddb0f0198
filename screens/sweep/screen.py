"""The screen of a sweep: the state of every cell, and the table so far.

It reads the sweep's folder, whoever runs it: nothing is computed here, and leaving stops nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import count, seconds, whole_percent
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.sweep.cell_list import MARKS, ORDERS, CellList, words
from screens.sweep.keys import ACTIONS, BY_NAME, FOOTER
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.sweeps.cells import Sweep
from workbench.sweeps.status import STATES, CellStatus, SweepStatus, SweepWatch

LOOK_AGAIN = 1.0
"""Seconds between two looks at the folder."""


class SweepScreen(Screen[None]):
    """A sweep as it stands.

    Attributes:
        sweep: which one.
        status: how it stood when its folder was last looked at; None before that.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "CellList"
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, sweep: Sweep, *, alone: bool = False) -> None:
        """`alone`: nothing else is shown, so that leaving it leaves the app."""
        super().__init__()
        self._alone = alone
        self.sweep = sweep
        self.status: SweepStatus | None = None
        self._watch = SweepWatch(sweep)
        self._looking = False
        self._failed = ""

    def compose(self) -> ComposeResult:
        yield Static(id="sweep-title")
        yield Static(id="sweep-done")
        yield CellList()
        yield Static(id="about")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._reader = Worker(self, "sweep", owes=True)
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        self._look()
        self.set_interval(LOOK_AGAIN, self._look)

    def on_unmount(self) -> None:
        self._reader.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def cells(self) -> CellList:
        """The list."""
        return self.query_one(CellList)

    def _look(self) -> None:
        """Read the folder, in a thread: it may lie on a slow disk."""
        if self._looking:
            return
        self._looking = True

        def done(status: SweepStatus) -> None:
            self._looking, self._failed = False, ""
            self.status = status
            self.cells.tell(status.cells)
            self.redraw()

        def failed(error: BaseException) -> None:
            self._looking, self._failed = False, one_line(error_sentence(error))
            self.redraw()

        self._reader.put(self._watch.look, done, failed)

    def redraw(self) -> None:
        """Show what was read last."""
        width = max(20, self.size.width - 2)
        put_text(self.query_one("#sweep-title", Static), Text(self._title()))
        put_text(self.query_one("#sweep-done", Static), self._bar(width))
        about = Text("\n").join(self._about(self.cells.highlighted, width))
        put_text(self.query_one("#about", Static), about)

    def _title(self) -> str:
        told = [f"Sweep  {one_line(self.sweep.path.name)}"]
        if self.status is not None:
            counts = self.status.counts
            told += [f"{MARKS[name]} {count(n)} {name}" for name, n in counts.items() if n]
            if not counts["running"] and counts["waiting"]:
                told.append("nobody runs it now")
        if self.cells.only:
            told.append(f"only {self.cells.only}")
        if self.cells.by != ORDERS[0]:
            told.append(f"by {self.cells.by}")
        return " · ".join(told)

    def _bar(self, width: int) -> Text:
        if self.status is None or not self.status.cells:
            return Text()
        counts, n = self.status.counts, len(self.status.cells)
        ended = counts["finished"] + counts["failed"]
        left = self.status.seconds_left
        after = f" {count(ended)} of {count(n)}, {whole_percent(ended / n)}"
        after += "" if left is None else f", {seconds(left)} left"
        cells = max(1, width - len(after))
        full = ended * cells // n
        return Text("█" * full + "░" * (cells - full) + after)

    def _about(self, row: CellStatus | None, width: int) -> list[Text]:
        if self._failed:
            return prose(self._failed, width, "bold")
        if row is None:
            return []
        lines = prose(words(row), width, "bold")
        if row.state == "failed":
            lines += prose(one_line(str(row.row["reason"])), width)
        elif row.now is not None:
            doing = row.now.message or "Beginning"
            lines += prose(one_line(f"{doing}, on {row.now.where}"), width)
        return lines + prose(one_line(row.cell.command()), width, "dim")

    def copies(self) -> Copies:
        """The table as it is sorted and filtered."""
        return self.cells.copies()

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    # Keys.

    def action_filter(self) -> None:
        kinds = ("", *STATES)
        self.cells.only = kinds[(kinds.index(self.cells.only) + 1) % len(kinds)]
        self.cells.resort()
        self.redraw()

    def action_sort(self) -> None:
        self.cells.by = ORDERS[(ORDERS.index(self.cells.by) + 1) % len(ORDERS)]
        self.cells.resort()
        self.redraw()

    def action_leave(self) -> None:
        if self._alone:
            self.app.exit()
        else:
            self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("the sweep"))
