"""The palette itself: a line to type in, and what fits."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from screens.base.tokens import fit
from screens.base.worker import Worker
from screens.palette.entries import bench_of, entries, prompt_entries, typed_edge
from screens.palette.entry import Entry, fitting
from screens.widgets.changes import put_text
from screens.widgets.line_list import POINTER, LineList

KIND = 8
"""Cells of the longest kind and a blank."""
TITLE = 44
"""Cells of a title beside which its sentence stands, where there is room for both."""
SENTENCE = 40
"""Cells below which a sentence would be no more than its beginning: it stands below the list."""


class EntryList(LineList[Entry]):
    """What fits, the best first."""

    def key(self, row: Entry) -> str:
        return f"{row.kind} {row.title}"

    def empty(self) -> str:
        return "Nothing here has these words."

    def line(self, row: Entry, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} ")
        text.append(fit(row.kind, KIND), self.ink("rows--quiet"))
        room = width - text.cell_len
        title = row.title
        if row.about and room > TITLE + SENTENCE:
            text.append(fit(title, max(TITLE, min(len(title), room - SENTENCE))) + " ")
            text.append(fit(row.about, width - text.cell_len), self.ink("rows--quiet"))
        else:
            text.append(fit(title, room))
        return text


class Palette(ModalScreen[None]):
    """Finds everything: type words, go to one by the arrows, enter does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Do nothing", show=False),
        Binding("f1", "app.help", "Explain this", show=False),
        Binding("down", "move(1)", "The next", show=False, priority=True),
        Binding("up", "move(-1)", "The one before", show=False, priority=True),
        Binding("pagedown", "page(1)", "A page on", show=False, priority=True),
        Binding("pageup", "page(-1)", "A page back", show=False, priority=True),
    ]
    CSS = """
    Palette {
        align: center top;
        background: transparent;
        & > Vertical {
            width: 110;
            max-width: 94%;
            height: 21;
            max-height: 90%;
            margin-top: 2;
            padding: 0 1;
            border: round $border-blurred;
            background: $surface;
        }
        & Input { border: none; height: 1; padding: 0 1; background: $boost; }
        & EntryList { height: 1fr; background: $surface; margin-top: 1; }
        & #about { height: 2; padding: 0 2; color: $text-muted; }
        & EntryList > .rows--cursor {
            background: $block-cursor-blurred-background;
            text-style: bold;
        }
        & #count { color: $text-muted; }
    }
    """

    def __init__(self, app: App[Any], below: Screen[Any]) -> None:
        super().__init__()
        self.workbench = app
        self.entries = list(entries(app, below))

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Input(placeholder="an action, a node, an edge, words of a note or a prompt, …")
            yield EntryList()
            yield Static(id="about")
            yield Static(id="count")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        self.query_one(EntryList).can_focus = False
        self._background = Worker(self, "palette", owes=True)
        self._list()
        bench = bench_of(self.workbench)
        if bench is not None:
            reads = list[Entry]
            self._background.put(
                lambda: reads(prompt_entries(self.workbench, bench)), self._more, lambda _: None
            )

    def on_unmount(self) -> None:
        self._background.stop()

    def _more(self, found: list[Entry]) -> None:
        self.entries += found
        self._list()

    @on(Input.Changed)
    def _list(self) -> None:
        typed = self.query_one(Input).value
        found = fitting(typed, self.entries)
        edge = typed_edge(self.workbench, typed)
        if edge is not None and all(e.title != edge.title for e in found if e.kind == "edge"):
            found.insert(0, edge)
        rows = self.query_one(EntryList)
        rows.show(found)
        rows.move_to(0)
        said = f"{len(found):,} of {len(self.entries):,} · ↑ ↓ choose · enter do it · esc close"
        put_text(self.query_one("#count", Static), Text(said))
        self._tell()

    @on(LineList.Highlighted)
    def _tell(self) -> None:
        """Say of what is chosen the whole sentence, which beside its title may be cut."""
        chosen = self.query_one(EntryList).highlighted
        about = "" if chosen is None else chosen.about
        put_text(self.query_one("#about", Static), Text(about))

    def action_move(self, by: int) -> None:
        self.query_one(EntryList).action_move(by)

    def action_page(self, by: int) -> None:
        self.query_one(EntryList).action_page(by)

    def action_leave(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(LineList.Chosen)
    async def _run(self) -> None:
        chosen = self.query_one(EntryList).highlighted
        if chosen is None:
            return
        app = self.workbench
        self.dismiss(None)

        async def run() -> None:
            done = chosen.run()
            if inspect.isawaitable(done):
                await done

        app.call_later(run)
