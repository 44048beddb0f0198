"""What can be copied from where the cursor is, as the widgets say it, and the way to the dialog.

A widget says it by a method `copies`; the key is the same in every list and on every screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual.app import App
from textual.widget import Widget

from workbench.base.table import Table

if TYPE_CHECKING:
    from workbench.pictures.figure import Drawing

COPY = "Copy a name, a row, a table or a script that rebuilds this state; or write it to a file."
"""What the key does, wherever it is bound."""


@dataclass(frozen=True)
class Copies:
    """What can be copied.

    Attributes:
        names: what is under the cursor: what kind of thing, and its name.
        tables: of raw values; the first is the one that the cursor stands in.
        row: its row under the cursor; None if there is none.
        plots: a title of each, and what draws it; that may take a second.
    """

    names: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    row: int | None = None
    plots: tuple[tuple[str, Callable[[], Drawing]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names or self.tables or self.plots)


@runtime_checkable
class Copying(Protocol):
    """A widget or a screen of which something can be copied."""

    def copies(self) -> Copies: ...


def copies_of(widget: Widget | None) -> Copies:
    """What the nearest of a widget and all that it is in has to copy."""
    at = widget
    while at is not None:
        if isinstance(at, Copying) and (found := at.copies()):
            return found
        at = at.parent if isinstance(at.parent, Widget) else None
    return Copies()


def offer_copies(app: App[Any], widget: Widget | None = None) -> None:
    """Ask what to copy: what the screen says, else this widget or that with the focus."""
    from screens.widgets.copy_dialog import CopyDialog

    screen = app.screen
    own = screen.copies() if isinstance(screen, Copying) else Copies()
    found = own or copies_of(widget or app.focused)
    session = next(
        (s.session for s in reversed(app.screen_stack) if getattr(s, "session", None)), None
    )
    script = None if session is None else session.snippet
    if not found and script is None:
        app.notify("There is nothing to copy here.", timeout=4)
        return
    app.push_screen(CopyDialog(found, script))
