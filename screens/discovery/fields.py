"""What a method of discovery is told, and how edges are selected: fields, read as values.

A field that the method does not heed is not shown.
"""

from __future__ import annotations

import math
import sys
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from screens.base.numbers import count
from screens.widgets.choice import Choice
from workbench.discovery.catalogue import METHODS, Method
from workbench.discovery.options import BY_ROLE, Flag, Number, OneOf, Option, Options, Whole
from workbench.discovery.selection import How, Selection
from workbench.errors import WorkbenchError


class Refused(ValueError):
    """A field cannot be read; the message is a sentence."""


class Labelled(Horizontal):
    """A word and a short input."""

    DEFAULT_CSS = """
    Labelled { width: auto; height: 1; margin-right: 2; }
    Labelled Static { width: auto; color: $text-muted; }
    Labelled Input { width: 10; margin-left: 1; }
    Dialog Labelled Input:focus { background: $block-cursor-blurred-background; }
    """

    def __init__(self, label: str, *, id: str) -> None:
        super().__init__(id=id)
        self.label = label

    def compose(self) -> ComposeResult:
        yield Static(Text(self.label))
        entry = Input(select_on_focus=True)
        entry.cursor_blink = False
        yield entry

    @property
    def value(self) -> str:
        return self.query_one(Input).value

    @value.setter
    def value(self, text: str) -> None:
        self.query_one(Input).value = text

    def whole(self, least: int) -> int:
        """The number typed, of at least this. Raises Refused."""
        try:
            number = int(self.value.replace(",", ""))
        except ValueError:
            raise Refused(f"{self.label}: type a whole number, such as 100.") from None
        if number < least:
            raise Refused(f"{self.label}: it has to be {least} or more.")
        return number

    def real(self) -> float:
        """The number typed. Raises Refused."""
        try:
            number = float(self.value.replace("−", "-"))
        except ValueError:
            raise Refused(f"{self.label}: type a number, such as 0.01.") from None
        if not math.isfinite(number):
            raise Refused(f"{self.label}: it has to be a finite number.")
        return number


class OptionFields(Vertical):
    """The options that a method heeds; methods that are asked alike share a field."""

    DEFAULT_CSS = """
    OptionFields { height: auto; }
    OptionFields Horizontal { height: 1; }
    """

    def __init__(self, edges: int, threshold: float, *, roles: bool = False) -> None:
        """Fields in which `edges` and `threshold` stand at first.

        Args:
            roles: edges can be told apart by token roles.
        """
        super().__init__(classes="fields")
        self.roles = roles
        self.first = {"edges": str(edges), "threshold": f"{threshold:.3g}", "seed": "0"}
        self._fields: dict[tuple[object, ...], Labelled | Choice] = {}

    def compose(self) -> ComposeResult:
        ids: set[str] = set()
        for method in METHODS.values():
            for option in method.options:
                if _key(option) not in self._fields:
                    name = f"option-{option.name}"
                    field = _field(option, f"{name}-{method.name}" if name in ids else name)
                    ids.add(name)
                    self._fields[_key(option)] = field
        by_role = self._fields[_key(BY_ROLE)]
        with Horizontal():
            yield from (field for field in self._fields.values() if field is not by_role)
        yield by_role

    def on_mount(self) -> None:
        for key, field in self._fields.items():
            if isinstance(field, Labelled):
                field.value = self.first.get(str(key[1]), "")

    def offer(self, method: Method) -> None:
        """Show the fields of this method."""
        self.display = bool(method.options)
        shown = {_key(option): option for option in method.options}
        for key, field in self._fields.items():
            field.display = key in shown and (self.roles or key != _key(BY_ROLE))
            default = shown[key].default if key in shown else None
            if default is not None and isinstance(field, Labelled):
                field.value = f"{default:g}"

    def options(self, method: Method) -> Options:
        """Raises Refused."""
        told: dict[str, Any] = {}
        for option in method.options:
            field = self._fields[_key(option)]
            if isinstance(field, Choice):
                told[option.name] = bool(field.value) if isinstance(option, Flag) else field.value
            elif isinstance(option, Whole):
                least = option.least
                told[option.name] = field.whole(-sys.maxsize if least is None else least)
            else:
                told[option.name] = field.real()
        return Options(**told)


def _key(option: Option) -> tuple[object, ...]:
    """What two options have in common that are asked for by one field."""
    if isinstance(option, Whole | Number):
        return type(option), option.name, option.label
    return type(option), option.name, option


def _field(option: Option, id: str) -> Labelled | Choice:
    label = option.label or option.name
    if isinstance(option, OneOf):
        return Choice(label, list(option.choices), option.default, id=id)
    if isinstance(option, Flag):
        words = [("", option.off), (option.name, option.on)]
        return Choice(label, words, option.name if option.default else "", id=id)
    return Labelled(label, id=id)


