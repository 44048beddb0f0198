"""The dialog of what can be copied: to the terminal's clipboard, or into a file.

The clipboard is the terminal's own, by the sequence OSC 52, which also passes through ssh.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import count
from screens.base.tokens import fit, one_line
from screens.base.worker import Worker, error_sentence
from screens.widgets.choice import Choice
from screens.widgets.copying import Copies, Copying, Late, copies_of
from screens.widgets.dialog_keys import COPY_DIALOG
from screens.widgets.dialogs import Ask, Confirm, Dialog
from screens.widgets.line_list import POINTER, LineList
from screens.widgets.path_suggester import PathSuggester
from workbench.base.home import meant_path
from workbench.base.table import FORMATS, Table
from workbench.base.text import counted
from workbench.base.write_file import check_target, write_bytes
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.pictures.figure import Drawing

MOST = 100_000
"""Bytes that are copied at most: terminals, tmux and ssh drop more without a word."""
WHAT = 8
PICTURES = (".svg", ".pdf", ".png")


@dataclass(frozen=True)
class Item:
    """One thing to copy.

    Attributes:
        what: name, row, table, script or plot.
        words: which.
        text: gives it in one of the formats of tables; None for a plot.
        plot: draws it.
        stem, suffix: of a file's name; a table's suffix is its format's.
    """

    what: str
    words: str
    text: Callable[[str], str] | None = None
    plot: Callable[[], Drawing] | None = None
    stem: str = "copy"
    suffix: str = ""


def items_of(copies: Copies, script: Callable[[], str] | None) -> list[Item]:
    """All there is to copy, the smallest first."""
    items = [
        Item(what, name, lambda _, name=name: name, suffix=".txt")  # type: ignore[misc]
        for what, name in copies.names
    ]
    for i, table in enumerate(copies.tables):
        if i == 0 and copies.row is not None:
            row = table.row(copies.row)
            items.append(Item("row", f"of: {table.title}", _writer(row), stem=table.title))
        size = f"{counted(len(table.rows), 'row')} of {counted(len(table.columns), 'value')}"
        items.append(Item("table", f"{table.title}, {size}", _writer(table), stem=table.title))
    for title, plot in copies.plots:
        items.append(Item("plot", title, plot=plot, stem=title, suffix=".svg"))
    if script is not None:
        words = "Python that rebuilds model, task and circuit"
        items.append(Item("script", words, lambda _: script(), stem="session", suffix=".py"))
    return items


def _writer(table: Table) -> Callable[[str], str]:
    return lambda format: FORMATS[format][2](table)


class ItemList(LineList[Item]):
    """The list."""

    def __init__(self, items: list[Item]) -> None:
        super().__init__()
        self.rows = items
        self.styles.height = min(12, len(items))

    def key(self, row: Item) -> str:
        return f"{row.what} {row.words}"

    def line(self, row: Item, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} ")
        text.append(fit(row.what, WHAT), "bold")
        return text.append(fit(one_line(row.words), width - WHAT - 3))


KEYS = (
    "enter copy · {key:copying.write} write to a file · "
    "{key:copying.previous} {key:copying.next} rows and tables as · esc close"
)


class CopyDialog(Dialog[None]):
    """Copies or writes what is chosen, then closes; what cannot be done it says and stays."""

    DEFAULT_CSS = """
    CopyDialog ItemList { background: $surface; }
    CopyDialog Choice { margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "copy", "Copy this", show=False, priority=True),
        replace(COPY_DIALOG[0].binding(), priority=True),
        *(action.binding() for action in COPY_DIALOG[1:]),
    ]

    def __init__(self, copies: Copies, script: Callable[[], str] | None) -> None:
        super().__init__()
        self.items = items_of(copies, script)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(Text("Copy"), classes="title")
            yield ItemList(self.items)
            yield Choice("Rows and tables as", [(n, words) for n, (words, *_) in FORMATS.items()])
            yield Static(classes="error")
            yield Static(Text(keyed(KEYS)), classes="keys")

    def on_mount(self) -> None:
        self.query_one(Choice).can_focus = False  # the arrows turn it wherever one is
        self._worker = Worker(self, "copying", owes=True)

    def on_unmount(self) -> None:
        self._worker.stop()

    @property
    def chosen(self) -> Item | None:
        return self.query_one(ItemList).highlighted

    @property
    def form(self) -> str:
        return self.query_one(Choice).value

    def on_line_list_highlighted(self) -> None:
        self.complain("")

    def on_line_list_chosen(self) -> None:
        self.action_copy()

    def action_format(self, by: int) -> None:
        self.query_one(Choice).action_turn(by)
        self.complain("")

    def action_copy(self) -> None:
        item = self.chosen
        if item is None:
            return
        if item.text is None:
            self.complain("A plot is no text: {key:copying.write} writes it to a file.")
            return
        text = item.text(self.form).encode("utf-8", "replace").decode("utf-8")
        size = len(text.encode("utf-8"))
        if size > MOST:
            self.complain(
                f"That is {count(size // 1000)} KB, and terminals take up to {MOST // 1000} KB "
                "from an app: {key:copying.write} writes it to a file."
            )
            return
        self.app.copy_to_clipboard(text)
        said = f"Copied: {item.what} ({counted(size, 'byte')})."
        self.app.notify(said, markup=False, timeout=4)
        self.dismiss(None)

    def action_write(self) -> None:
        item = self.chosen
        if item is None:
            return
        suffix = item.suffix or FORMATS[self.form][1]
        proposed = (re.sub(r"[^a-z0-9.]+", "-", item.stem.lower()).strip("-.") or "copy") + suffix
        hint = "Ends in .svg, .pdf or .png." if item.plot else ""

        def check(text: str) -> str | None:
            path = meant_path(text.strip())
            if not text.strip():
                return "Type a file name."
            if item.plot is not None and path.suffix.lower() not in PICTURES:
                return "A plot is written as SVG, PDF or PNG: end the name in .svg, .pdf or .png."
            try:
                check_target(path)
            except WorkbenchError as error:
                return str(error)
            return None

        def named(text: str | None) -> None:
            if text is None:
                return
            path = meant_path(text.strip())
            if path.exists():
                self.app.push_screen(
                    Confirm(f"{path.name} exists. Replace it?", "Replace"),
                    lambda yes: self._write(item, path) if yes else None,
                )
            else:
                self._write(item, path)

        title = f"Write the {item.what} to"
        self.app.push_screen(
            Ask(title, proposed, hint=hint, check=check, suggester=PathSuggester()), named
        )

    def _write(self, item: Item, path: Path) -> None:
        form = self.form

        def work() -> None:
            if item.plot is not None:
                write_bytes(path, item.plot().file(path.suffix.lower().removeprefix(".")))
            elif item.text is not None:
                text = item.text(form)
                write_bytes(path, text.encode("utf-8", "replace"))

        def done(_: None) -> None:
            self.app.notify(f"Written: {one_line(str(path))}", markup=False, timeout=8)
            self.dismiss(None)

        def failed(error: BaseException) -> None:
            self.complain(error_sentence(error))

        self._worker.put(work, done, failed)


async def offer_copies(app: App[Any]) -> None:
    """Ask what to copy: what the screen says, else the widget with the focus."""
    screen, focused = app.screen, app.focused
    late: object = focused
    if isinstance(late, Late):
        await late.caught_up()
    own = screen.copies() if isinstance(screen, Copying) else Copies()
    found = own or copies_of(focused)
    session = next(
        (s.session for s in reversed(app.screen_stack) if getattr(s, "session", None)), None
    )
    script = None if session is None else session.snippet
    if not found and script is None:
        app.notify("There is nothing to copy here.", timeout=4)
        return
    app.push_screen(CopyDialog(found, script))
