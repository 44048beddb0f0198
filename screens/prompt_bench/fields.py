"""The fields in which a pair is typed, with completion over the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from screens.prompt_bench.spelling import (
    SPACE,
    answers_field,
    answers_of,
    last_begun,
    prompt_field,
    prompt_of,
)
from tasks.pair import Pair
from workbench.prompts.moved_roles import moved
from workbench.prompts.vocabulary import Vocabulary
from workbench.session.pair_drafts import NEW

NAMES = {
    "clean": ("clean", "the prompt that wants one of the answers"),
    "corrupted": ("corrupted", "the other prompt, of the same length in tokens"),
    "answers": ("answers", "what should come next, such as ·Mary|·Anna"),
    "wrong": ("wrong", "what should not, such as ·John"),
}
"""Of each field its label and what stands there while it is empty."""


class TokenSuggester(Suggester):
    """Completes the answer that is being typed by a token of the vocabulary."""

    def __init__(self, vocabulary: Callable[[], Vocabulary | None]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._vocabulary = vocabulary

    async def get_suggestion(self, value: str) -> str | None:
        vocabulary = self._vocabulary()
        before, begun = last_begun(value)
        if vocabulary is None or not begun.strip():
            return None
        for text in vocabulary.complete(begun):
            spelled = before + answers_field((text,))
            if text != begun and spelled.startswith(value):
                return spelled
        return None


class PairFields(Vertical):
    """Two prompts and their answers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "The field above", show=False),
        Binding("down", "step(1)", "The field below", show=False),
    ]

    class Changed(Message):
        """Something else is typed."""

    class Submitted(Message):
        """The pair is to be evaluated."""

    def __init__(self, vocabulary: Callable[[], Vocabulary | None], *, id: str) -> None:
        super().__init__(id=id)
        self._vocabulary = vocabulary
        self._put = NEW

    def compose(self) -> ComposeResult:
        for name, (label, hint) in NAMES.items():
            with Horizontal(classes="row"):
                yield Static(Text(label), classes="label")
                completed = name in ("answers", "wrong")
                suggester = TokenSuggester(self._vocabulary) if completed else None
                yield Input(id=name, placeholder=hint, suggester=suggester, select_on_focus=False)

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False

    def _field(self, name: str) -> Input:
        return self.query_one(f"#{name}", Input)

    @property
    def name_focused(self) -> str:
        """The name of the field that is typed in, or ""."""
        focused = self.screen.focused
        return focused.id or "" if isinstance(focused, Input) else ""

    @property
    def pair(self) -> Pair:
        """What is typed; the roles of the pair that was put move with its words."""
        clean = prompt_of(self._field("clean").value)
        return Pair(
            clean,
            prompt_of(self._field("corrupted").value),
            answers_of(self._field("answers").value),
            answers_of(self._field("wrong").value),
            moved(self._put.roles, self._put.clean, clean),
        )

    def put(self, pair: Pair) -> None:
        """Let the fields say this."""
        self._put = pair
        said = {
            "clean": prompt_field(pair.clean),
            "corrupted": prompt_field(pair.corrupted),
            "answers": answers_field(pair.answers),
            "wrong": answers_field(pair.wrong_answers),
        }
        for name, value in said.items():
            field = self._field(name)
            if field.value != value:
                field.value = value
                field.cursor_position = len(value)

    def begin(self, name: str = "clean") -> None:
        """Go into a field."""
        self._field(name).focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        field = event.input
        if field.id in ("answers", "wrong") and " " in field.value:  # as it is by now
            at = field.cursor_position
            field.value = field.value.replace(" ", SPACE)
            field.cursor_position = at
            return
        self.post_message(self.Changed().set_sender(self))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted().set_sender(self))

    def action_step(self, by: int) -> None:
        names = list(NAMES)
        here = self.name_focused
        if here in names:
            self.begin(names[(names.index(here) + by) % len(names)])
