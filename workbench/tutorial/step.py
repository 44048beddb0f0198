"""Step: one thing that the tutorial explains and asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.tutorial.observation import Observation


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        key: its name where the place is kept.
        title: a few words.
        text: what one sees and why it matters; a technical word is explained where it comes first.
        ask: what to do next, as far as things stand.
        check: a remark on what just happened once the step was done, else None. It judges what was
            done since the step began, by whatever way, and not what was so before.
    """

    key: str
    title: str
    text: str
    ask: Callable[[Observation], str]
    check: Callable[[Observation], str | None]


def shown(value: float | None, digits: int = 3) -> str:
    """A number as the screen writes it."""
    if value is None:
        return "undefined"
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")
