"""What the analyses of the flow between tokens found.

Plain values; nothing is computed here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from workbench.circuits.names import head_name

Matrix = tuple[tuple[float | None, ...], ...]

ALL_FOR_ONE = (
    "Wait up to a layer: after the block before it, the residual at every position but the first "
    "is replaced by its mean over prompts of this length with the same token at this position, at "
    "the last position by the mean over all of them (context-aware mean ablation). From there on "
    "attention is masked before the softmax: {others}; the last token looks at all before it in "
    "the layers in which it peeks, and elsewhere at itself{first} only. Accuracy is the share of "
    "the pairs that the model answers rightly on which it still does. After Mamidanna et al. 2025, "
    "2509.09650."
)
KNOCKOUT = (
    "Attention from {query} to one position is masked before the softmax in layers l - {reach} to "
    "l + {reach}; all else is the model's own. Shown is the metric with it less the metric of the "
    "model: what lies below 0 was read there."
)


@dataclass(frozen=True)
class Score:
    """How a run does.

    Attributes:
        accuracy: share of the pairs asked about that are answered rightly.
        metric: mean over these pairs.
    """

    accuracy: float
    metric: float

    def of(self, measure: str) -> float:
        """The accuracy or the metric."""
        return self.accuracy if measure == "accuracy" else self.metric


@dataclass(frozen=True)
class Dropped:
    """A layer, or one head of it, in which the last token does not peek any more.

    Attributes:
        layer: which.
        head: which of the layer's; None for the whole layer.
        score: without it.
        needed: without it there is less than the level.
    """

    layer: int
    head: int | None
    score: Score
    needed: bool

    @property
    def name(self) -> str:
        """As `layer 3` or `a3.h1`."""
        return f"layer {self.layer}" if self.head is None else head_name(self.layer, self.head)


@dataclass(frozen=True)
class AllForOne:
    """Accuracy by how long tokens wait and for how long the last one peeks, and what suffices.

    Attributes:
        n_layers: of the model.
        n_pairs, n_right: pairs of the task, and those that the model answers rightly.
        metric_name: which metric.
        base: the model's own; this and all scores are over the pairs that it answers rightly.
        waiting: by the layer up to which all wait, from 0: attention is free after it.
        accuracy: [first peek layer, number of peek layers]; None beyond the last layer.
        metric: the same of the metric.
        level, measure: the share of the model's own accuracy, or metric, that counts as all of it.
        wait: the last layer up to which all may wait, both where attention is free after it and
            where the last token peeks in all that follow; None if there is none.
        window: the shortest run of layers from `wait` on in which to peek suffices; empty if none.
        transfer: the layers of it that are left when those that can be spared are dropped.
        transfer_score: with peeking in these alone.
        necessary: each of these layers dropped, and each head of them.
        n_prompts: prompts over which the means are.
        alone: share of the replaced positions whose mean is of one prompt alone, which nothing was
            taken from.
        definition: of all this.
        remarks: what is to be kept in mind.
    """

    n_layers: int
    n_pairs: int
    n_right: int
    metric_name: str
    base: Score
    waiting: tuple[Score, ...]
    accuracy: Matrix
    metric: Matrix
    level: float
    measure: str
    wait: int | None
    window: tuple[int, ...]
    transfer: tuple[int, ...]
    transfer_score: Score | None
    necessary: tuple[Dropped, ...]
    n_prompts: int
    alone: float
    definition: str
    remarks: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """What was found, in a sentence."""
        if self.wait is None:
            return (
                "No waiting suffices: kept to themselves even from layer 0 on, the other tokens "
                "do not hold what the last one needs."
            )
        waits = (
            "No token can wait"
            if self.wait == 0
            else f"All tokens can wait up to layer {self.wait - 1}"
        )
        if not self.transfer or self.transfer_score is None:
            return f"{waits}, and the last one needs to look at no other after it."
        kept, base = self.transfer_score.of(self.measure), self.base.of(self.measure)
        layers = ", ".join(map(str, self.transfer))
        word = "layer" if len(self.transfer) == 1 else "layers"
        after = self.n_layers - self.wait
        where = f"{word} {layers} only"
        if len(self.transfer) == after > 1:
            where = "all layers after it" if self.wait else "all layers"
        return (
            f"{waits}; the last one needs to look at the others in {where} "
            f"({self.measure} {kept:.3g} of {base:.3g})."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names, and the headline."""
        return {"headline": self.headline, **asdict(self)}


@dataclass(frozen=True)
class KnockoutMap:
    """What it does that one token does not see another, by layer and position.

    Attributes:
        query: which position does not see, from the end if negative.
        positions: that are not seen, from the end (-1 is the last), in the prompts' order.
        tokens: of these positions; "..." where the prompts' differ.
        n_at: how many pairs have this position before the query.
        reach: k of the windows.
        effect: [position, layer] mean over these pairs of the metric less the model's.
        accuracy: the same of the share of these pairs that are answered rightly.
        all_others: [layer] the effect of seeing none of them.
        metric_name: which metric.
        base: the model's own over all pairs.
        pair: which pair it is of; None for all.
        definition: of all this.
    """

    query: int
    positions: tuple[int, ...]
    tokens: tuple[str, ...]
    n_at: tuple[int, ...]
    reach: int
    effect: Matrix
    accuracy: Matrix
    all_others: tuple[float, ...]
    metric_name: str
    base: Score
    pair: int | None
    definition: str

    @property
    def headline(self) -> str:
        """The largest effect, in a sentence."""
        cells = [
            (value, token, position, layer)
            for token, position, row in zip(self.tokens, self.positions, self.effect, strict=True)
            for layer, value in enumerate(row)
            if value is not None
        ]
        if not cells:
            return "There is no other position to read from."
        value, token, position, layer = max(cells, key=lambda cell: abs(cell[0]))
        return (
            f"Most is read from {token!r} (position {position}) around layer {layer}: without it "
            f"the {self.metric_name} changes by {value:+.3g} from {self.base.metric:.3g}."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names, and the headline."""
        return {"headline": self.headline, **asdict(self)}


@dataclass(frozen=True)
class Rerun:
    """A run with something changed in it, beside the model's own.

    Attributes:
        metric_name: which metric.
        model, changed: how the two do, over all pairs.
        kl: KL(model || changed), mean over pairs, in nats.
        per_pair: the changed run's metric, pair by pair.
        top_model, top_changed: the likeliest next tokens with their mean probability.
    """

    metric_name: str
    model: Score
    changed: Score
    kl: float
    per_pair: tuple[float, ...]
    top_model: tuple[tuple[str, float], ...]
    top_changed: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)
