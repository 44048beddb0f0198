"""Small questions: a line of text, a file to write, yes or no.

The screen beneath stays as it is: on a slow line nothing but the box is painted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Static

from screens.base.actions import keyed
from screens.widgets.choice import Choice
from screens.widgets.keys import CONFIRM
from screens.widgets.path_suggester import PathSuggester
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch
from workbench.base.home import meant_path
from workbench.base.write_file import check_target
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import FORMATS
from workbench.formats.targets import form_of

Answer = TypeVar("Answer")


class Dialog(PaneSearch, ModalScreen[Answer | None], Generic[Answer]):
    """A box in the middle; escape answers nothing. A subclass fills `.box`."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (22, "-high")]  # noqa: RUF012 - the base class declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close without an answer", show=False),
        Binding("question_mark,f1", "app.help", "Explain this dialog", show=False),
        *SEARCH_BINDINGS,
    ]

    def action_leave(self) -> None:
        self.dismiss(None)

    def search_pane(self) -> VerticalScroll | None:
        return next(iter(self.query(VerticalScroll)), None)

    def complain(self, sentence: str) -> None:
        self.query_one(".error", Static).update(Text(keyed(sentence)))


class Ask(Dialog[str]):
    """One line of text. `check` returns a sentence if the text will not do."""

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        hint: str = "",
        check: Callable[[str], str | None] = lambda text: None,
        suggester: Suggester | None = None,
    ) -> None:
        super().__init__()
        self.heading = title
        self.value = value
        self.hint = hint
        self.check = check
        self.suggester = suggester

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(self.heading), classes="title")
            yield Input(self.value, suggester=self.suggester, select_on_focus=True)
            yield Static(Text(self.hint), classes="hint")
            yield Static(classes="error")
            complete = "" if self.suggester is None else "→ complete · "
            yield Static(Text(f"enter accept · {complete}esc cancel"), classes="keys")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(Input.Changed)
    def _clear(self) -> None:
        self.complain("")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.accept(event.value)

    @property
    def typed(self) -> str:
        """What stands in the field, without blanks around it."""
        return self.query_one(Input).value.strip()

    def accept(self, text: str) -> None:
        """Answer with this text, if it will do."""
        if complaint := self.check(text):
            self.complain(complaint)
        else:
            self.dismiss(text)


class Confirm(Dialog[bool]):
    """Yes or no; no is what enter gives at first."""

    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in CONFIRM]

    def __init__(self, question: str, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self.question = question
        self.yes = yes
        self.no = no

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(self.question), classes="title")
            with Horizontal(classes="buttons"):
                yield Button(f"{self.no} (n)", id="no", compact=True)
                yield Button(f"{self.yes} (y)", id="yes", compact=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Export(Dialog[tuple[Path, str]]):
    """Where to write the circuit, in which format; asks before a file is replaced."""

    def __init__(self, proposed: str, title: str = "Export the circuit to") -> None:
        super().__init__()
        self.proposed = proposed
        self.heading = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(self.heading), classes="title")
            yield Input(self.proposed, suggester=PathSuggester(), select_on_focus=False)
            yield Choice(
                "Format", [(f.name, f.title) for f in FORMATS.values() if f.write], id="format"
            )
            yield Static(classes="error")
            keys = "enter write · tab, space choose the format · → complete · esc cancel"
            yield Static(Text(keys), classes="keys")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(Input.Changed)
    def _clear(self) -> None:
        self.complain("")

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        if not event.value.strip():
            self.complain("Type a file name.")
            return
        path = meant_path(event.value.strip())
        answer = (path, self.query_one("#format", Choice).value)
        try:
            if path.is_dir():
                self.complain("That is a folder; add a file name.")
                return
            form_of(path, answer[1])
            check_target(path)
            exists = path.exists()
        except WorkbenchError as error:
            self.complain(str(error))
            return
        except OSError as error:
            self.complain(f"That cannot be a file here: {error.strerror}.")
            return
        if not exists:
            self.dismiss(answer)
            return

        def replace(yes: bool | None) -> None:
            if yes:
                self.dismiss(answer)

        self.app.push_screen(Confirm(f"{path.name} exists. Replace it?", "Replace"), replace)
