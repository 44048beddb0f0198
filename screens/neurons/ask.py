"""What the screen of neurons asks: how many, for which faithfulness, which tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from textual.screen import Screen

from screens.widgets.dialogs import Ask
from workbench.neurons.results import NeuronList

USUAL = "12"
"""Neurons that are proposed."""


def ask_number(
    screen: Screen[None], listed: NeuronList, order: str, go: Callable[[int], None]
) -> None:
    """Ask to how many of its neurons an MLP is narrowed."""
    most = len(listed.rows)

    def check(text: str) -> str | None:
        if text.isdecimal() and int(text) <= most:
            return None
        return f"Type a number from 0 to {most:,}."

    def answer(text: str | None) -> None:
        if text is not None:
            go(int(text))

    hint = f"So many of {listed.mlp}'s neurons are kept: the first by {order}."
    dialog = Ask("Narrow to how many neurons", USUAL, hint=hint, check=check)
    screen.app.push_screen(dialog, answer)


def ask_faithfulness(
    screen: Screen[None], mlp: str, present: float | None, go: Callable[[float], None]
) -> None:
    """Ask for which faithfulness an MLP is narrowed; a little less than now is proposed."""

    def check(text: str) -> str | None:
        with suppress(ValueError):
            if math.isfinite(float(text)):
                return None
        return "Type a faithfulness, such as 0.9."

    def answer(text: str | None) -> None:
        if text is not None:
            go(float(text))

    value = "0.9" if present is None else f"{present - 0.01 * abs(present):.4f}"
    hint = f"The fewest of {mlp}'s neurons with which the circuit reaches this are kept."
    screen.app.push_screen(Ask("For which faithfulness", value, hint=hint, check=check), answer)


def ask_tokens(screen: Screen[None], go: Callable[[list[str]], None]) -> None:
    """Ask which tokens the neurons that are searched for promote."""

    def answer(text: str | None) -> None:
        words = [word for word in (text or "").split(",") if word.strip()]
        if words:
            go(words)

    hint = "Tokens, with a comma between: plus, add, #123. Enter on a row goes to its MLP."
    screen.app.push_screen(Ask("Which neurons promote", hint=hint), answer)
