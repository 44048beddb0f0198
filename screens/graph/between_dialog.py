"""The question which edges between two groups of nodes are kept or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from screens.base.numbers import count
from screens.base.worker import error_sentence
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Dialog
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.session.session import Session

INPUTS = (("qkv", "q, k and v"), ("q", "q"), ("k", "k"), ("v", "v"))


@dataclass(frozen=True)
class EdgesBetween:
    """What is to be done: as `Session.set_between` takes it."""

    sources: tuple[str, ...]
    readers: tuple[str, ...]
    did: str
    inputs: str
    role: str = ""


class BetweenDialog(Dialog[EdgesBetween]):
    """Two lists of nodes and groups; how many edges there are stands below while one types."""

    def __init__(
        self, session: Session, sources: Sequence[str], readers: Sequence[str] = ()
    ) -> None:
        """`sources`, `readers`: the names that stand in the fields."""
        super().__init__()
        self.session = session
        self.first, self.second = ", ".join(sources), ", ".join(readers)

    def compose(self) -> ComposeResult:
        groups = [group.name for group in self.session.circuit.groups]
        known = SuggestFromList([*groups, *self.session.graph.nodes], case_sensitive=False)
        roles = [("", "all token roles"), *((name, name) for name in self.session.roles)]
        with Vertical(classes="box"):
            yield Static(Text("Edges between two groups of nodes"), classes="title")
            yield Static(Text("From"))
            yield Input(self.first, suggester=known, select_on_focus=False, id="sources")
            yield Static(Text("To"))
            yield Input(
                self.second,
                suggester=known,
                placeholder="such as logits",
                select_on_focus=False,
                id="readers",
            )
            yield Choice("Read by heads through", INPUTS, id="inputs")
            if self.session.can_split:
                yield Choice("At", roles, id="role")
            yield Choice("All of them are", (("drop", "dropped"), ("keep", "kept")), id="did")
            yield Static(id="read")
            yield Static(
                Text("Names of groups or nodes, with commas between them."), classes="hint"
            )
            yield Static(classes="error")
            yield Static(Text("enter accept · tab next · → complete · esc cancel"), classes="keys")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one("#readers" if self.first else "#sources", Input).focus()
        self._look()

    @property
    def typed(self) -> EdgesBetween:
        """What stands in the fields."""
        sources, readers = (
            tuple(filter(None, (word.strip() for word in field.value.split(","))))
            for field in self.query(Input)
        )
        return EdgesBetween(
            sources,
            readers,
            self.query_one("#did", Choice).value,
            self.query_one("#inputs", Choice).value,
            self.query_one("#role", Choice).value if self.session.can_split else "",
        )

    @on(Input.Changed)
    @on(Choice.Changed)
    def _look(self) -> bool:
        """Say how many edges are meant; whether there are any."""
        typed, words = self.typed, ""
        try:
            if typed.sources and typed.readers:
                ends, how = (typed.sources, typed.readers), (typed.inputs, typed.role)
                kept, every = self.session.edges_between(*ends, *how)
                words = f"{count(kept)} of {count(every)} edges are kept."
            self.complain("")
        except WorkbenchError as error:
            self.complain(error_sentence(error))
        self.query_one("#read", Static).update(Text(words))
        return bool(words)

    @on(Input.Submitted)
    def _accept(self) -> None:
        if self._look():
            self.dismiss(self.typed)
