"""The question for a group's name and role."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from screens.base.tokens import one_line
from screens.widgets.dialogs import Dialog
from workbench.circuits.circuit import RoleGroup

Answer = tuple[str, str]


class GroupDialog(Dialog[Answer]):
    """Asks for name and role of a group of nodes; answers (name, role).

    An empty name means no group: the nodes leave theirs.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        groups: Sequence[RoleGroup],
        kinds: Sequence[tuple[str, float]] = (),
    ) -> None:
        """`kinds`: what the nodes look like, and how much, most like first."""
        super().__init__()
        self.kinds = kinds
        self.nodes = nodes
        self.groups = {group.name: group for group in groups}
        homes = [group.name for group in groups if set(nodes) <= set(group.nodes)]
        self.before = homes[0] if homes else ""

    def compose(self) -> ComposeResult:
        known = [*self.groups, *(name for name, _ in self.kinds)]
        role = self.groups[self.before].role if self.before else ""
        with Vertical(classes="box"):
            yield Static(Text(self._title()), classes="title")
            if self.kinds:
                yield Static(Text(self._seems()), id="seems")
            yield Static(Text("Group"))
            yield Input(
                self.before or (self.kinds[0][0] if self.kinds else ""),
                placeholder="name, such as name movers; empty: in no group",
                suggester=SuggestFromList(known, case_sensitive=False),
                select_on_focus=bool(self.kinds and not self.before),
                id="name",
            )
            yield Static(Text("Role"))
            yield Input(role, placeholder="what they do, such as identify YY", id="role")
            yield Static(classes="hint")
            keys = "enter accept · tab next field · → complete · esc cancel"
            yield Static(Text(keys), classes="keys")

    def _title(self) -> str:
        if len(self.nodes) == 1:
            return f"Put {self.nodes[0]} into a group"
        names = " ".join(self.nodes[:6]) + (" …" if len(self.nodes) > 6 else "")
        return f"Put {len(self.nodes)} nodes into a group: {names}"

    def _seems(self) -> str:
        one = len(self.nodes) == 1
        told = []
        for name, value in self.kinds:
            article = ("an " if name[0] in "aeiou" else "a ") if one else ""
            told.append(f"{article}{name}: {value:.2f}")
        return f"{'Looks' if one else 'They look'} like {', '.join(told)}"

    def on_mount(self) -> None:
        for entry in self.query(Input):
            entry.cursor_blink = False
        self._explain()

    @on(Input.Changed, "#name")
    def _named(self) -> None:
        """A known name brings its role, unless another was typed."""
        name, role = self._values()
        known = self.groups.get(name)
        roles = {group.role for group in self.groups.values()} | {""}
        if known is not None and role in roles:
            self.query_one("#role", Input).value = known.role
        self._explain()

    def _explain(self) -> None:
        name, _ = self._values()
        known = self.groups.get(name)
        if not name:
            words = f"Without a name: out of {one_line(self.before)}." if self.before else ""
        elif known is None:
            words = "A new group."
        else:
            others = len([node for node in known.nodes if node not in self.nodes])
            words = f"Joins {others} other node{'' if others == 1 else 's'} in this group."
            if set(self.nodes) <= set(known.nodes):
                words = "In this group already: only the role is set."
        self.query_one(".hint", Static).update(Text(words))

    def _values(self) -> Answer:
        name, role = (
            self.query_one(f"#{which}", Input).value.strip() for which in ("name", "role")
        )
        return name, role

    @on(Input.Submitted)
    def _accept(self) -> None:
        self.dismiss(self._values())
