"""What the readouts wish to read, and what their selectors stand at, from what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from screens.base.actions import keyed
from screens.readouts.head import Reader, Reading, place_at
from screens.readouts.requests import ReadoutRequest
from screens.readouts.text import index
from workbench.circuits.names import kind_of
from workbench.readouts.catalogue import Readout
from workbench.readouts.heads.ways import way_words

if TYPE_CHECKING:
    from workbench.readouts.target import Target


TO_A_HEAD = "{key:bench.jump} goes to one, such as a0.h0; {key:bench.heads} lists them all."
NO_DIRECTION = "Name the direction that is to be read: press {key:readouts.direction}."


class Chosen(Reader, Protocol):
    """What was chosen: the view, the component, where and what of it."""

    node: str | None
    run: str
    role: str | None
    target: Target | None
    ways: dict[str, str]
    direction: str

    @property
    def through(self) -> str | None:
        """From where the Jacobian lens is that is read through; None: none."""

    @property
    def colour(self) -> str | None:
        """What colours are of; None where there is no choice."""

    @property
    def view(self) -> Readout:
        """The readout that is shown."""


def stepped(chosen: Chosen, by: int) -> str | None:
    """The role so many behind the chosen one; that of the position, where none is chosen."""
    if chosen.session is None:
        return None
    names: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    if chosen.pair is not None:
        own = chosen.session.prompts(chosen.pair).roles
        names = tuple(dict.fromkeys(own))
    elif chosen.prompts is not None:
        names = chosen.prompts.names
    if not names:
        return chosen.role
    if chosen.role is None:
        if own:
            return own[chosen.position]
        here = chosen.prompts.roles.get(chosen.position) if chosen.prompts is not None else None
        return here or names[-1]
    at = names.index(chosen.role) + by if chosen.role in names else len(names) - 1
    return names[max(0, min(at, len(names) - 1))]


def longest(chosen: Chosen) -> int:
    """Positions that can be chosen: those of the prompt, or of every prompt."""
    if chosen.session is not None and chosen.pair is not None:
        return len(chosen.session.prompts(chosen.pair).clean)
    return chosen.prompts.shortest if chosen.prompts is not None else 1


def answers_of(chosen: Chosen, pair: int) -> tuple[Sequence[str], Sequence[str]]:
    """The answers and wrong answers of a prompt."""
    prompt = None if chosen.session is None else chosen.session.prompts(pair)
    return ((), ()) if prompt is None else (prompt.answers, prompt.wrong_answers)


def wish_of(chosen: Chosen) -> ReadoutRequest | str:
    """What is to be read, or why there is nothing to read."""
    if chosen.session is None:
        return "No session is open."
    view = chosen.view
    node = chosen.node if view.by_node else None
    if view.by_node and node is None:
        return "Choose a component to read what it writes."
    if view.of_heads and kind_of(node or "") != "head":
        return keyed(f"Only heads attend, and {node} is none. {TO_A_HEAD}")
    if view.directed and not chosen.direction:
        return keyed(NO_DIRECTION)
    run = chosen.run if chosen.run in view.runs else view.runs[0]
    way = way_of(chosen)
    # By its weights a head says the same at every position but where a prompt's token is read.
    placed = view.by_position and (way is None or chosen.pair is not None)
    return ReadoutRequest(
        view.name,
        node,
        (chosen.role or chosen.position) if placed else None,
        chosen.pair,
        run,
        chosen.target if view.asks else None,
        chosen.session.status().revision if "circuit" in run else None,
        chosen.session.pairs_digest,
        way,
        chosen.through,
        chosen.colour,
        chosen.direction if view.directed else None,
    )


def way_of(chosen: Chosen) -> str | None:
    """Which of the view's ways; None where it has but one."""
    view = chosen.view
    return chosen.ways.get(view.name, view.ways[0]) if view.ways else None


def reading_of(chosen: Chosen) -> Reading:
    """What the selectors stand at."""
    view, session = chosen.view, chosen.session
    place = None
    if view.by_position or view.name == "attention":
        nth = "last" if chosen.position == -1 else index(chosen.position)
        there = place_at(chosen).strip()
        place = f"{there} ({nth})" if there else nth
        if chosen.role is not None and view.by_position:
            place = f"role {chosen.role}"
    way = way_of(chosen)
    asked = "answers" if way is None or chosen.pair is None else "the prompt's token"
    if chosen.target is not None:
        asked = chosen.target.words if way is None else chosen.target.sides[0]
    return Reading(
        place,
        chosen.pair,
        0 if session is None else session.task.n_pairs,
        chosen.run if chosen.run in view.runs else None,
        asked if view.asks else None,
        None if way is None else way_words(way),
        carried=chosen.through is not None and not view.needs_lens,
        by=chosen.colour,
    )
