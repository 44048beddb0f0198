"""Direct logit attribution: how much of the logit difference each component writes itself.

With u = mean W_U[:, answers] - mean W_U[:, wrong answers] of a pair, a node that wrote x at the
position that is read contributes

    norm(x; frozen scale) . u ,

the final norm being linear once its scale is held at the run's own (see `frozen_norm`), times the
factor that some families put on their logits. Where logits are softly capped at last (Gemma 2), it
is the difference of the logits before the cap that is attributed, since the cap is not linear. The
contributions of all nodes, of the position embedding, of the attention output and final-norm
biases and of the unembedding bias sum exactly to the run's logit difference. It is the *direct*
effect: what later components make of the node's output is theirs (Elhage et al. 2021; McGrath et
al. 2023 for direct and total effects). Asked about one token alone, u is its column less the mean
of all, and a row is that token's value in the node's logit lens. In a circuit, what is read of a
node is what the logits read of it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index
from workbench.circuits.graph import LOGITS
from workbench.circuits.names import head_name, mlp_name
from workbench.errors import WorkbenchError
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    difference_note,
    each_run,
    mean_columns,
    place_of,
)
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.results import (
    BIASES,
    POSITION_EMBEDDING,
    UNEMBEDDING_BIAS,
    Contribution,
    DirectAttribution,
    Position,
)
from workbench.readouts.target import Target
from workbench.transformer.forward import uncapped_logits
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

READ = "through the final norm with the run's scale (frozen); the rows sum to the run's own."
DEFINITION = (
    f"Mean logit of the answers minus mean logit of the wrong answers that each node writes "
    f"directly, {READ}"
)
UNCAPPED = " Logits are those before the model's soft cap."
IN_CIRCUIT = (
    " In the circuit a node counts with what the logits read of it: without a kept edge into them, "
    "with what takes its place."
)


def direct_logit_attribution(
    experiment: Experiment,
    *,
    position: Position = -1,
    pair: int | None = None,
    run: RunChoice = "clean",
    target: Target | None = None,
) -> DirectAttribution:
    """The contribution of every source of the graph to the logit difference.

    Args:
        experiment: model, batch and recorded runs.
        position: from the end of each prompt if negative, else from its start; or a role.
        pair: a pair's number, or None for the mean over all pairs.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`. The corrupted run's
            contributions sum to the corrupted metric, if that is the logit difference.
        target: what is asked about in place of the answers; see `readouts.target.find_target`.

    Raises:
        WorkbenchError: if there is no such pair, position or run, or pairs have no answers.
    """
    sums: dict[str, list[Tensor]] = {}
    for sign, read in each_run(experiment, run, position=position, pair=pair, target=target):
        selections = [selection.read_by_logits() for selection in read]
        _check_answers(selections, target)
        share = sign / sum(len(s.rows) for s in selections)
        for selection in selections:
            for name, values in _contributions(selection).items():
                sums.setdefault(name, []).append(share * values.sum().double())
            sums.setdefault("", []).append(share * _logit_difference(selection).sum().double())
    read_out = array_of(torch.stack([torch.stack(each).sum() for each in sums.values()]))
    rows = dict(zip(sums, read_out.tolist(), strict=True))
    total = rows.pop("")
    return DirectAttribution(
        rows=tuple(Contribution(name, value) for name, value in rows.items()),
        total=total,
        place=place_of(experiment, LOGITS, position, pair, run, target),
        definition=_definition(experiment, run, target),
    )


def _check_answers(selections: list[Activations], target: Target | None) -> None:
    """Refuse pairs that lack what is asked about; a token alone is against all of them."""
    alone = target is not None and target.is_alone
    every = (row for s in selections for row in zip(*s.answers(), strict=True))
    if not all(right and (wrong or alone) for right, wrong in every):
        raise WorkbenchError(
            "Attribution splits up the logit difference between answers and wrong answers, which "
            "some of these pairs lack: give every pair both, or name a target token."
        )


def _definition(experiment: Experiment, run: RunChoice, target: Target | None) -> str:
    said = DEFINITION
    if target is not None:
        said = f"Mean logits, {target.words}, that each node writes directly, {READ}"
    if experiment.model.parts.logit_cap is not None:
        said += UNCAPPED
    return said + difference_note(run) + (IN_CIRCUIT if isinstance(run, InCircuit) else "")


def _contributions(selection: Activations) -> dict[str, Tensor]:
    """Every row's contribution [pair], for the pairs of one group, in the rows' order."""
    parts = selection.parts
    norm = FrozenNorm.of(parts.norm_final)
    scale = norm.scale(selection.output(LOGITS))
    right, wrong = selection.answers()
    direction = mean_columns(parts.w_u, right) - mean_columns(parts.w_u, wrong)
    direction = direction * parts.logit_scale
    # Weighting and centring are moved from what is written onto the direction that reads it.
    reading = norm.wider(norm.centre(direction * norm.weight) * scale)

    def read(x: Tensor) -> Tensor:
        return (wide(x) * reading).sum(-1)

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
        by_head = torch.einsum("hem,pm->hpe", wide(attention.w_o), of_heads)
        values = (wide(selection.heads(index)) * by_head).sum(-1) * attention.multiplier
        rows |= {head_name(index, head): value for head, value in enumerate(values)}
        mlp = mlp_name(index)
        rows[mlp] = read(selection.output(mlp))
        if attention.b_o is not None:
            bias = wide(attention.b_o) * attention.multiplier
            biases, biased = biases + of_heads @ bias, True
        if attention.edit is not None and attention.edit.added is not None:
            beside = wide(attention.edit.added[selection.position])
            biases, biased = biases + of_heads @ beside, True
    if parts.position_embedding is not None:
        rows[POSITION_EMBEDDING] = read(selection.residual(0) - selection.output("input"))
    elif parts.start is not None:
        biases, biased = biases + read(selection.residual(0) - selection.output("input")), True
    if biased:
        own = 0.0 if norm.bias is None else direction @ norm.bias
        rows[BIASES] = biases + own
    if parts.b_u is not None:
        b_u = parts.b_u[None] * parts.logit_scale
        rows[UNEMBEDDING_BIAS] = (mean_columns(b_u, right) - mean_columns(b_u, wrong))[:, 0]
    return rows


def _logit_difference(selection: Activations) -> Tensor:
    """The logit difference [pair] from the run's own logits, nothing frozen or taken apart."""
    logits = wide(uncapped_logits(selection.parts, selection.output(LOGITS)))
    right, wrong = selection.answers()

    def mean(ids: list[tuple[int, ...]]) -> Tensor:
        picked = [
            row[kept_index(tuple(i), row.device)] if i else row
            for row, i in zip(logits, ids, strict=True)
        ]
        return torch.stack([row.mean() for row in picked])

    return mean(right) - mean(wrong)
