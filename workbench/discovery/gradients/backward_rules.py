"""Backward rules: where a gradient is taken otherwise than by calculus.

The forward pass is as it is. `PLAIN` is calculus. `discovery/methods/gim.py` and
`discovery/methods/relp.py` define the others.

Glossary: docs/glossary.md#backward-rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.transformer.attention import Softmax, plain_softmax


@dataclass(frozen=True)
class Rules:
    """How a backward pass goes through the parts of a block.

    Attributes:
        frozen_norms: every norm's scale counts as a constant: those of the residual, those after
            attention and MLP, those of queries and keys, and the final one. What a norm subtracts
            (the mean) is not a scale and is followed.
        softmax: of the attention scores; another one differs in its slope only.
        query_key, value: factors on the gradients that reach queries and keys, and values.
        product: factor on the gradients that reach the two sides of a gated MLP's product.
        ratio: an activation counts as a constant factor act(x) / x, not by its slope.
    """

    frozen_norms: bool = False
    softmax: Softmax = plain_softmax
    query_key: float = 1.0
    value: float = 1.0
    product: float = 1.0
    ratio: bool = False

    @property
    def into_mlps(self) -> bool:
        """Whether they concern what an MLP does inside."""
        return self.product != 1 or self.ratio


PLAIN = Rules()
