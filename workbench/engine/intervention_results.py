"""What interventions do to a model, in plain values. Importing this loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from workbench.base.table import Table
from workbench.engine.trial_results import TokenChance

EFFECT = (
    "Both prompts of every pair are run with the interventions and without. KL is that from the "
    "model without them to the one with them, at the last position, in nats."
)
CURVE = (
    "One intervention with each factor in turn, all others as they are; measured on the clean "
    "prompts. KL is that from the model without interventions."
)


@dataclass(frozen=True)
class Measures:
    """What is measured of the model with some interventions.

    Attributes:
        clean, corrupted: means of the metric over the pairs.
        accuracy: share of pairs whose best answer beats the best wrong one, in the clean run.
        kl: mean KL from the model without interventions, clean runs, in nats.
        circuit, faithfulness: of the circuit in that model; None without one, or where the
            faithfulness means nothing.
    """

    clean: float
    corrupted: float
    accuracy: float
    kl: float
    circuit: float | None = None
    faithfulness: float | None = None


@dataclass(frozen=True)
class InterventionEffect:
    """What interventions do.

    Attributes:
        interventions: a line each, in order.
        metric: its name.
        without, done: what is measured without and with them.
        per_pair: of each pair the metric of its clean prompt without and with them.
        pair: the number, from 0, of the pair whose next tokens are shown.
        prompt: its clean prompt's tokens.
        top_without, top_done: the likeliest next tokens, falling.
        goes_on_without, goes_on_done: what the model goes on with, greedily.
        definition: how this was measured.
    """

    interventions: tuple[str, ...]
    metric: str
    without: Measures
    done: Measures
    per_pair: tuple[tuple[float, float], ...]
    pair: int
    prompt: tuple[str, ...]
    top_without: tuple[TokenChance, ...]
    top_done: tuple[TokenChance, ...]
    goes_on_without: tuple[TokenChance, ...]
    goes_on_done: tuple[TokenChance, ...]
    definition: str = EFFECT

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)


@dataclass(frozen=True)
class AlphaPoint:
    """The model with one factor: metric, accuracy and KL as in `Measures`."""

    alpha: float
    metric: float
    accuracy: float
    kl: float
    faithfulness: float | None = None


@dataclass(frozen=True)
class AlphaCurve:
    """What the model does over the factor of one intervention.

    Attributes:
        intervention: its line, with the factor that it has.
        metric: its name.
        points: in the order of the factors.
    """

    intervention: str
    metric: str
    points: tuple[AlphaPoint, ...]
    definition: str = CURVE

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)

    def table(self) -> Table:
        """One row a factor."""
        rows = [(p.alpha, p.metric, p.accuracy, p.kl, p.faithfulness) for p in self.points]
        return Table(
            f"{self.metric} over the factor of {self.intervention}",
            ("alpha", self.metric, "accuracy", "kl", "faithfulness"),
            tuple(rows),
        )
