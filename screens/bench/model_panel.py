"""The loaded model: what was found of it, how the self-check went, what the batch takes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.tokens import one_line
from screens.widgets.dialog_keys import MODEL
from screens.widgets.dialogs import Dialog
from screens.widgets.reading import Reading
from workbench.model_report.facts import Fact, facts, memory_facts

if TYPE_CHECKING:
    from workbench.session.session import Session

LABEL = 12  # cells of "  at a time" and a blank


def draw_facts(rows: Sequence[Fact], width: int) -> Text:
    """Labels and what is so, wrapped at `width`."""
    lines = []
    for label, words in rows:
        first, *more = textwrap.wrap(one_line(words), max(20, width - LABEL)) or [""]
        lines.append(Text.assemble((f"{label:<{LABEL}}", "bold"), first))
        lines += [Text(" " * LABEL + line) for line in more]
    return Text("\n").join(lines)


class ModelPanel(Dialog[None], Reading):
    """What `workbench models --check` prints, for the loaded model and the session's batch."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in MODEL),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.facts = [*facts(session.model), *memory_facts(session.footprint())]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(Text("The model"), classes="title")
            with VerticalScroll(classes="text"):
                yield Static(id="facts")
            yield Static(
                Text(keyed("{key:text.up} {key:text.down} scroll · enter or esc: close")),
                classes="keys",
            )

    def on_mount(self) -> None:
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        view = self.query_one("#facts", Static)
        view.update(draw_facts(self.facts, max(40, view.size.width)))
