"""What the part `faithfulness` found. Plain values; nothing is computed here.

Glossary: docs/glossary.md#shortfall.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A number over the prompts, and the bootstrap interval that resampling them gives it.

    Attributes:
        value: over the prompts as they are; None where it is not defined.
        low, high: ends of the percentile interval; None where there is none.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class PromptScore:
    """One pair.

    Attributes:
        index: of the pair in the batch, from 0.
        clean, corrupted: the two prompts.
        answers, wrong_answers: the texts that count as right and as wrong.
        model_metric, corrupted_metric, circuit_metric: the metric on this pair alone.
        shortfall: how much worse than the model's the circuit's metric is, in units of the metric.
        right, model_right: whether the best answer is above the best wrong one.
        top, model_top: the most likely next token, as text.
        agrees: the two are the same token.
        rank, model_rank: of the best answer among all tokens, from 1.
        kl: KL(model || circuit) in nats.
    """

    index: int
    clean: str
    corrupted: str
    answers: tuple[str, ...]
    wrong_answers: tuple[str, ...]
    model_metric: float
    corrupted_metric: float
    circuit_metric: float
    shortfall: float
    right: bool
    model_right: bool
    top: str
    model_top: str
    agrees: bool
    rank: int
    model_rank: int
    kl: float


@dataclass(frozen=True)
class Faithfulness:
    """How much of what the model does the circuit does.

    Attributes:
        metric: its name.
        model, corrupted, circuit: its mean over the pairs.
        faithfulness: (circuit - corrupted) / (model - corrupted), a ratio of means; undefined where
            the model does not tell clean from corrupted prompts.
        kl: mean of KL(model || circuit), summed over the vocabulary, in nats.
        accuracy, model_accuracy: share of pairs whose best answer is above the best wrong one.
        agreement: share of pairs on which circuit and model have the same most likely token.
        prompts: every pair, the largest shortfall first.
        closed: nothing that the metric depends on is left open.
        confidence, resamples, seed: of the intervals.
        undefined: resamples whose ratio is not defined; the interval leaves them out.
    """

    metric: str
    model: Estimate
    corrupted: Estimate
    circuit: Estimate
    faithfulness: Estimate
    kl: Estimate
    accuracy: Estimate
    model_accuracy: Estimate
    agreement: Estimate
    prompts: tuple[PromptScore, ...]
    closed: bool
    confidence: float
    resamples: int
    seed: int
    undefined: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)
