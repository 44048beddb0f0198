"""The screen of heads: all of them in one table, measured in the background.

It is measured once for the session and kept with it: coming back shows what was found. The cursor's
head is told below in words: of which kind it seems to be, and what the numbers are.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import PENDING, count
from screens.base.prose import prose
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.heads.head_list import HeadList, look_words
from screens.heads.keys import ACTIONS, BY_NAME, FOOTER
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.dialogs import Ask
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from screens.widgets.where import Looking, Where
from workbench.errors import Cancelled, WorkbenchError
from workbench.readouts.heads.columns import COLUMNS
from workbench.readouts.heads.table import HEAD, HeadTable
from workbench.readouts.heads.ways import EFFECTIVE, EMBEDDING, INPUTS
from workbench.readouts.runs import RUN_WORDS, RUNS

if TYPE_CHECKING:
    from workbench.session.heads import FoundHeads
    from workbench.session.session import Session

LOOK_AGAIN = 0.5
"""Seconds between looks at how far measuring is."""
TALL = 36
"""Lines of a screen from which there is room for what was measured."""
LOOKED_AT = 4
"""Roles that are told of what the head under the cursor looks at."""
OTHER = {EFFECTIVE: EMBEDDING, EMBEDDING: EFFECTIVE}
FILTER_HINT = (
    "Words that must all hold: part of a name (a23.), a mark (ind, -copy), or a number, such as "
    "copying>0.5 or entropy<1. Empty: all heads."
)


class HeadsScreen(Looking, Screen[str | None]):
    """All heads. Answers the head to go to, or None.

    Attributes:
        running: heads are being measured.
        done: the fraction done.
        failed: the sentence with which the last measuring failed; "" if it did not.
        source: what heads are given for a token.
        on_prompts: patterns and attribution are of the task's prompts, not of random tokens.
        where: of which prompt, and at which token or role.
        run: of which of `RUNS`.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "HeadList"
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, session: Session, node: str | None = None) -> None:
        """`node`: the head that the cursor begins at, if it is one."""
        super().__init__()
        self.session = session
        self.running = False
        self.done = 0.0
        self.failed = ""
        self.source = EFFECTIVE
        self.on_prompts = False
        self.where = Where(session)
        self.run = next(iter(RUNS))
        self._node = node
        self._cancel = threading.Event()
        self._wish: tuple[object, ...] | None = None
        self._read: HeadTable | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="heads-title")
        yield HeadList()
        yield Static(id="about")
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "heads")
        self._reader = Worker(self, "heads on the prompts")
        self.query_one(KeyBar).offer([BY_NAME[name] for name in FOOTER])
        held = self.session.heads.held
        if held is None:
            self._measure()
        else:
            self.source = held.table.source
        self.redraw()
        if self._node is not None:
            self.heads.move_to_key(self._node)
        self.set_interval(LOOK_AGAIN, self.redraw)

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()
        self._reader.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def heads(self) -> HeadList:
        """The table."""
        return self.query_one(HeadList)

    # Showing.

    def redraw(self) -> None:
        """Show how far measuring is, and what was found."""
        rows, held = self.heads, self.session.heads.of(self.source)
        rows.say(f"Measuring{PENDING}" if self.running else "Not measured: A measures them.")
        table = None if held is None else held.table
        if self.on_prompts:
            self._want(held)
            table = self._read
            rows.say(self.failed or f"Reading{PENDING}")
        rows.measure(table)
        put_text(self.query_one("#heads-title", Static), Text(self._title(held)))
        about = self.query_one("#about", Static)
        width = about.content_region.width or self.size.width - 2
        put_text(about, Text("\n").join(self._about(table, max(20, width))))

    def _want(self, held: FoundHeads | None) -> None:
        """Read the heads at what is looked at, unless that is read or being read."""
        revision = self.session.status().revision if "circuit" in self.run else None
        place, run, pairs = self.where, self.run, self.session.pairs_digest
        wish = (place.at, place.pair, run, revision, pairs, held)
        if wish == self._wish:
            return
        self._wish, self.failed = wish, ""
        at, pair, heads = place.at, place.pair, self.session.heads

        def done(table: HeadTable) -> None:
            if wish == self._wish:
                self._read = table
                self.redraw()

        def failed(error: BaseException) -> None:
            if wish == self._wish:
                self._read, self.failed = None, one_line(error_sentence(error))
                self.redraw()

        self._reader.put(lambda: heads.at(at, pair=pair, run=run), done, failed)

    def _title(self, held: FoundHeads | None) -> str:
        words = [f"Heads  given {INPUTS[self.source]}"]
        if self.on_prompts:
            words = [f"Heads  {self.where.words}", RUN_WORDS[self.run]]
        if self.running:
            stop = BY_NAME["cancel"].shown
            words.append(f"measuring {100 * self.done:.0f}%{PENDING} {stop} stops")
        if held is not None:
            rows = self.heads
            words.append(f"{count(len(rows.rows))} of {count(len(held.table.heads))}")
            words.append(f"by {'name' if rows.by == HEAD else rows.by}")
            if rows.hidden:
                words.append(rows.hidden)
            if rows.filter:
                words.append(f"filter {one_line(rows.filter)}")
            if held.pairs != self.session.pairs_digest:
                words.append("of other pairs: A measures anew")
        return " · ".join(words)

    def _about(self, table: HeadTable | None, width: int) -> list[Text]:
        if self.failed:
            return prose(self.failed, width, "bold")
        if table is None:
            return []
        head, by = self.heads.highlighted, self.heads.by
        lines: list[Text] = []
        if head is not None:
            seems = "; ".join(
                f"{_article(kind.name)}: {value:.2f}" for kind, value in table.kinds_of(head)
            )
            words = f"{head} looks like {seems}" if seems else f"{head} is of no kind that is known"
            if "copying" in table.columns:
                rank = int(table.value(head, "rank") or 0)
                words += f" · {count(rank)} of {count(len(table.heads))} by copying"
            if most := table.most(head)[:LOOKED_AT]:
                words += f" · looks at {look_words(most, 24)}"
            lines += prose(words, width, "bold")
        if by != HEAD:
            lines += prose(f"{COLUMNS[by].title}: {table.definition(by)}", width)
        room = (6 if self.size.height >= TALL else 3) - len(lines)
        notes = [line for note in table.notes for line in prose(note, width, "dim")]
        return lines + notes[: max(0, room)]

    def copies(self) -> Copies:
        """The table as it is sorted and filtered."""
        return self.heads.copies()

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        self.redraw()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self.action_go_in()

    # Keys.

    def action_go_in(self) -> None:
        if self.heads.highlighted is not None:
            self.dismiss(self.heads.highlighted)

    def action_sort(self) -> None:
        self.heads.next_sort()
        self.redraw()

    def action_filter(self) -> None:
        table = self.heads.measured

        def check(words: str) -> str | None:
            try:
                if table is not None:
                    table.matching(words)
            except WorkbenchError as error:
                return error_sentence(error)
            return None

        def go(words: str | None) -> None:
            if words is not None:
                self.heads.filter = words.strip()
                self.heads.resort()
                self.redraw()

        dialog = Ask("Show only heads", self.heads.filter, hint=FILTER_HINT, check=check)
        self.app.push_screen(dialog, go)

    def action_way(self) -> None:
        self._cancel.set()
        self.source = OTHER[self.source]
        self.failed = ""
        if self.session.heads.show(self.source) is None:
            self._measure()
        self.redraw()

    def look_again(self) -> None:
        self.on_prompts = True
        self.redraw()

    def action_view(self) -> None:
        self.on_prompts = not self.on_prompts
        if self.on_prompts and self._wish is None:
            self.where.switch()  # by role, to begin with
        self.failed = ""
        self.redraw()

    def action_run(self, by: int) -> None:
        runs = list(RUNS)
        self.run = runs[(runs.index(self.run) + by) % len(runs)]
        self.look_again()

    def action_measure(self) -> None:
        held = self.session.heads.of(self.source)
        if self.running and not self._cancel.is_set():
            self.notify(f"Heads are being measured: {BY_NAME['cancel'].shown} stops.", timeout=4)
        elif held is not None and held.pairs == self.session.pairs_digest:
            self.notify("These are the numbers of these pairs.", timeout=4)
        else:
            self._measure()

    def _measure(self) -> None:
        self.failed, self.done, self.running = "", 0.0, True
        self._cancel = cancel = threading.Event()
        source, heads = self.source, self.session.heads

        def moved(fraction: float) -> None:
            if cancel is self._cancel:
                self.done = fraction

        def work() -> FoundHeads:
            if cancel.is_set():
                raise Cancelled
            return heads.run(source, cancel=cancel, on_piece=moved)

        def ended(_: FoundHeads) -> None:
            if cancel is self._cancel:
                self.running = False
            self.redraw()

        def failed(error: BaseException) -> None:
            if cancel is self._cancel:
                self.running = False
                if not isinstance(error, Cancelled):
                    self.failed = one_line(error_sentence(error))
            self.redraw()

        self._background.put(work, ended, failed)
        self.redraw()

    def action_cancel(self) -> None:
        if self.running:
            self._cancel.set()
            self.notify("Stopping after the piece under way.", timeout=3)

    def action_leave(self) -> None:
        self._cancel.set()
        self.dismiss(None)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen("heads"))


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
