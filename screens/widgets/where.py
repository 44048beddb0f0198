"""Which prompt, and which token or role of it, a screen looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.readouts.results import Position, position_words

if TYPE_CHECKING:
    from workbench.session.session import Session


class Where:
    """A prompt or all, and a position or role in it.

    Attributes:
        pair: which prompt, from 0; None for the mean over all.
        position: of the token, from the prompts' ends.
        role: that is looked at in place of the position; None: none.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.pair: int | None = None
        self.position = -1
        self.role: str | None = None

    @property
    def at(self) -> Position:
        """The role, if one is looked at, else the position."""
        return self.position if self.role is None else self.role

    @property
    def words(self) -> str:
        """Of which prompt, and at which token where that is not the last."""
        over = "mean" if self.pair is None else f"prompt {self.pair + 1}"
        return over if self.at == -1 else f"{over} {position_words(self.at)}"

    def turn(self, by: int) -> None:
        """To the next prompt, or the one before."""
        n = self._session.task.n_pairs
        self.pair = (0 if by > 0 else n - 1) if self.pair is None else (self.pair + by) % n

    def step(self, by: int) -> None:
        """To the next role, or the next token where none is looked at, or the one before."""
        if self.role is None:
            first = -len(self._session.prompts(self.pair or 0).clean)
            self.position = max(first, min(-1, self.position + by))
            return
        names = self._names()
        at = names.index(self.role) + by if self.role in names else len(names) - 1
        self.role = names[max(0, min(at, len(names) - 1))]

    def switch(self) -> None:
        """From tokens to roles, beginning with that of the token, and back."""
        if self.role is not None:
            self.role = None
            return
        names = self._names()
        if names:
            own = self._session.prompts(self.pair or 0).roles
            here = own[self.position] if -len(own) <= self.position < 0 else names[-1]
            self.role = here if here in names else names[-1]

    def _names(self) -> tuple[str, ...]:
        if self.pair is None:
            return self._session.roles
        return tuple(dict.fromkeys(self._session.prompts(self.pair).roles))


class Looking:
    """The actions of a screen that looks at a prompt and a position.

    Attributes:
        where: what is looked at.
    """

    where: Where

    def look_again(self) -> None:
        """Something else is looked at from now on."""
        raise NotImplementedError

    def action_pair(self, by: int) -> None:
        self.where.turn(by)
        self.look_again()

    def action_position(self, by: int) -> None:
        self.where.step(by)
        self.look_again()

    def action_by_role(self) -> None:
        self.where.switch()
        self.look_again()

    def action_mean(self) -> None:
        if self.where.pair is not None:
            self.where.pair = None
            self.look_again()
