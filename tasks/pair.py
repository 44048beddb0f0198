"""Pair: a clean prompt, its corrupted counterpart, and the answers that tell them apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One example of a task, as text; nothing here is tokenised yet.

    Attributes:
        clean: the prompt that wants one of `answers`.
        corrupted: the counterfactual prompt, of the same length in tokens.
        answers: right continuations of the clean prompt, each one token (the space before a word
            is part of the text: " Mary").
        wrong_answers: continuations that the metric counts against the model.
    """

    clean: str
    corrupted: str
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
