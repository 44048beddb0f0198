"""What model and circuit go on with from a prompt: plain frozen values, free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from workbench.base.table import Cell, Table
from workbench.engine.trial_results import TokenChance

DEFINITION = (
    "Each next token is the likeliest one (greedy). The circuit's is read from its output on the "
    "prompt and what it has gone on with so far, everything outside it {instead}."
)
PATCHED = "patched from the corrupted prompt, which is gone on with the circuit's own tokens"
CONSTANT = "ablated ({ablation}) at every position"


@dataclass(frozen=True)
class Continuation:
    """What model and circuit each go on with, token by token.

    Attributes:
        prompt: the clean prompt's tokens.
        corrupted: the corrupted one's; empty where nothing is read of one.
        ablation: what stands outside the circuit.
        top: the model's likeliest tokens right after the prompt, falling.
        model, circuit: the tokens gone on with, each with its chance when it was chosen; `circuit`
            is None without one. Either ends early after the tokenizer's end of text.
        definition: how they were found, for the screen.

    Glossary: docs/glossary.md#continuation.
    """

    prompt: tuple[str, ...]
    corrupted: tuple[str, ...]
    ablation: str
    top: tuple[TokenChance, ...]
    model: tuple[TokenChance, ...]
    circuit: tuple[TokenChance, ...] | None
    definition: str

    @property
    def shared(self) -> int | None:
        """How many tokens both begin with; None without a circuit."""
        if self.circuit is None:
            return None
        ids = zip(self.model, self.circuit, strict=False)
        pairs = [one.token == other.token for one, other in ids]
        return pairs.index(False) if False in pairs else len(pairs)

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self) | {"shared": self.shared}

    def table(self) -> Table:
        """One row a token, the model's and the circuit's side by side."""
        sides = [self.model, *([] if self.circuit is None else [self.circuit])]
        columns = ["step"]
        for name, _ in zip(("model", "circuit"), sides, strict=False):
            columns += [f"{name}_token", f"{name}_id", f"{name}_p"]
        rows: list[tuple[Cell, ...]] = []
        for step in range(max(map(len, sides))):
            row: list[Cell] = [step + 1]
            for side in sides:
                if step < len(side):
                    row += [side[step].text, side[step].token, side[step].probability]
                else:
                    row += [None, None, None]
            rows.append(tuple(row))
        return Table("what model and circuit go on with", tuple(columns), tuple(rows))
