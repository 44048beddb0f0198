"""What is measured of every head, and the kinds of heads told by it. No torch.

Tables, help, the page in `docs` and the command line are made from these two lists.
"""

from __future__ import annotations

from dataclasses import dataclass

TOP = 5
"""Of the tokens that are raised most: a copied one is among them (Wang et al. 2022, 2211.00593)."""
LOWEST = 10
"""Among how many of the lowest a suppressed one has to be (McDougall et al. 2023, 2310.04625)."""
SEQUENCES, RANDOM_TOKENS = 50, 50
"""How many sequences of how many random tokens, each twice in a row, patterns are measured on."""


@dataclass(frozen=True)
class HeadColumn:
    """One number of every head.

    Attributes:
        name: as commands and files have it.
        title: over a column of the screen, 6 cells at most.
        definition: what the number is, in one sentence.
        group: what it is measured on: `patterns`, `weights` or `task`.
        digits: behind the point.
        rising: the smallest is what one looks for.
        here: what it is where it is read at one place of the task's prompts; "" by weights.
    """

    name: str
    title: str
    definition: str
    group: str
    digits: int = 2
    rising: bool = False
    here: str = ""


COLUMNS: dict[str, HeadColumn] = {
    column.name: column
    for column in (
        HeadColumn(
            "previous", "prev",
            "How much it looks at the token right before: the pattern's mean along that diagonal.",
            "patterns",
            here="How much it looks at the token right before.",
        ),
        HeadColumn(
            "duplicate", "dup",
            "How much it looks at where the same token stood before: the mean along the diagonal "
            "−T, where T random tokens are repeated once.",
            "patterns",
            here="How much it looks at where the same token stood before, in prompts where it did.",
        ),
        HeadColumn(
            "induction", "ind",
            "How much it looks at what followed the same token before: the mean along the diagonal "
            "−T+1 (Olsson et al. 2022, 2209.11895).",
            "patterns",
            here="How much it looks at what followed the same token before, in prompts where it "
            "stood before.",
        ),
        HeadColumn(
            "self", "self",
            "How much it looks at the token itself: the mean of the diagonal.",
            "patterns",
            here="How much it looks at the token itself.",
        ),
        HeadColumn(
            "first", "first",
            "How much it looks at the first position, BOS if there is one: the mean over all later "
            "positions.",
            "patterns",
            here="How much it looks at the first position, BOS if there is one.",
        ),
        HeadColumn(
            "entropy", "entr",
            "Entropy of where it looks, in nats: the mean over all positions but the first.",
            "patterns",
            rising=True,
            here="Entropy of where it looks, in nats.",
        ),
        HeadColumn(
            "distance", "dist",
            "How many positions back it looks: the mean over all positions but the first.",
            "patterns",
            digits=1,
            here="How many positions back it looks, on average.",
        ),
        HeadColumn(
            "copying", "copy",
            f"Share of the words that are among the {TOP} tokens that it raises most when it looks "
            "at them (Wang et al. 2022, 2211.00593).",
            "weights",
        ),
        HeadColumn(
            "negative", "-copy",
            f"The same with its output negated: share of the words among the {TOP} tokens that it "
            "lowers most when it looks at them.",
            "weights",
        ),
        HeadColumn(
            "carried", "carry",
            "Copying with what the last MLP makes of the head's write alone added to it, for "
            "models in which that MLP turns what heads write into logits.",
            "weights",
        ),
        HeadColumn(
            "suppression", "supp",
            f"Copy suppression, OV: share of the words whose own logit is among the {LOWEST} that "
            "it lowers most (McDougall et al. 2023, 2310.04625).",
            "weights",
        ),
        HeadColumn(
            "sought", "sought",
            "Copy suppression, QK: share of the words that, as a query of their column of the "
            "unembedding, find themselves first among the keys of all words.",
            "weights",
        ),
        HeadColumn(
            "eigenvalue", "eigen",
            "Copying by eigenvalues: Σ Re λ / Σ |λ| of the map from each token of the vocabulary "
            "to the logits, biases and the final norm's scale left out; −1 to 1 (Elhage et al. "
            "2021).",
            "weights",
        ),
        HeadColumn(
            "successor", "succ",
            "Share of the tokens of ordered sets (numbers, days, months, letters, ...) of which it "
            "raises the next most of all tokens of these sets (Gould et al. 2023, 2312.09230).",
            "weights",
        ),
        HeadColumn(
            "ordinal_copy", "same",
            "Beside the successor score: share of these tokens of which it raises the token itself "
            "most of all.",
            "weights",
        ),
        HeadColumn(
            "direct", "direct",
            "What it writes directly to the logit difference of the task's answers at the last "
            "token: the mean over the clean prompts.",
            "task",
            here="What it writes directly to the logit difference of the task's answers, read at "
            "this position.",
        ),
    )
}  # fmt: skip
"""By name, in the order in which they are shown."""

RANK = "rank"
"""The head's place among all by copying, 1 for the most; it stands beside `copying`."""


@dataclass(frozen=True)
class HeadKind:
    """A kind of head, told by one column.

    Attributes:
        mark: in a list of heads, 5 cells at most.
        name: of one such head; with an s, of several.
        column: what tells it.
        least: from which value on.
    """

    mark: str
    name: str
    column: str
    least: float


KINDS: tuple[HeadKind, ...] = (
    HeadKind("prev", "previous-token head", "previous", 0.4),
    HeadKind("dup", "duplicate-token head", "duplicate", 0.4),
    HeadKind("ind", "induction head", "induction", 0.4),
    HeadKind("copy", "copying head", "copying", 0.5),
    HeadKind("-copy", "negative copying head", "negative", 0.5),
    HeadKind("succ", "successor head", "successor", 0.5),
    HeadKind("copy", "indirect copying head", "carried", 0.5),
)
"""What a head may look like; the last tells a kind only where none before it does."""
