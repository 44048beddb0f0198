"""Changes of what components write: affine maps of their values, position by position.

A component's value x becomes factor * x + offset. Every tensor of the engine ends with the last
position of the prompts, so of n positions the last n of an edit are taken. A factor is the same for
all pairs; an offset may differ from pair to pair. In differences of two runs offsets cancel, so
that only recorded runs need them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from workbench.base.transfers import kept_index
from workbench.transformer.torch_modules import children, with_children

Pairs = slice | Tensor
"""Some of the pairs: a slice, or indices, which may repeat."""


@dataclass(frozen=True)
class ValueEdit:
    """The change of an MLP's output, of the embedding, or of neurons.

    Attributes:
        factor: [position, width or 1].
        offset: [pair or 1, position, width]; None for nothing.
    """

    factor: Tensor
    offset: Tensor | None = None

    def apply(self, x: Tensor) -> Tensor:
        """The changed values of x [row, position, width].

        Rows are pairs, or pairs with several alternatives each, one pair after the other.
        """
        n = x.shape[-2]
        x = x * self.factor[-n:]
        if self.offset is None:
            return x
        offset = self.offset[:, -n:]
        if len(offset) > 1 and len(offset) != len(x):
            offset = offset.repeat_interleave(len(x) // len(offset), 0)
        return x + offset

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient before the change of one after it, [row, position, width]."""
        return gradient * self.factor[-gradient.shape[-2] :]

    def of_pairs(self, pairs: Pairs) -> ValueEdit:
        """The same of some of the pairs."""
        if self.offset is None or len(self.offset) == 1:
            return self
        return replace(self, offset=self.offset[pairs])


@dataclass(frozen=True)
class HeadEdit:
    """The change of heads' values before W_O, and what is written beside them.

    Attributes:
        factor: [head, position, 1].
        offset: [head, pair or 1, position, d_head]; None for nothing.
        added: [position, d_model], written together with the output bias; None for nothing.
    """

    factor: Tensor
    offset: Tensor | None = None
    added: Tensor | None = None

    def apply(self, z: Tensor, heads: list[int] | None = None) -> Tensor:
        """The changed values of some heads (None: all).

        Args:
            z: [head, pair, alternative, position, d_head].
        """
        n = z.shape[-2]
        factor = (
            self.factor
            if heads is None
            else self.factor[kept_index(tuple(heads), self.factor.device)]
        )
        z = z * factor[:, None, None, -n:]
        if self.offset is None:
            return z
        offset = (
            self.offset
            if heads is None
            else self.offset[kept_index(tuple(heads), self.offset.device)]
        )
        return z + offset[:, :, None, -n:]

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient before the change of one after it, [head, pair, ..., position, d_head]."""
        n = gradient.shape[-2]
        return gradient * self.factor[:, None, None, -n:]

    def write(self, summed: Tensor) -> Tensor:
        """What all heads write together [..., position, d_model], with what is written beside."""
        return summed if self.added is None else summed + self.added[-summed.shape[-2] :]

    def of_pairs(self, pairs: Pairs) -> HeadEdit:
        """The same of some of the pairs."""
        if self.offset is None or self.offset.shape[1] == 1:
            return self
        return replace(self, offset=self.offset[:, pairs])


@dataclass(frozen=True)
class Copies:
    """What of a node's output stands in the blocks beside the residual, see `edge_edits`.

    Attributes:
        factors: of each block.
    """

    factors: tuple[float, ...]

    def apply(self, x: Tensor) -> Tensor:
        """Outputs [..., d_model] with their blocks behind them."""
        return torch.cat([x, *(x * factor for factor in self.factors)], dim=-1)

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient before that of one after it."""
        main, *blocks = gradient.chunk(1 + len(self.factors), dim=-1)
        for block, factor in zip(blocks, self.factors, strict=True):
            if factor:
                main = main + block * factor
        return main


class EditedEmbedding:
    """A token embedding whose output is changed."""

    def __init__(self, embedding: object, edit: ValueEdit) -> None:
        self.embedding = embedding
        self.edit = edit

    def __call__(self, tokens: Tensor) -> Tensor:
        """What `input` writes for tokens [pair, position], changed."""
        return self.edit.apply(self.embedding(tokens))  # type: ignore[operator]


class EditedLinear(nn.Module):
    """The last linear map of an MLP, which changes what it is given: the neurons."""

    def __init__(self, linear: nn.Module, edit: ValueEdit) -> None:
        super().__init__()
        self.linear = linear
        self.edit = edit

    def forward(self, x: Tensor) -> Tensor:
        """What the map makes of the changed neurons [..., position, neuron]."""
        shape = x.shape
        out: Tensor = self.linear(self.edit.apply(x.reshape(-1, *shape[-2:])).view(shape))
        return out


def has_edited_linear(module: nn.Module) -> bool:
    """Whether an intervention is done to the neurons of this MLP."""
    return any(isinstance(part, EditedLinear) for part in module.modules())


def with_linear_of_pairs(module: nn.Module, pairs: Pairs) -> nn.Module:
    """An MLP with the edit of its neurons being that of some of the pairs.

    The module itself where the edit is the same for all pairs, or there is none.
    """
    if isinstance(module, EditedLinear):
        edit = module.edit.of_pairs(pairs)
        return module if edit is module.edit else EditedLinear(module.linear, edit)
    before = children(module)
    after = {
        name: None if child is None else with_linear_of_pairs(child, pairs)
        for name, child in before.items()
    }
    if all(after[name] is child for name, child in before.items()):
        return module
    changed: nn.Module = with_children(module, after)
    return changed
