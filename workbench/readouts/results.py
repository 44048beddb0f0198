"""The readouts as they go to a screen or a script: plain frozen values.

No torch, no computing. Tokens are the tokenizer's own text of one token, unescaped: whoever shows
one has to escape markup, strip control characters and make spaces visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.readouts.target import Target

POSITION_EMBEDDING = "position embedding"
"""Row of a `DirectAttribution` for learned position embeddings, which belong to no node."""

BIASES = "biases"
"""Row of a `DirectAttribution` for the attention output biases and the final norm's bias."""

UNEMBEDDING_BIAS = "unembedding bias"
"""Row of an `DirectAttribution` for the bias of the unembedding, if the model has one."""


@dataclass(frozen=True)
class TokenValue:
    """A token of the vocabulary with a centred logit, or in a residual lens a probability."""

    token: str
    id: int
    value: float


Position = int | str
"""From the end of a prompt if negative, else from its start; or a role: its last token."""


def position_words(position: Position) -> str:
    """Where that is, in a heading: 'at the last token', 'at the 3rd last token', 'at END'."""
    if isinstance(position, str):
        return f"at {position}"
    if position == -1:
        return "at the last token"
    if position >= 0:
        return f"at the {ordinal(position + 1)} token"
    return f"at the {ordinal(-position)} last token"


def ordinal(number: int) -> str:
    """A number as a place in a row: '1st', '22nd', '11th'."""
    teens = 10 < number % 100 < 14
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


@dataclass(frozen=True)
class Place:
    """Which activation a readout has read.

    Attributes:
        node: `input`, a head, an MLP or `logits`, by its name in the graph.
        position: as asked for: from the end if negative, else from the start; or the role.
        pair: the prompt's number, or None for the mean over all pairs.
        n_pairs: how many pairs were averaged (1 for a single one): of a role those that have it.
        run: one of `RUNS`.
        token: the token at that position, for a single pair; else None.
        target: what was asked about in place of the task's own answers; None: these.
    """

    node: str
    position: Position
    pair: int | None
    n_pairs: int
    run: str = "clean"
    token: str | None = None
    target: Target | None = None


@dataclass(frozen=True)
class Lens:
    """What a node writes, as logits.

    Attributes:
        promoted: the k tokens it raises most, highest first.
        suppressed: the k tokens it lowers most, lowest first.
        answers: its mean over the pairs' answers (centred logit).
        wrong_answers: the same over the wrong answers.
        definition: one sentence, for the screen.
        lens: which lens it is, for a heading.
    """

    place: Place
    promoted: tuple[TokenValue, ...]
    suppressed: tuple[TokenValue, ...]
    answers: float
    wrong_answers: float
    definition: str
    lens: str = "Logit lens"


@dataclass(frozen=True)
class Contribution:
    """One row of a `DirectAttribution`: a source of the graph, or one of the constants above."""

    node: str
    value: float


@dataclass(frozen=True)
class DirectAttribution:
    """Direct contribution of every node to a difference of logits; the rows sum to `total`.

    Attributes:
        rows: in the order of the graph's sources; then, where the model has them,
            `POSITION_EMBEDDING`, `BIASES` and `UNEMBEDDING_BIAS`.
        total: the run's logit difference (mean over pairs, or the pair's), from its logits.
        place: of the whole readout: its node is `logits`.
        definition: one sentence, for the screen.
    """

    rows: tuple[Contribution, ...]
    total: float
    place: Place
    definition: str

    def value(self, node: str) -> float:
        """The contribution of one node. Raises KeyError for a name without a row."""
        for row in self.rows:
            if row.node == node:
                return row.value
        raise KeyError(node)

    def rank(self, node: str) -> int:
        """Place of a node among all rows by absolute contribution: 1 is the largest."""
        size = abs(self.value(node))
        return 1 + sum(abs(row.value) > size for row in self.rows)

    def ranked(self) -> tuple[Contribution, ...]:
        """The rows by absolute contribution, largest first."""
        return tuple(sorted(self.rows, key=lambda row: -abs(row.value)))


@dataclass(frozen=True)
class AnswerCurve:
    """A node's lens over the task's answer space: the hundred years, the verbs, the names.

    Attributes:
        labels: the answer space, in the task's order.
        values: centred logit of each label's token.
        answers: share of the pairs in which the label is an answer (0 or 1 for a single pair).
        wrong_answers: share of the pairs in which it is a wrong answer.
        probabilities: what the run itself says there: the softmax of its logits over the labels
            alone, mean over the pairs; () where they were not asked for.
    """

    place: Place
    labels: tuple[str, ...]
    values: tuple[float, ...]
    answers: tuple[float, ...]
    wrong_answers: tuple[float, ...]
    definition: str
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class AttentionPattern:
    """A head's attention pattern.

    Attributes:
        tokens: of the prompt; for a mean over pairs the names of roles.
        weights: float32 [query, key]; a row sums to 1 (less for models with attention sinks).
        row_at: the row of each position of the prompt; of the first pair's for a mean.
        by_role: rows and columns are roles.
    """

    place: Place
    tokens: tuple[str, ...]
    weights: np.ndarray
    definition: str
    row_at: tuple[int, ...]
    by_role: bool = False


@dataclass(frozen=True)
class ResidualRow:
    """The lens of the residual stream at one depth.

    Attributes:
        name: `embeddings`, `layer 0`, ...: after which the residual was read.
        layer: -1 for the embeddings, else the layer's number.
        top: the most probable tokens, each with its probability (mean over pairs).
        logit_difference: mean logit of the answers less that of the wrong answers.
        metric: the task's own metric of these logits; after the last layer, that of the run.
    """

    name: str
    layer: int
    top: tuple[TokenValue, ...]
    logit_difference: float
    metric: float


@dataclass(frozen=True)
class ResidualLens:
    """What the model would say if it stopped after each layer: rows from the embeddings on.

    `lens` says which lens it is, for a heading.
    """

    place: Place
    rows: tuple[ResidualRow, ...]
    definition: str
    lens: str = "Residual lens"
