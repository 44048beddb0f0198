"""Direct logit attribution: how much of the logit difference each component writes itself.

With u = mean W_U[:, answers] - mean W_U[:, wrong answers] of a pair, a node that wrote x at the
last position contributes

    norm(x; frozen scale) . u ,

the final norm being linear once its scale is held at the run's own (see `frozen_norm`), times the
factor that some families put on their logits. Where logits are softly capped at last (Gemma 2), it
is the difference of the logits before the cap that is attributed, since the cap is not linear. The
contributions of all nodes, of the position embedding, of the attention output and final-norm
biases and of the unembedding bias sum exactly to the run's logit difference. It is the *direct*
effect: what later components make of the node's output is theirs (Elhage et al. 2021; McGrath et
al. 2023 for direct and total effects).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.circuits.graph import LOGITS
from workbench.circuits.names import head_name, mlp_name
from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, activations, mean_columns, place_of
from workbench.readouts.results import (
    BIASES,
    POSITION_EMBEDDING,
    UNEMBEDDING_BIAS,
    Contribution,
    DirectAttribution,
)
from workbench.transformer.forward import uncapped_logits
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

DEFINITION = (
    "Mean logit of the answers minus mean logit of the wrong answers that each node writes "
    "directly, at the last position, through the final norm with the run's scale (frozen); "
    "the rows sum to the run's logit difference."
)
UNCAPPED = " Logits are those before the model's soft cap."


def direct_logit_attribution(
    experiment: Experiment, *, pair: int | None = None, run: str = "clean"
) -> DirectAttribution:
    """The contribution of every source of the graph to the logit difference.

    Args:
        experiment: model, batch and recorded runs.
        pair: a pair's number, or None for the mean over all pairs.
        run: `clean` or `corrupted`; the corrupted run's contributions sum to the corrupted metric.

    Raises:
        WorkbenchError: if there is no such pair or run, or pairs have no answers.
    """
    selections = activations(experiment, pair=pair, run=run)
    if not all(
        right and wrong for s in selections for right, wrong in zip(*s.answers(), strict=True)
    ):
        raise WorkbenchError(
            "Attribution splits up the logit difference between answers and wrong answers, which "
            "some of these pairs lack: give every pair both."
        )
    n_pairs = sum(len(s.rows) for s in selections)
    sums = [_contributions(s) for s in selections]
    rows = {name: sum(float(s[name].sum()) for s in sums) / n_pairs for name in sums[0]}
    capped = experiment.model.parts.logit_cap is not None
    total = sum(float(_logit_difference(s).sum()) for s in selections) / n_pairs
    return DirectAttribution(
        rows=tuple(Contribution(name, value) for name, value in rows.items()),
        total=total,
        place=place_of(experiment, LOGITS, -1, pair, run),
        definition=DEFINITION + (UNCAPPED if capped else ""),
    )


def _contributions(selection: Activations) -> dict[str, Tensor]:
    """Every row's contribution [pair], for the pairs of one group, in the rows' order."""
    parts = selection.parts
    norm = FrozenNorm.of(parts.norm_final)
    scale = norm.scale(selection.output(LOGITS))
    right, wrong = selection.answers()
    direction = mean_columns(parts.w_u, right) - mean_columns(parts.w_u, wrong)
    direction = direction * parts.logit_scale
    # Weighting and centring are moved from what is written onto the direction that reads it.
    reading = norm.centre(direction * norm.weight) * scale

    def read(x: Tensor) -> Tensor:
        return (x.float() * reading).sum(-1)

    rows = {"input": read(selection.output("input"))}
    biases = torch.zeros_like(reading[:, 0])
    biased = norm.bias is not None
    for index, layer in enumerate(parts.layers):
        attention = layer.attention
        of_heads, after = reading, selection.after_attention(index)
        if after is not None:  # what reads a head through the norm that follows it
            norm_after, scale_after = after
            of_heads = norm_after.centre(reading * norm_after.weight) * scale_after
            if norm_after.bias is not None:
                biases, biased = biases + reading @ norm_after.bias, True
        by_head = torch.einsum("hem,pm->hpe", attention.w_o.float(), of_heads)
        values = (selection.heads(index).float() * by_head).sum(-1) * attention.multiplier
        rows |= {head_name(index, head): value for head, value in enumerate(values)}
        mlp = mlp_name(index)
        rows[mlp] = read(selection.output(mlp))
        if attention.b_o is not None:
            bias = attention.b_o.float() * attention.multiplier
            biases, biased = biases + of_heads @ bias, True
    if parts.position_embedding is not None:
        rows[POSITION_EMBEDDING] = read(selection.residual(0) - selection.output("input"))
    if biased:
        own = 0.0 if norm.bias is None else direction @ norm.bias
        rows[BIASES] = biases + own
    if parts.b_u is not None:
        b_u = parts.b_u[None] * parts.logit_scale
        rows[UNEMBEDDING_BIAS] = (mean_columns(b_u, right) - mean_columns(b_u, wrong))[:, 0]
    return rows


def _logit_difference(selection: Activations) -> Tensor:
    """The logit difference [pair] from the run's own logits, nothing frozen or taken apart."""
    logits = uncapped_logits(selection.parts, selection.output(LOGITS)).float()
    right, wrong = selection.answers()

    def mean(ids: list[tuple[int, ...]]) -> Tensor:
        return torch.stack([row[list(i)].mean() for row, i in zip(logits, ids, strict=True)])

    return mean(right) - mean(wrong)
