"""The help: the keys of the panel with the focus, and what the numbers on screen mean.

Keys are read from the bindings that are active beneath, so that the help says what they do and
nothing else. Explanations are the widgets' own `HELP`, from the focus outward.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.tokens import fit
from screens.help.glossary import MARKS, PANELS, numbers
from screens.help.key_table import KeyRow, key_table
from screens.widgets.reading import Reading
from screens.widgets.search import SEARCH_BINDINGS, PaneSearch

LEAST_WIDTH = 30
KEYS = "↑ ↓ PgUp PgDn scroll · {key:list.search} search · esc close"
MOST_COLUMN = 14
"""Cells of the longest first column; what does not fit stands on a line of its own."""


class HelpScreen(PaneSearch, Reading):
    """Help on whatever has the focus on the screen below."""

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1", "leave", "Close", show=False),
        *SEARCH_BINDINGS,
    ]

    def __init__(self, panel: str = "", *, seek: str = "") -> None:
        """Help on a panel.

        Args:
            panel: the name of the focused one, for the title.
            seek: go to where this term is explained.
        """
        super().__init__()
        self.panel = panel
        self._seek = seek

    def compose(self) -> ComposeResult:
        with Vertical(id="help-box"):
            yield Static(Text(f"Help: {self.panel}" if self.panel else "Help"), id="help-title")
            with VerticalScroll(id="help-body", can_focus=False):
                yield Static(id="help-text")
            yield Static(Text(keyed(KEYS)), id="help-keys")

    def on_mount(self) -> None:
        self._below = self.app.screen_stack[-2]
        self._keys = key_table(self._below.active_bindings)

    def on_resize(self) -> None:
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        width = max(LEAST_WIDTH, self.query_one("#help-body").scrollable_content_region.width - 1)
        terms = _numbers(self._below)
        paragraphs = explanations(self._below) or [PANELS.get(self.panel, "")]
        paragraphs = [keyed(text) for text in paragraphs]
        text = help_text(paragraphs, self._keys, terms, width)
        self.query_one("#help-text", Static).update(text)
        if self._seek:
            lines = text.plain.split("\n")
            at = [i for i, line in enumerate(lines) if line.startswith(self._seek)]
            self.call_after_refresh(
                self.search_pane().scroll_to, y=at[-1] if at else 0, animate=False
            )

    def search_pane(self) -> VerticalScroll:
        return self.query_one("#help-body", VerticalScroll)

    def action_leave(self) -> None:
        self.dismiss(None)


def explanations(screen: Screen[object]) -> list[str]:
    """The `HELP` of the focused widget and of all around it, or of the screen."""
    texts = []
    node = screen.focused
    for one in node.ancestors_with_self if node is not None else [screen]:
        text = getattr(one, "HELP", None)
        if text and text not in texts:
            texts.append(str(text))
    return texts


def _numbers(screen: Screen[object]) -> list[tuple[str, str]]:
    task = getattr(getattr(screen, "session", None), "task", None)
    if task is None:
        return numbers("", "")
    return numbers(task.metric, task.metric_definition)


def help_text(
    paragraphs: Sequence[str],
    rows: Sequence[KeyRow],
    terms: Sequence[tuple[str, str]],
    width: int,
) -> Text:
    """All of the help at this width: explanations, keys by section, numbers, marks."""
    parts: list[Text] = []
    for text in paragraphs:
        parts += [*_prose(text, width), Text()] if text else []
    column = min(MOST_COLUMN, max((cell_len(" ".join(row.keys)) for row in rows), default=0))
    section = ""
    for row in rows:
        if row.section != section:
            parts += [Text()] if section else []
            section = row.section
            parts.append(Text(f"Keys: {section[:1].lower()}{section[1:]}", "bold underline"))
        parts += _entry(" ".join(row.keys), row.does, column, width)
    parts += [Text(), Text("What the numbers mean", "bold underline")]
    for term, words in terms:
        parts += _entry(term, keyed(words), MOST_COLUMN, width)
    for where, marks in MARKS.items():
        parts += [Text(), Text(f"Marks {where}", "bold underline")]
        for mark, words in marks.items():
            parts += _entry(mark, keyed(words), 6, width)
    return Text("\n").join(parts)


def _entry(term: str, words: str, column: int, width: int) -> list[Text]:
    """A term in bold and, in a column of its own, what it means."""
    column = min(column, width // 3)
    lines = textwrap.wrap(words, width - column - 2) or [""]
    if cell_len(term) > column:
        rows = [Text(term, "bold")]
    else:
        rows = [Text.assemble((fit(term, column), "bold"), "  ", lines.pop(0))]
    return rows + [Text(" " * (column + 2) + line) for line in lines]


def _prose(text: str, width: int) -> list[Text]:
    """Paragraphs and lists in the little of Markdown that our texts use."""
    rows: list[Text] = []
    for paragraph in re.split(r"\n\s*\n|\n(?=- )", text.strip()):
        is_item = paragraph.startswith("- ")
        if rows and not (is_item and _is_item(rows)):
            rows.append(Text())
        body = " ".join(paragraph.removeprefix("- ").split())
        plain = body.replace("**", "")
        bold = re.findall(r"\*\*(.+?)\*\*", body)
        for i, line in enumerate(textwrap.wrap(plain, width - 2 if is_item else width)):
            lead = ("• " if i == 0 else "  ") if is_item else ""
            row = Text(lead + line)
            for words in bold:
                row.highlight_regex(rf"(?<!\w){re.escape(words)}(?!\w)", "bold")
            rows.append(row)
    return rows


def _is_item(rows: Sequence[Text]) -> bool:
    """The last paragraph written is an item of a list."""
    return rows[-1].plain.startswith(("• ", "  "))
