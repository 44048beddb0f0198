"""What trying one pair of prompts gives, in plain values. Importing this loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tasks.pair import Pair


@dataclass(frozen=True)
class TokenChance:
    """A token and how likely it is next.

    Attributes:
        text, token: as it is shown, and its id.
        probability, logit: at the last position.
    """

    text: str
    token: int
    probability: float
    logit: float


@dataclass(frozen=True)
class Standing:
    """Where an answer stands in one run.

    Attributes:
        rank: 1 for the likeliest token; of several with the same logit all have the best rank.
        probability, logit: at the last position.
    """

    rank: int
    probability: float
    logit: float


@dataclass(frozen=True)
class AnswerStanding:
    """Where an answer stands in every run.

    Attributes:
        text, token: of the answer.
        right: it is one of the answers, not of the wrong ones.
        clean, corrupted, circuit: in the clean run, in the one that stands in for what is left out
            of the circuit, and in the circuit; None without one.
    """

    text: str
    token: int
    right: bool
    clean: Standing
    corrupted: Standing
    circuit: Standing | None


@dataclass(frozen=True)
class PairTrial:
    """What one pair gives.

    Attributes:
        pair: as text.
        clean_tokens, corrupted_tokens: both prompts as the model reads them.
        metric, ablation: names.
        clean, corrupted, circuit: the metric of this pair in each run; `circuit` None without one.
        faithfulness: of the circuit on this pair; None without one, or where it means nothing.
        answers: the right answers, then the wrong ones.
        top_clean, top_corrupted, top_circuit: the likeliest tokens of each run, falling.
        edges: kept edges of the circuit.

    Glossary: docs/glossary.md#trial-of-a-pair.
    """

    pair: Pair
    clean_tokens: tuple[str, ...]
    corrupted_tokens: tuple[str, ...]
    metric: str
    ablation: str
    clean: float
    corrupted: float
    circuit: float | None
    faithfulness: float | None
    answers: tuple[AnswerStanding, ...]
    top_clean: tuple[TokenChance, ...]
    top_corrupted: tuple[TokenChance, ...]
    top_circuit: tuple[TokenChance, ...]
    edges: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)
