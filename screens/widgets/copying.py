"""What can be copied from where the cursor is, as the widgets say it.

A widget says it by a method `copies`; the key is the same in every list and on every screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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


@runtime_checkable
class Late(Protocol):
    """A widget that shows some things only once they are computed."""

    async def caught_up(self) -> None:
        """Wait a moment for what is about to be shown."""


def copies_of(widget: Widget | None) -> Copies:
    """What the nearest of a widget and all that it is in has to copy."""
    at = widget
    while at is not None:
        if isinstance(at, Copying) and (found := at.copies()):
            return found
        at = at.parent if isinstance(at.parent, Widget) else None
    return Copies()
