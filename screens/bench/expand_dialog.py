"""The question by which rule to go on, made from the catalogue of rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from screens.base.actions import keyed
from screens.discovery.fields import Labelled
from screens.widgets.choice import Choice
from screens.widgets.dialogs import Dialog
from workbench.errors import WorkbenchError
from workbench.session.rules import EFFECTS, RULES, Rule

if TYPE_CHECKING:
    from workbench.session.session import Session

WHOLE, BY_ROLE = "whole", "by role"
EDGES = ((WHOLE, "whole"), (BY_ROLE, "at single token roles"))


@dataclass(frozen=True)
class ExpandRequest:
    """What is asked for; see `Session.expand_all`."""

    rule: str
    value: float
    setting: str
    by_role: bool = False

    @property
    def words(self) -> str:
        return RULES[self.rule].words(self.value) + (" by role" if self.by_role else "")


class ExpandDialog(Dialog[ExpandRequest]):
    """Answers which rule, its number, the effects that it goes by, and whether by role."""

    DEFAULT_CSS = """
    ExpandDialog Labelled { margin-top: 1; }
    ExpandDialog #in-words { color: $text-muted; margin-top: 1; height: auto; }
    ExpandDialog .error { height: auto; }
    """
    HELP = """\
All that is open is expanded, the node nearest to the logits first, until nothing is left or you
stop it. What it has done is kept then, and one undo takes all of it back. Exact effects are
computed at every node that it comes to, which takes longer than the estimates do.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "start", show=False, priority=True),
    ]

    def __init__(
        self, session: Session, before: ExpandRequest | None = None, *, by_role: bool = False
    ) -> None:
        """Begin with what was asked for last.

        Args:
            session: what is expanded.
            before: what was asked for last, if anything was.
            by_role: edges at roles are looked at.
        """
        super().__init__()
        self.by_role = by_role
        self.session = session
        self.before = before

    def compose(self) -> ComposeResult:
        before = self.before
        with Vertical(classes="box"):
            yield Static(Text("Go on by a rule"), classes="title")
            rules = [(rule.name, rule.title) for rule in RULES.values()]
            yield Choice("keep", rules, before.rule if before is not None else "", id="rule")
            for rule in RULES.values():
                yield Labelled(rule.value.label or rule.value.name, id=f"value-{rule.name}")
            setting = before.setting if before is not None else EFFECTS.default
            yield Choice("by", EFFECTS.choices, setting, id="effects")
            if self.session.can_split:
                yield Choice("edges", EDGES, BY_ROLE if self.by_role else WHOLE, id="edges")
            yield Static(id="in-words")
            yield Static(classes="error")
            keys = keyed(
                "enter start · tab fields · "
                "{key:choice.previous} {key:choice.next} change · esc cancel"
            )
            with Horizontal(classes="foot"):
                yield Static(Text(keys), classes="keys")
                yield Button("Start", id="start", compact=True)

    def on_mount(self) -> None:
        for rule in RULES.values():
            value = rule.value.default
            if self.before is not None and self.before.rule == rule.name:
                value = self.before.value
            shown = self.session.threshold if value is None else value
            self._field(rule).value = f"{shown:.4g}"
        self.query_one("#rule", Choice).focus()
        self._explain()

    def _field(self, rule: Rule) -> Labelled:
        return self.query_one(f"#value-{rule.name}", Labelled)

    @property
    def rule(self) -> Rule:
        return RULES[self.query_one("#rule", Choice).value]

    @on(Choice.Changed)
    @on(Input.Changed)
    def _explain(self) -> None:
        chosen = self.rule
        for rule in RULES.values():
            self._field(rule).display = rule is chosen
        words = f"{chosen.help} {chosen.value.help}"
        self.query_one("#in-words", Static).update(Text(words))
        self.complain("")

    @on(Button.Pressed)
    def action_start(self) -> None:
        rule = self.rule
        try:
            value = rule.checked(rule.value.read(self._field(rule).value))
        except WorkbenchError as error:
            self.complain(str(error))
            return
        chosen = {choice.id: choice.value for choice in self.query(Choice)}
        by_role = chosen.get("edges") == BY_ROLE
        self.dismiss(ExpandRequest(rule.name, value, chosen["effects"], by_role))
