"""Announcements of the bench: what to know of the task, and what the circuit has come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textual.screen import Screen

from screens.base.numbers import count, plain, signed
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.session.session import Session


@dataclass(frozen=True)
class Announcement:
    """What to tell the user, and for how many seconds."""

    title: str
    words: str
    timeout: float
    severity: Literal["information", "warning"] = "information"


def welcome(session: Session) -> list[Announcement]:
    """What to tell whoever opens a session."""
    news = []
    if warnings := session.task.warnings:
        more = (
            f" {{key:bench.prompts}} shows all {len(warnings)} warnings."
            if len(warnings) > 1
            else ""
        )
        news.append(Announcement("Warning", warnings[0] + more, 12, "warning"))
    if session.truth is not None and not session.commands():
        said = "The model's true circuit comes along: {key:bench.compare} compares yours with it."
        news.append(Announcement("", said, 12))
    return news


def announcement(status: Status, last: Status, metric: str) -> Announcement | None:
    """What is to be told of a status after the `last` one; None: nothing.

    That the circuit reaches the embeddings, and that nothing is open any more.
    """
    if not status.edges:
        return None
    closes = status.closed and not last.closed and status.reached_input
    if not closes and not (status.reached_input and not last.reached_input):
        return None
    faithfulness = "undefined" if status.faithfulness is None else plain(status.faithfulness, 3)
    edges = f"{count(status.edges)} of {count(status.all_edges)} edges"
    nodes = f"{count(status.nodes)} of {count(status.all_nodes)} nodes"
    circuit, model = signed(status.circuit_metric, 3), signed(status.model_metric, 3)
    words = (
        f"{edges} and {nodes} carry {metric} {circuit} of the model's {model}: "
        f"faithfulness {faithfulness}. "
    )
    if status.closed:
        words += "Nothing is open: this is the circuit's own number. {key:bench.export} exports it."
    else:
        still = count(status.open_destinations)
        words += (
            f"{still} inputs are still open; {{key:bench.next_frontier}} goes to the next node "
            f"to expand."
        )
    title = "The circuit is closed" if closes else "The embeddings are reached"
    return Announcement(title, words, 15 if closes else 8)


def tell(screen: Screen[Any], news: Announcement | None) -> None:
    """Show it over the screen for its time."""
    if news is not None:
        screen.notify(
            news.words,
            title=news.title,
            severity=news.severity,
            timeout=news.timeout,
            markup=False,
        )
