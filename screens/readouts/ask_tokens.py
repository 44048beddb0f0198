"""Asking for the tokens that the readouts are asked about in place of the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from screens.base.worker import error_sentence
from screens.widgets.dialogs import Dialog
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.readouts.target import Target
    from workbench.session.session import Session

PROMOTE, OF_HEAD = "Which components promote the token", "Which token the head is given"
HINT = (
    "Any token of the vocabulary, its leading blank included; #123 is a token by its number. "
    "Without a second one it stands against the mean of all tokens. Both empty: the task's answers."
)

OF_HEAD_HINT = (
    "Any token of the vocabulary, its leading blank included; #123 is a token by its number. "
    "Empty: the prompt's own, or over all prompts each of the answers."
)


class AskTokens(Dialog[tuple[str, str]]):
    """Two texts, a token each or empty; how they are read stands below while one types."""

    def __init__(
        self,
        target: str,
        distractor: str,
        find: Callable[[str, str], Target | None],
        *,
        of_head: bool = False,
    ) -> None:
        """A question.

        Args:
            target, distractor: what stands there at first.
            find: what the texts are read as; raises WorkbenchError if they are no tokens.
            of_head: the tokens are what a head is given, for which the second text is of no use.
        """
        super().__init__()
        self._first = target, distractor
        self._find = find
        self._of_head = of_head

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Text(OF_HEAD if self._of_head else PROMOTE), classes="title")
            yield Input(self._first[0], id="target", select_on_focus=True)
            yield Static(Text("against"), classes="hint", id="against")
            yield Input(self._first[1], id="distractor", select_on_focus=True)
            yield Static(id="read")
            yield Static(Text(OF_HEAD_HINT if self._of_head else HINT), classes="hint")
            yield Static(classes="error")
            other = "" if self._of_head else "tab the other · "
            yield Static(Text(f"enter accept · {other}esc cancel"), classes="keys")

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        for second in ("#against", "#distractor"):
            self.query_one(second).display = not self._of_head
        self._look()

    @property
    def typed(self) -> tuple[str, str]:
        """What stands in the two fields."""
        target, distractor = (field.value for field in self.query(Input))
        return target, distractor

    @on(Input.Changed)
    def _look(self) -> bool:
        """Say how the texts are read; whether they can be."""
        try:
            found = self._find(*self.typed)
        except WorkbenchError as error:
            self.query_one("#read", Static).update(Text())
            self.complain(error_sentence(error))
            return False
        words = "the prompt's own, or all answers" if self._of_head else "answers − wrong answers"
        if found is not None:
            words = found.sides[0] if self._of_head else found.words
        self.query_one("#read", Static).update(Text(f"Read as: {words}"))
        self.complain("")
        return True

    @on(Input.Submitted)
    def _submitted(self) -> None:
        if self._look():
            self.dismiss(self.typed)


def found_target(session: Session, texts: Sequence[str], pair: int | None) -> Target | None:
    """What a token and its distractor, as typed, ask about; None for the task's own answers.

    Raises:
        WorkbenchError: one of them is no token after the prompt.
    """
    right, wrong = ([text] if text else [] for text in texts)
    return session.readouts.target(right, wrong, pair)


def ask_tokens(
    app: App[Any],
    session: Session,
    asked: tuple[str, str],
    pair: int | None,
    answered: Callable[[Target | None, tuple[str, str]], None],
    *,
    of_head: bool = False,
) -> None:
    """Ask for tokens of a session's model.

    Args:
        asked: the texts that stand there at first.
        pair: after whose prompt they are read.
        answered: told the target, None for the task's own answers, and the texts.
        of_head: as of `AskTokens`.
    """

    def find(*texts: str) -> Target | None:
        return found_target(session, texts, pair)

    def go(texts: tuple[str, str] | None) -> None:
        if texts is not None:
            answered(find(*texts), texts)

    app.push_screen(AskTokens(*asked, find, of_head=of_head), go)
