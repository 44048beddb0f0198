"""What the model and the circuit each go on with from a prompt, side by side."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from screens.base.actions import keyed
from screens.base.numbers import plain
from screens.base.prose import prose
from screens.base.tokens import fit, one_line, show_token
from screens.base.worker import Worker, error_sentence
from screens.bench.pair_keys import CONTINUATION_ACTIONS
from screens.widgets.copying import Copies
from screens.widgets.dialogs import Dialog
from workbench.errors import Cancelled

if TYPE_CHECKING:
    from workbench.engine.continuation_results import Continuation
    from workbench.engine.trial_results import TokenChance
    from workbench.session.session import Session

FIRST = 10
"""Tokens to go on with at first."""
MOST = 1000
COLUMN = 26
"""Cells of one side."""


KEYS = (
    "{key:continuation.previous} {key:continuation.next} another prompt · "
    "{key:continuation.settings} how many tokens · {key:continuation.copy} copy · "
    "enter or esc: close"
)


class ContinuationDialog(Dialog[None]):
    """A prompt, and token by token what model and circuit continue it with."""

    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in CONTINUATION_ACTIONS]

    def __init__(self, session: Session, pair: int) -> None:
        """`pair`: whose clean prompt is gone on from first."""
        super().__init__()
        self.session = session
        self.pair = pair
        self.n = FIRST
        self.found: Continuation | None = None
        self._cancel = threading.Event()

    def compose(self) -> ComposeResult:
        with Vertical(classes="box wide"):
            yield Static(id="of", classes="title")
            with VerticalScroll(classes="text"):
                yield Static(id="told")
            yield Static(classes="error")
            yield Static(Text(keyed(KEYS)), classes="keys")

    def on_mount(self) -> None:
        self._background = Worker(self, "continuation")
        self._go_on()

    def on_unmount(self) -> None:
        self._cancel.set()
        self._background.stop()

    def _go_on(self) -> None:
        self._cancel.set()
        cancel = self._cancel = threading.Event()
        session, pair, n = self.session, self.pair, self.n
        self.found = None
        self.complain("")
        title = f"Pair {pair + 1} of {session.task.n_pairs}: what follows its clean prompt"
        self.query_one("#of", Static).update(Text(title))
        self.query_one("#told", Static).update(Text("Going on …", "dim"))

        def done(found: Continuation) -> None:
            if not cancel.is_set():
                self.found = found
                self._draw()

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled) and not cancel.is_set():
                self.query_one("#told", Static).update(Text())
                self.complain(error_sentence(error))

        self._background.put(
            lambda: session.readouts.continuation(pair, n, cancel=cancel), done, failed
        )

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        view = self.query_one("#told", Static)
        if self.found is not None:
            view.update(draw_continuation(self.found, max(40, view.size.width)))

    def copies(self) -> Copies:
        """The tokens of both sides as a table."""
        return Copies() if self.found is None else Copies(tables=(self.found.table(),), row=0)

    def action_turn(self, by: int) -> None:
        self.pair = (self.pair + by) % self.session.task.n_pairs
        self._go_on()

    def action_settings(self) -> None:
        from screens.widgets.dialogs import Ask

        def check(text: str) -> str | None:
            fits = text.strip().isdecimal() and 1 <= int(text) <= MOST
            return None if fits else f"Type a whole number from 1 to {MOST}."

        def go(text: str | None) -> None:
            if text is not None:
                self.n = int(text)
                self._go_on()

        self.app.push_screen(Ask("Go on with how many tokens", str(self.n), check=check), go)


def draw_continuation(found: Continuation, width: int) -> Text:
    """The prompt, both sides token by token, what they say as text, and what that is."""
    lines: list[Text] = [*prose(one_line("".join(found.prompt)), width, "dim")]
    sides = [("model", found.model)]
    if found.circuit is not None:
        sides.append(("circuit", found.circuit))
    lines += [Text(), Text("    " + "".join(f"{name:<{COLUMN}}" for name, _ in sides), "dim")]
    shared = found.shared
    for step in range(max(len(side) for _, side in sides)):
        apart = shared is not None and step >= shared
        line = Text(f"{step + 1:>3} ")
        for _, side in sides:
            line.append(_cell(side, step), "bold" if apart else "")
        lines.append(line.append("≠" if step == shared else ""))
    for name, side in sides:
        said = one_line("".join(one.text for one in side))
        lines += [Text(), *prose(f"{name}: … {said}", width)]
    lines += [Text(), *prose(found.definition, width, "dim")]
    return Text("\n").join(lines)


def _cell(side: Sequence[TokenChance], step: int) -> str:
    """A token and its chance, in the cells of a side."""
    if step >= len(side):
        return " " * COLUMN
    one = side[step]
    text = show_token(one.text, COLUMN - 9)
    return f"{fit(text, COLUMN - 9)} {plain(one.probability, 3):>6}  "
