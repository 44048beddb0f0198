"""One pair in the table of all pairs: plain values, free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench.base.table import Table
from workbench.engine.trial_results import TokenChance


@dataclass(frozen=True)
class PairRow:
    """What the model and the circuit make of one pair.

    Attributes:
        index: of the pair, from 0.
        clean_prompt, answer: its clean prompt and its first answer.
        clean, corrupted, circuit: its metric in the model on both prompts, and in the circuit.
        shortfall: how much worse the circuit is than the model: clean - circuit, or the other way
            round of a metric that is better when small.
        faithfulness: of this pair alone; None where its two prompts hardly differ.
        model_rank, circuit_rank: of its best answer in the vocabulary, 1 for the likeliest; of
            several with the same logit all have the best rank; 0 where it has no answer.
        model_top, circuit_top: the likeliest token of each.

    Glossary: docs/glossary.md#shortfall.
    """

    index: int
    clean_prompt: str
    answer: str
    clean: float
    corrupted: float
    circuit: float
    shortfall: float
    faithfulness: float | None
    model_rank: int
    circuit_rank: int
    model_top: TokenChance
    circuit_top: TokenChance

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)


COLUMNS = (
    *("pair", "shortfall", "model", "circuit", "corrupted", "faithfulness", "rank_in_model"),
    *("rank_in_circuit", "top_in_model", "p_in_model", "top_in_circuit", "p_in_circuit"),
    *("answer", "clean_prompt"),
)


def table_of_pairs(rows: Sequence[PairRow]) -> Table:
    """All values of some pairs, in this order."""
    values = tuple(
        (
            *(row.index + 1, row.shortfall, row.clean, row.circuit, row.corrupted),
            *(row.faithfulness, row.model_rank, row.circuit_rank),
            *(row.model_top.text, row.model_top.probability),
            *(row.circuit_top.text, row.circuit_top.probability, row.answer, row.clean_prompt),
        )
        for row in rows
    )
    return Table("pairs in model and circuit", COLUMNS, values)
