"""The norm before the unembedding with its scale frozen, so that what it is given may be split.

A norm is linear once its scale is held at the value of a run's residual r [..., d_model]:
LayerNorm(x) = (x - mean(x)) / sqrt(var(r) + eps) * weight + bias, and RMSNorm(x) = x /
sqrt(mean(r^2) + eps) * weight. What each node writes can then be read on its own, and the parts
sum to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class FrozenNorm:
    """A norm in pieces, all in float32.

    Attributes:
        centred: it subtracts the mean (LayerNorm).
        weight: [d_model]; bias: [d_model] or None.
        eps: added to the variance or mean square.
    """

    centred: bool
    weight: Tensor
    bias: Tensor | None
    eps: float

    @classmethod
    def of(cls, norm: nn.Module) -> FrozenNorm:
        """The pieces of a LayerNorm's or RMSNorm's module.

        Raises:
            WorkbenchError: if it is neither, or does more than the formulas above.
        """
        weight = getattr(norm, "weight", None)
        eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
        if not isinstance(weight, Tensor) or eps is None:
            raise WorkbenchError(
                f"The final norm ({type(norm).__name__}) is neither a LayerNorm nor an RMSNorm; "
                "readouts through it would not be exact."
            )
        bias = getattr(norm, "bias", None)
        frozen = cls(
            centred=isinstance(norm, nn.LayerNorm),
            weight=weight.detach().float(),
            bias=bias.detach().float() if isinstance(bias, Tensor) else None,
            eps=float(eps),
        )
        frozen._check(norm)
        return frozen

    def _check(self, norm: nn.Module) -> None:
        """Hold the formula to the module on one vector, so that a variant is not misread."""
        weight = self.weight
        probe = torch.linspace(-1.0, 2.0, weight.shape[0], device=weight.device)
        with torch.no_grad():
            theirs = norm(probe.to(next(norm.parameters()).dtype)[None, None])[0, 0].float()
        ours = self.centre(probe) * self.scale(probe) * weight
        ours = ours if self.bias is None else ours + self.bias
        # Half precision in the module leaves a hundredth; a wrong formula is off by a multiple.
        if float((ours - theirs).abs().max()) > 0.05 * float(theirs.abs().max()):
            raise WorkbenchError(
                f"The final norm ({type(norm).__name__}) does more than a LayerNorm or RMSNorm; "
                "readouts through it would not be exact."
            )

    def centre(self, x: Tensor) -> Tensor:
        """x [..., d_model] less its mean over d_model if this is a LayerNorm; in float32."""
        x = x.float()
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def scale(self, residual: Tensor) -> Tensor:
        """The factor [..., 1] on the residual [..., d_model] of a run."""
        return torch.rsqrt(self.centre(residual).square().mean(-1, keepdim=True) + self.eps)