class SelectionFields(Vertical):
    """How a circuit is chosen from scores, and a sentence on what that means."""

    DEFAULT_CSS = """
    SelectionFields { height: auto; }
    SelectionFields Horizontal { height: 1; }
    SelectionFields #in-words { color: $text-muted; height: auto; }
    """
    HOW: ClassVar = [("top", "the best"), ("greedy", "greedily"), ("threshold", "from")]

    class Changed(Message):
        """A field was changed."""

    def __init__(
        self,
        n: int,
        threshold: float,
        selection: Selection | None = None,
        *,
        nodes: int,
        roles: bool = False,
    ) -> None:
        """Fields that begin with a selection.

        Args:
            n, nodes: how many edges are proposed, and how many nodes.
            roles: edges can be told apart by token roles.
        """
        super().__init__(classes="fields")
        self.n, self.nodes, self.threshold = n, nodes, threshold
        self.before = selection
        self.roles = roles
        self.scores_nodes = False
        # The way that the method shown before proposes; none where the user chose one earlier.
        self._proposed = "top" if selection is None else ""

    def compose(self) -> ComposeResult:
        before = self.before or Selection(n=self.n)
        with Horizontal():
            yield Choice("select", self.HOW, before.how, id="how")
            yield Labelled("number", id="n")
            yield Labelled("score", id="least")
            signs = [("", "|score|"), ("signed", "signed")]
            yield Choice("by", signs, "signed" if before.signed else "", id="sign")
            fills = [("", "chosen"), ("fill", "kept")]
            yield Choice("count", fills, "fill" if before.fill else "", id="fill")
        of = [("", "whole edges"), ("role", "edges at token roles")]
        yield Choice("over", of, "role" if before.by_role else "", id="of")
        yield Static(id="in-words")

    def on_mount(self) -> None:
        before = self.before
        n = before.n if before is not None and before.n else self.n
        least = before.threshold if before is not None else None
        self.query_one("#n", Labelled).value = str(n)
        self.query_one("#least", Labelled).value = f"{self.threshold if least is None else least:g}"
        self.explain()

    def offer(self, method: Method) -> None:
        """For this method's scores."""
        how = self.query_one("#how", Choice)
        if how.value == self._proposed != method.select:  # not changed by hand
            how.choose(method.select)
        self._proposed = method.select
        typed = self.query_one("#n", Labelled)
        numbers = {False: str(self.n), True: str(self.nodes)}
        scores_nodes = method.kind == "nodes"
        if typed.value == numbers[self.scores_nodes]:  # not changed by hand
            typed.value = numbers[scores_nodes]
        self.scores_nodes = method.kind == "nodes"
        self.display = method.kind in ("edges", "nodes")
        self.query_one("#of").display = self.roles and method.by_role
        self.explain()

    @property
    def how(self) -> str:
        return self.query_one("#how", Choice).value

    @property
    def by_role(self) -> bool:
        """Edges at roles are chosen."""
        of = self.query_one("#of", Choice)
        return bool(of.display) and of.value == "role"

    def selection(self) -> Selection:
        """Raises Refused, or WorkbenchError for what does not go together."""
        signed = self.query_one("#sign", Choice).value == "signed"
        by_role = self.by_role
        if self.how == "threshold":
            least = self.query_one("#least", Labelled).real()
            return Selection("threshold", threshold=least, signed=signed, by_role=by_role)
        fill = self.query_one("#fill", Choice).value == "fill" and not self.scores_nodes
        number = self.query_one("#n", Labelled).whole(1)
        how: How = "greedy" if self.how == "greedy" else "top"
        return Selection(how, number, None, signed, fill, by_role)

    @on(Choice.Changed)
    @on(Input.Changed)
    def explain(self) -> None:
        """Say in words what the fields mean."""
        by_number = self.how != "threshold"
        self.query_one("#n").display = by_number
        self.query_one("#least").display = not by_number
        self.query_one("#fill").display = by_number and not self.scores_nodes
        try:
            words = selection_sentence(self.selection(), nodes=self.scores_nodes)
        except (ValueError, WorkbenchError) as error:
            words = str(error)
        self.query_one("#in-words", Static).update(Text(words))
        self.post_message(self.Changed())


def selection_sentence(selection: Selection, *, nodes: bool) -> str:
    """A selection in one sentence."""
    what = "nodes" if nodes else "edges at roles" if selection.by_role else "edges"
    value = "importance" if selection.signed else "|score|"
    if selection.threshold is not None:
        chosen = f"All {what} whose {value} is at least {selection.threshold:g}"
    elif selection.how == "greedy":
        chosen = (
            f"From the logits, {count(selection.n or 0)} times the edge of largest {value} into "
            "a node reached already"
        )
    else:
        chosen = f"The {count(selection.n or 0)} {what} of largest {value}"
    if selection.fill:
        return f"{chosen}; more, as long as no more than that are left without dead ends."
    return f"{chosen}; then dead ends are taken out."


def selection_words(selection: Selection | None, options: Options) -> str:
    """What was asked for, in a few words."""
    if selection is None:
        asked = f"tau {options.threshold:g}" if options.threshold is not None else ""
        return f"{count(options.edges)} edges" if options.edges is not None else asked
    sign = " signed" if selection.signed else ""
    at = " by role" if selection.by_role else ""
    if selection.threshold is not None:
        return f"from {selection.threshold:g}{sign}{at}"
    fill = " kept" if selection.fill else ""
    return f"{selection.how} {count(selection.n or 0)}{fill}{sign}{at}"


def options_words(method: Method, options: Options) -> str:
    """What the method was told, in a few words."""
    told = [(option, getattr(options, option.name)) for option in method.options]
    return ", ".join(option.words(value) for option, value in told if value is not None)
