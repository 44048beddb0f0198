"""Fitting a Jacobian lens: the mean slope of the last residual by earlier ones.

A prompt is run once for some copies of it side by side. Each backward pass then asks, in each copy,
for one component of the last residual, summed over the positions that count: its gradient at
position p is the sum over q >= p of d h_final[q] / d h_l[p], for all depths l at once. The mean
over the positions p is that prompt's row of J_l. The positions that count are all but the first
few, where attention gathers whatever the text is, and the last, which nothing follows.

Sums over prompts are kept in float32, and may be taken up again where a fit was broken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.base.failures import memory_errors
from workbench.base.numbers import wide
from workbench.base.transfers import on_host, uploaded
from workbench.base.work import Work
from workbench.errors import WorkbenchError
from workbench.models.model import Model
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.transformer.forward import embed, run_heads, write_heads
from workbench.transformer.parts import ModelParts

SKIP = 16
"""First positions of a prompt that are left out, unless told otherwise, as published lenses do."""
LENGTH = 128
"""Tokens of a prompt that are read at most."""
ROWS_TOKENS = 1024
"""Tokens of all copies of a prompt together: a backward pass of a few seconds for SmolLM2 on a CPU,
so that Ctrl-C is heard; more are no faster there."""
NO_MEMORY = "There is not enough memory to fit the lens: use shorter prompts (--length)."


@dataclass
class Sums:
    """What a fit has come to.

    Attributes:
        matrices: by depth, the sum over the prompts done of each one's [d_model, d_model].
        n_prompts: how many prompts are in it.
    """

    matrices: dict[int, Tensor] = field(default_factory=dict)
    n_prompts: int = 0

    def lens(self, model: Model) -> JacobianLens:
        """The lens of the prompts done. Raises WorkbenchError if there are none."""
        if not self.n_prompts:
            raise WorkbenchError("No prompt is done yet, so there is no lens.")
        parts = model.parts
        means = {depth: total / self.n_prompts for depth, total in self.matrices.items()}
        layers = len(parts.layers)
        return JacobianLens(means, parts.d_model, self.n_prompts, layers, model.name)


def usable(prompts: Sequence[Sequence[int]], skip: int, length: int) -> list[list[int]]:
    """The prompts as they are read: cut to so many tokens, those without a position left out."""
    cut = [list(prompt[:length]) for prompt in prompts]
    return [prompt for prompt in cut if len(prompt) >= skip + 2]


def fitting(
    model: Model, prompts: Sequence[Sequence[int]], sums: Sums, *, skip: int = SKIP
) -> Work[Sums]:
    """Add prompts to the sums of a fit, in pieces of one backward pass.

    Args:
        prompts: token ids of each; every one has more than `skip` + 1 tokens. Those that `sums` has
            already are passed over.
        sums: what a fit has come to before; it is changed only when a prompt is done.
        skip: how many positions at the beginning do not count.

    Raises:
        WorkbenchError: a prompt is too short, the slopes are not finite, or memory runs out.
    """
    for number in range(sums.n_prompts, len(prompts)):
        tokens = uploaded(prompts[number], model.device)
        if len(tokens) < skip + 2:
            raise WorkbenchError(
                f"Prompt {number + 1} has {len(tokens)} tokens, and a lens that skips {skip} needs "
                f"{skip + 2}: skip fewer, or leave it out."
            )
        with memory_errors(NO_MEMORY):
            found = yield from _of_prompt(model.parts, tokens, skip, number, len(prompts))
        if not all(bool(matrix.isfinite().all()) for matrix in found.values()):
            raise WorkbenchError(
                f"The slopes of prompt {number + 1} are not finite: leave it out, or fit in "
                "another --dtype."
            )
        for depth, matrix in found.items():
            sums.matrices[depth] = sums.matrices[depth] + matrix if sums.n_prompts else matrix
        sums.n_prompts += 1
    return sums


def _of_prompt(
    parts: ModelParts, tokens: Tensor, skip: int, number: int, n_prompts: int
) -> Work[dict[int, Tensor]]:
    """The matrices of one prompt, tokens [position], by depth; all but the identity's."""
    n, d_model = len(tokens), parts.d_model
    copies = max(1, min(d_model, ROWS_TOKENS // n))
    counted = slice(skip, n - 1)
    with torch.enable_grad():
        residuals = _residuals(parts, tokens.expand(copies, n))
    *earlier, final = residuals
    found = {depth: torch.zeros(d_model, d_model) for depth in range(len(earlier))}
    for first in range(0, d_model, copies):
        rows = range(first, min(first + copies, d_model))
        asked = torch.zeros_like(final)
        for copy, row in enumerate(rows):
            asked[copy, counted, row] = 1
        last = rows.stop == d_model
        slopes = torch.autograd.grad(final, earlier, asked, retain_graph=not last)
        for depth, slope in enumerate(slopes):
            found[depth][rows.start : rows.stop] = on_host(
                wide(slope[: len(rows), counted]).mean(1)
            )
        yield (number + rows.stop / d_model) / n_prompts
    return found


def _residuals(parts: ModelParts, tokens: Tensor) -> list[Tensor]:
    """Residuals [copy, position, d_model] before each block and after the last."""
    _, residual = embed(parts, tokens, 0)
    residual = residual.detach().requires_grad_()
    rotary = parts.rotations(torch.arange(tokens.shape[1]))
    residuals = [residual]
    for index, layer in enumerate(parts.layers):
        z = run_heads(layer, residual[:, None], rotary[index], None)[3]
        after = residual + layer.after_attention(write_heads(layer, z)[:, 0])
        residual = after + layer.run_mlp(residual if parts.parallel else after)
        residuals.append(residual)
    return residuals
