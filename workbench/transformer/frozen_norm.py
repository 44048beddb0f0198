"""The norm before the unembedding with its scale frozen, so that its input may be split.

A norm is linear once its scale is held at the value of a run's residual r [..., d_model]:
LayerNorm(x) = (x - mean(x)) / sqrt(var(r) + eps) * weight + bias, and RMSNorm(x) = x /
sqrt(mean(r^2) + eps) * weight. What each node writes can then be read on its own, and the parts
sum to the whole. Modules spell this differently: some multiply by 1 + w (Gemma), some have no
weight (OLMo 1), and whether they centre is not to be seen from outside; so each formula is tried,
and the one that the module computes is taken.

Glossary: docs/glossary.md#frozen-norm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.errors import WorkbenchError
from workbench.transformer.edge_edits import Parted, Reading

CHANGED = (
    "An intervention changes edges into this layer, or of heads behind a norm, so that what is "
    "read here is no one sum that could be split: take it back to see this."
)
# Of a norm that does not tell: OLMo 1 has it written into its formula.
USUAL_EPS = 1e-5
# Half precision in the module leaves a hundredth; a wrong formula is off by a multiple.
TOLERANCE = 0.05


@dataclass(frozen=True)
class FrozenNorm:
    """A norm in pieces, all in float32.

    Attributes:
        centred: it subtracts the mean (LayerNorm).
        weight: [d_model], or one number; bias: [d_model] or None.
        eps: added to the variance or mean square.
        reading: what the norm sees of a residual with blocks beside it, where edges carry something
            else; None without.
    """

    centred: bool
    weight: Tensor
    bias: Tensor | None
    eps: float
    reading: Reading | None = None

    @classmethod
    def of(cls, norm: nn.Module) -> FrozenNorm:
        """The pieces of a LayerNorm's or RMSNorm's module.

        Raises:
            WorkbenchError: if it is neither, or does more than the formulas above.
        """
        if isinstance(norm, Reading):
            if len(norm.sets) > 1 or (norm.sets[0] and not norm.last):
                raise WorkbenchError(CHANGED)
            return replace(cls.of(norm.norm), reading=norm)
        if isinstance(norm, Parted):
            raise WorkbenchError(CHANGED)
        own: Tensor | None = getattr(norm, "weight", None)
        eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
        shape = tuple(getattr(norm, "normalized_shape", ()) if own is None else own.shape)
        if len(shape) != 1 or (eps is None and own is not None):
            raise WorkbenchError(
                f"The final norm ({type(norm).__name__}) is neither a LayerNorm nor an RMSNorm; "
                "readouts through it would not be exact."
            )
        bias = getattr(norm, "bias", None)
        weights = [torch.ones(())]
        if own is not None:
            weights = [wide(own.detach()), 1 + wide(own.detach())]
        candidates = [
            cls(
                centred=centred,
                weight=weight,
                bias=wide(bias.detach()) if isinstance(bias, Tensor) else None,
                eps=USUAL_EPS if eps is None else float(eps),
            )
            for centred, weight in product((False, True), weights)
        ]
        every = torch.stack([frozen._error(norm, shape[0]) for frozen in candidates])
        errors = array_of(every).tolist()
        least = min(errors)
        if not least <= TOLERANCE:
            raise WorkbenchError(
                f"The final norm ({type(norm).__name__}) does more than a LayerNorm or RMSNorm; "
                "readouts through it would not be exact."
            )
        return candidates[errors.index(least)]

    def _error(self, norm: nn.Module, d_model: int) -> Tensor:
        """How far the formula is from the module on two vectors, a small one because of eps."""
        like = next(norm.parameters(), torch.ones(()))
        ramp = torch.linspace(-1.0, 2.0, d_model, device=like.device)
        probes = torch.stack((ramp, 3e-3 * ramp))
        with torch.no_grad():
            theirs = wide(norm(probes.to(like.dtype)[None])[0])
        ours = self.centre(probes) * self.scale(probes) * self.weight
        ours = ours if self.bias is None else ours + self.bias
        return (ours - theirs).abs().max() / theirs.abs().max()

    def centre(self, x: Tensor) -> Tensor:
        """x [..., d_model] less its mean over d_model if this is a LayerNorm; in float32."""
        if self.reading is not None and x.shape[-1] != self.reading.width:
            x = self.reading.read(x)[0]
        x = wide(x)
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def wider(self, reading: Tensor) -> Tensor:
        """What reads a residual with blocks beside it as `reading` [..., d_model] reads the sum."""
        return reading if self.reading is None else self.reading.direction(reading)

    def scale(self, residual: Tensor) -> Tensor:
        """The factor [..., 1] on the residual [..., d_model] of a run."""
        return torch.rsqrt(self.centre(residual).square().mean(-1, keepdim=True) + self.eps)
