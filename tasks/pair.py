"""Pair: a clean prompt, its corrupted counterpart, and the answers that tell them apart."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RoleSpan:
    """Where a role stands in the clean prompt; a role may have several spans.

    Attributes:
        role: its name, such as "S2".
        start, stop: characters of the prompt, from `start` up to but without `stop`.
        tokens: they count tokens of the prompt instead, without a BOS that is put before it.
    """

    role: str
    start: int
    stop: int
    tokens: bool = False


@dataclass(frozen=True)
class Pair:
    """One example of a task, as text; nothing here is tokenised yet.

    Attributes:
        clean: the prompt that wants one of `answers`.
        corrupted: the counterfactual prompt, of the same length in tokens.
        answers: right continuations of the clean prompt, each one token (the space before a word
            is part of the text: " Mary").
        wrong_answers: continuations that the metric counts against the model.
        roles: where the prompt's roles stand; what they leave over has no role of its own. Names
            of its parts make no other pair: they are not compared.
        task: what it is an example of, where a file mixes several tasks; not compared either.
    """

    clean: str
    corrupted: str
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    roles: tuple[RoleSpan, ...] = field(default=(), compare=False)
    task: str = field(default="", compare=False)
