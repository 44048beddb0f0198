"""Jump to a node by typing its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from screens.base.tokens import one_line
from screens.widgets.line_list import POINTER

SHOWN = 50  # matches listed: more are not read, and a list of thousands takes time to build


def matching(typed: str, nodes: Sequence[str]) -> list[str]:
    """Nodes that fit what was typed, the best fits first.

    Those that begin with it, that hold it, that hold its letters. `9.1` finds a9.h1: letters may be
    left out, their order may not change.
    """
    typed = typed.strip().lower()
    fitting = [node for node in nodes if _in_order(typed, node)]
    # Stable: within a rank the order of the nodes stays.
    return sorted(fitting, key=lambda node: _rank(typed, node))


def _rank(typed: str, node: str) -> tuple[bool, int]:
    """What is it itself, then what holds it, the earlier the better, then the rest."""
    node = node.lower()  # a role may have capitals
    at = node.find(typed)
    return (node != typed, at if at >= 0 else len(node))


def _in_order(typed: str, node: str) -> bool:
    letters = iter(node.lower())
    return all(letter in letters for letter in typed)


class Jump(ModalScreen[str | None]):
    """An input and the nodes that match; `known` says what stands beside a node's name.

    A subclass may let other things be chosen.
    """

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    TITLE: ClassVar[str] = "Jump to a node"
    PLACEHOLDER: ClassVar[str] = "a9.h1, m10, logits; or 9.1"
    KEYS: ClassVar[str] = "enter go · ↑ ↓ choose · tab complete · esc cancel"
    NOTHING: ClassVar[str] = "No node of this model has such a name."
    NAME: ClassVar[int] = 9
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("f1", "app.help", "Explain this dialog", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, nodes: Sequence[str], known: Mapping[str, str]) -> None:
        super().__init__()
        # What is in the circuit comes first, as it is what one mostly wants.
        self.nodes = [n for n in nodes if n in known] + [n for n in nodes if n not in known]
        self.known = known
        self.matches: list[str] = []
        self._pointed: int | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(self.TITLE), classes="title")
            yield Input(placeholder=self.PLACEHOLDER)
            yield OptionList(markup=False, compact=True)
            yield Static(Text(self.KEYS), classes="keys")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        self.query_one(OptionList).can_focus = False
        self.list_matches("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.list_matches(event.value)

    def words(self, node: str) -> str:
        """What stands beside a name."""
        return one_line(self.known.get(node, ""))

    def _line(self, node: str, pointer: str = " ") -> Text:
        return Text(f"{pointer} {node:<{self.NAME}} {self.words(node)}")

    @on(OptionList.OptionHighlighted)
    def _point(self, event: OptionList.OptionHighlighted) -> None:
        """Mark the line under the cursor, also where there are no colours."""
        here, before = event.option_list.highlighted, self._pointed
        if before is not None and before < len(self.matches):
            line = self._line(self.matches[before])
            event.option_list.replace_option_prompt_at_index(before, line)
        self._pointed = here
        if here is not None and here < len(self.matches):
            line = self._line(self.matches[here], POINTER)
            event.option_list.replace_option_prompt_at_index(here, line)

    def list_matches(self, typed: str) -> None:
        """Show what fits, with the cursor on the first."""
        self.matches = matching(typed, self.nodes)[:SHOWN]
        options = self.query_one(OptionList)
        options.set_options(Option(self._line(node)) for node in self.matches)
        self._pointed = None
        if not self.matches:
            options.add_option(Option(Text(self.NOTHING), disabled=True))
        else:
            options.highlighted = 0

    def action_move(self, by: int) -> None:
        options = self.query_one(OptionList)
        if self.matches:
            options.highlighted = ((options.highlighted or 0) + by) % len(self.matches)

    def action_complete(self) -> None:
        if (node := self.chosen) is not None:
            entry = self.query_one(Input)
            entry.value = node
            entry.cursor_position = len(node)

    def action_leave(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    def _go(self) -> None:
        if (node := self.chosen) is not None:
            self.dismiss(node)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.matches[event.option_index])

    @property
    def chosen(self) -> str | None:
        """What the cursor stands on."""
        at = self.query_one(OptionList).highlighted
        return self.matches[at] if at is not None and at < len(self.matches) else None
