"""The held results of discoveries: one a line; what is to be done with one is the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from screens.base.actions import keyed
from screens.base.numbers import count, percent, plain
from screens.base.tokens import fit
from screens.discovery.fields import (
    SelectionFields,
    options_words,
    selection_sentence,
    selection_words,
)
from screens.discovery.keys import RESULT_ACTIONS
from screens.widgets.dialogs import Dialog
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.discovery.catalogue import METHODS
from workbench.discovery.selection import Selection
from workbench.errors import WorkbenchError
from workbench.session.results import DiscoveryResult

if TYPE_CHECKING:
    from workbench.session.session import Session

SHOWN = "●"
MOST_LINES = 9  # of the list, its heading included
Wish = Literal["show", "hide", "take", "step", "select", "remove", "export", "new"]


@dataclass(frozen=True)
class ResultAnswer:
    """What to do, with which result; 0 for none in particular."""

    wish: Wish
    number: int = 0


class ResultList(LineList[DiscoveryResult]):
    """The list, in the order in which they were found."""

    HEADING = 1

    def __init__(
        self,
        rows: list[DiscoveryResult],
        shown: DiscoveryResult | None,
        is_old: Callable[[DiscoveryResult], bool] = lambda result: False,
    ) -> None:
        """`is_old`: whether a result was found on other pairs."""
        super().__init__()
        self.is_old = is_old
        self.rows = rows
        self.shown = shown
        self.index = rows.index(shown) if shown in rows else 0
        self.styles.height = min(MOST_LINES, len(rows) + 1)

    def key(self, row: DiscoveryResult) -> str:
        return str(row.number)

    def names(self, row: DiscoveryResult) -> tuple[tuple[str, str], ...]:
        return (("name", row.name),)

    def table(self) -> Table:
        columns = ("result", "method", "edges", "faithfulness", "metric", "done", "complete")
        values = tuple(
            (
                *(row.name, row.method, row.circuit.n_parts, row.faithfulness, row.metric),
                *(row.fraction, row.complete),
            )
            for row in self.rows
        )
        return Table("results of discoveries", columns, values)

    def heading(self, width: int) -> Text:
        names = f"    {'result':<19}{'asked':<21}{'kept':>7}{'faithfulness':>14}{'done':>6}"
        return Text(fit(names, width))

    def line(self, row: DiscoveryResult, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '} {SHOWN if row is self.shown else ' '} ")
        text.append(fit(row.name, 18) + " ")
        text.append(fit(selection_words(row.selection, row.options), 20) + " ")
        text.append(count(row.circuit.n_parts).rjust(7))
        share = "other pairs" if self.is_old(row) else faithfulness_words(row)
        text.append(share.rjust(14))
        text.append(("all" if row.complete else percent(row.fraction)).rjust(6))
        return text


class Results(Dialog[ResultAnswer]):
    """Answers a `ResultAnswer`."""

    DEFAULT_CSS = """
    Results ResultList { background: $surface; }
    Results #detail { height: auto; max-height: 7; margin-top: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        replace(action.binding(), priority="enter" in action.own_keys) for action in RESULT_ACTIONS
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(Text("Results of discoveries"), classes="title")
            held = self.session.discoveries
            yield ResultList(list(held.results), held.shown, held.is_old)
            yield Static(id="detail")
            yield Static(classes="error")
            for row in (RESULT_ACTIONS[:4], RESULT_ACTIONS[4:]):
                with Horizontal(classes="links"):
                    for action in row:
                        wish = action.id.rpartition(".")[2]
                        words = f"{action.shown} {action.label}"
                        button = Button(words, id=f"wish-{wish}", compact=True)
                        button.can_focus = False  # keys say the same
                        yield button

    @on(LineList.Highlighted)
    def _explain(self) -> None:
        held = self.query_one(ResultList).highlighted
        text = Text() if held is None else detail(held)
        self.query_one("#detail", Static).update(text)

    def on_mount(self) -> None:
        self._explain()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.action_wish((event.button.id or "").removeprefix("wish-"))

    @on(LineList.Chosen)
    def _double_clicked(self) -> None:
        self.action_wish("show")

    def action_wish(self, wish: str) -> None:
        held = self.query_one(ResultList).highlighted
        if held is None and wish not in ("new", "hide"):
            self.complain("Nothing is held; {key:results.new} runs a discovery.")
        elif wish == "select" and held is not None and held.selection is None:
            self.complain(f"{held.method} chose its edges itself; run it again with other options.")
        else:
            self.dismiss(ResultAnswer(cast(Wish, wish), held.number if held is not None else 0))


def faithfulness_words(held: DiscoveryResult) -> str:
    """A result's faithfulness, or why there is none."""
    if held.faithfulness is not None:
        return plain(held.faithfulness, 4)
    return "unknown" if held.metric is None else "undefined"


def detail(held: DiscoveryResult) -> Text:
    """All that is known of a result, in a few sentences."""
    method = METHODS[held.method]
    told = options_words(method, held.options)
    title = method.title[:1].upper() + method.title[1:]
    text = Text(f"{title}{f' ({told})' if told else ''}.", "bold")
    sentences = []
    selected = held.selected
    if held.selection is not None:
        sentences.append(selection_sentence(held.selection, nodes=method.kind == "nodes"))
    chosen = count(selected.chosen)
    sentences.append(f"{chosen} {selected.unit} chosen, {count(selected.kept)} left.")
    if selected.chosen and not selected.kept:
        sentences.append("They do not join the input to the logits: select more, or greedily.")
    if not held.complete:
        sentences.append(f"Partial: {percent(held.fraction)} of the work was done.")
    if held.refused:
        sentences.append(f"You refused {count(len(held.refused))} of its changes.")
    sentences += [held.failure] if held.failure else []
    sentences += held.found.remarks
    return text.append("\n" + " ".join(sentences), "not bold")


class SelectAgain(Dialog[Selection]):
    """Another selection of the scores of a result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "select", show=False, priority=True),
    ]

    def __init__(self, session: Session, held: DiscoveryResult) -> None:
        super().__init__()
        self.session, self.held = session, held

    def compose(self) -> ComposeResult:
        held = self.held
        with Vertical(classes="box"):
            yield Static(Text(f"Select again from the scores of {held.name}"), classes="title")
            n = held.selection.n if held.selection is not None and held.selection.n else 100
            threshold, roles = self.session.threshold, held.found.at_roles is not None
            yield SelectionFields(n, threshold, held.selection, nodes=n, roles=roles)
            yield Static(classes="error")
            keys = keyed(
                "enter select · tab next field · "
                "{key:choice.previous} {key:choice.next} change · esc cancel"
            )
            with Horizontal(classes="foot"):
                yield Static(Text(keys), classes="keys")
                yield Button("Select", compact=True)

    def on_mount(self) -> None:
        self.query_one(SelectionFields).offer(METHODS[self.held.method])

    @on(SelectionFields.Changed)
    def _changed(self) -> None:
        self.complain("")

    @on(Button.Pressed)
    def _pressed(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        try:
            selection = self.query_one(SelectionFields).selection()
            self.session.discoveries.check(self.held.method, self.held.options, selection)
        except (ValueError, WorkbenchError) as error:
            self.complain(str(error))
            return
        self.dismiss(selection)
