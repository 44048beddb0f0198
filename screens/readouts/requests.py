"""What is read for the readouts: a wish for one of them, and how it is computed.

Plain values; the only call into a session that computes is `compute`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import Cancelled
from workbench.prompts.roles import in_order
from workbench.readouts.results import (
    AnswerCurve,
    AttentionPattern,
    DirectAttribution,
    Lens,
    Position,
    ResidualLens,
)
from workbench.readouts.shapes import Shape

if TYPE_CHECKING:
    from workbench.readouts.target import Target
    from workbench.session.session import Session

TOKENS = 10
"""Tokens on each side of a logit lens."""
TOKENS_OF_RESIDUAL = 4
"""Tokens after each layer; a narrow panel shows fewer."""


ReadoutResult = Lens | DirectAttribution | AnswerCurve | AttentionPattern | ResidualLens | Shape


@dataclass(frozen=True)
class ReadoutRequest:
    """What is to be read: everything that the result depends on, and nothing else.

    Attributes:
        run: one of `workbench.readouts.runs.RUNS`.
        target: what is asked about in place of the task's answers.
        revision: of the circuit, where it is read.
        pairs: by what the set of pairs is known.
        way: of those that the readout has; None where it has but one.
        through: from where the Jacobian lens is that is read through; None: none.
        by: what colours are of; None where there is no choice.
        direction: the text that names the direction that is read.
    """

    view: str
    node: str | None
    position: Position | None
    pair: int | None
    run: str = "clean"
    target: Target | None = None
    revision: int | None = None
    pairs: str = ""
    way: str | None = None
    through: str | None = None
    by: str | None = None
    direction: str | None = None


@dataclass(frozen=True)
class Prompts:
    """What the selectors need to know of all prompts.

    Attributes:
        shortest: tokens of the shortest prompt.
        shared: tokens that all prompts have at the same place from the end, by negative position.
        roles: likewise the roles.
        names: of all roles, in the order in which they stand in the prompts.
    """

    shortest: int
    shared: dict[int, str]
    roles: dict[int, str]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, session: Session) -> Prompts:
        prompts = [session.prompts(i) for i in range(session.task.n_pairs)]
        tokens, roles = [one.clean for one in prompts], [one.roles for one in prompts]
        shortest = min(map(len, tokens))
        shared = _shared(tokens, shortest), _shared(roles, shortest)
        return cls(shortest, *shared, in_order(roles))


def _shared(rows: Sequence[Sequence[str]], shortest: int) -> dict[int, str]:
    """What all rows have at the same place from the end, by negative position."""
    found = {}
    for position in range(-1, -shortest - 1, -1):
        here = {row[position] for row in rows}
        if len(here) == 1:
            found[position] = here.pop()
    return found


def compute(session: Session, wish: ReadoutRequest) -> ReadoutResult:
    """Compute a wish. For a thread.

    Raises:
        Cancelled: the session went to other pairs than it is wished of.
    """
    result = _compute(session, wish)
    if wish.pairs and wish.pairs != session.pairs_digest:
        raise Cancelled
    return result


def _compute(session: Session, wish: ReadoutRequest) -> ReadoutResult:
    readouts, node, pair = session.readouts, wish.node or "", wish.pair
    position = -1 if wish.position is None else wish.position
    of: dict[str, Any] = {"pair": pair}
    if wish.run != "clean":
        of["run"] = wish.run
    if wish.view == "attention":
        return readouts.attention(node, **of)
    of["position"] = position
    if wish.target is not None:
        of["target"] = wish.target
    if wish.way is not None:
        of["way"] = wish.way
    if wish.through is not None:
        of["through"] = True
    if wish.by is not None:
        of["by"] = wish.by
    if wish.direction is not None:
        of["direction"] = wish.direction
    if wish.view == "attribution":
        return readouts.attribution(**of)
    if wish.view == "residual":
        return readouts.residual(k=TOKENS_OF_RESIDUAL, **of)
    if wish.view == "curve":
        return readouts.curve(node, **of)
    if wish.view == "lens":
        return readouts.lens(node, k=TOKENS, **of)
    return readouts.result(wish.view, node, **of)
