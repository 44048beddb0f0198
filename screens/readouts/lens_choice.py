"""What the readouts are asked, and through which lens: keys and what they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.widget import Widget

from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.widgets.dialogs import Ask
from screens.widgets.path_suggester import PathSuggester

if TYPE_CHECKING:
    from workbench.readouts.catalogue import Readout
    from workbench.readouts.target import Target
    from workbench.session.session import Session


DIRECTED = "direction"
"""The view that a direction leads to from all that read none."""


class LensChoice(Widget):
    """Part of the readouts' panel: what a view is read through."""

    carried = False
    """Views that can read through a Jacobian lens do."""
    direction = ""
    """What names the direction that is read."""
    by = 0
    """Which of what a view can be coloured by."""
    target: Target | None = None
    """What is asked about in place of the answers."""
    asked = ("", "")
    """The texts that it was named by."""
    pair: int | None
    session: Session | None
    _background: Worker | None
    _want: Callable[[], None]
    show_view: Callable[[str], None]

    if TYPE_CHECKING:

        @property
        def view(self) -> Readout:
            """The readout that is shown."""

    @property
    def through(self) -> str | None:
        """From where the Jacobian lens is that this view reads through; None: it reads as it is."""
        reads = self.view.needs_lens or (self.carried and self.view.through)
        return self.session.readouts.jacobian_from if reads and self.session else None

    @property
    def colour(self) -> str | None:
        """What colours of this view are of; None where there is no choice."""
        by = self.view.by
        return by[self.by % len(by)] if by else None

    def action_through(self) -> None:
        """Read through the Jacobian lens, or not any more."""
        if self.view.through and not self.view.needs_lens:
            self.carried = not self.carried
            self._want()

    def action_direction(self) -> None:
        """Ask which direction is read."""

        def take(text: str | None) -> None:
            if text is not None:
                self.direction = text.strip()
                if self.direction and not self.view.directed:  # where it is read, or refused
                    self.show_view(DIRECTED)
                else:
                    self._want()

        ask = Ask(
            "The direction to read",
            self.direction,
            hint="unembed:TOKEN, embed:TOKEN, or a file (.npy, .safetensors, .pt), with :NAME and "
            ":ROW behind it where it holds several.",
            suggester=PathSuggester(),
        )
        self.app.push_screen(ask, take)

    def action_lens_file(self) -> None:
        """Ask for the file of a Jacobian lens, and read through it."""
        session, background = self.session, self._background
        if session is None or background is None:
            return

        def take(path: str | None) -> None:
            if not path:
                return

            def done(words: str) -> None:
                self.notify(one_line(words), markup=False, timeout=8)
                self.carried = True
                self._want()

            background.put(lambda: session.readouts.use_jacobian(path), done, self._no_lens)

        ask = Ask(
            "Read through the Jacobian lens of the file",
            hint="As published or as `workbench lens fit` writes one: .pt or .safetensors.",
            suggester=PathSuggester(),
        )
        self.app.push_screen(ask, take)

    def _no_lens(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def action_ask(self) -> None:
        """Ask which tokens the readouts are to answer for."""
        from screens.readouts.ask_tokens import ask_tokens

        session, of_head = self.session, bool(self.view.ways)

        def answered(target: Target | None, texts: tuple[str, str]) -> None:
            if session is self.session:
                self.target, self.asked = target, texts
                self._want()

        if session is not None:
            ask_tokens(self.app, session, self.asked, self.pair, answered, of_head=of_head)
